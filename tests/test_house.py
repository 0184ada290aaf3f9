"""The plan of the code: who may import whom, how large things may be, what they may be called, what a listing costs."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "zoo"
PLUGINS = ROOT.parent / "plugins"

# From the ground up. An entry imports only from lines above its own.
LAYERS = (
    ("errors", "progress"),
    ("contracts", "devices", "files", "plugins"),
    ("data", "hub", "networks"),
    ("embedding", "store"),
    ("models", "testing"),
    ("interpret", "training"),
    ("evaluation",),
    ("builtin", "plots"),
    ("publish",),
    ("__init__",),
    ("cli",),
    ("__main__",),
)
LAYER = {entry: number for number, entries in enumerate(LAYERS) for entry in entries}
MOST_ENTRIES = 24
MOST_LAYERS = 12
MOST_LINES = 26_500
MODULE_LINES = 350
FUNCTION_LINES = 60

# Words of our own that the field has better ones for; see docs/glossary.md.
RETIRED_WORDS = {
    *("album", "albums", "arm", "arms", "crew", "delivery", "dream", "dreams", "feed", "feeds", "figures", "ghost"),
    *("how", "judge", "judging", "kept", "learnt", "lesson", "lessons", "looking", "marks", "particulars", "pushing"),
    *("shelf", "showing", "squashed", "wishes", "work"),
}
RETIRED_NAMES = {
    *("Comparison", "Pictures", "Published", "Question", "Result", "Start", "Table"),
    *("cached", "families", "levels", "pictures", "published", "publishing", "question", "starts"),
}

PUBLIC_MODULES = {"errors", "progress", "files", "testing"}  # for plugins, beside the packages' front doors
PLUGIN_PACKAGES = {
    "data",
    "embedding",
    "evaluation",
    "interpret",
    "models",
    "networks",
    "plots",
    "store",
    "training",
    "cli",
}

FILES = sorted([*ROOT.rglob("*.py"), *ROOT.rglob("*.pyi")])
SOURCES = [path for path in FILES if path.suffix == ".py"]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def entry_of(path: Path) -> str:
    """The top-level file or package of zoo that a file belongs to."""
    return path.relative_to(ROOT).with_suffix("").parts[0]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def for_the_type_checker(tree: ast.Module) -> set[ast.AST]:
    """All that stands under `if TYPE_CHECKING:`, which never runs."""
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    return {inner for block in blocks for statement in block.body for inner in ast.walk(statement)}


def imports_of(path: Path) -> set[tuple[str, str]]:
    """What of zoo a file imports, at its top or inside a function: (module, name), the name empty for a bare import."""
    tree, found = tree_of(path), set()
    for node in set(ast.walk(tree)) - for_the_type_checker(tree):
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:  # front doors are written relative to themselves
                module = ".".join(["zoo", *path.relative_to(ROOT).parent.parts, *filter(None, [module])])
            if module.split(".")[0] == "zoo":
                found |= {(module, alias.name) for alias in node.names} - {("zoo", "__version__")}
        elif isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names if alias.name.split(".")[0] == "zoo"}
    return found


def entries_imported(path: Path) -> set[str]:
    return {module.split(".")[1] if "." in module else "__init__" for module, _ in imports_of(path)} - {entry_of(path)}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_an_entry_imports_only_from_the_layers_below_it(path):
    for other in entries_imported(path):
        assert LAYER[other] < LAYER[entry_of(path)], f"{entry_of(path)} imports {other}"


def test_only_the_console_prints():
    """What passes through it is one line and steers no terminal; an empty line may come from anywhere."""
    printers = {
        "zoo/cli/console.py",
        "zoo/cli/main.py",
        "zoo/cli/evaluate.py",
    }  # main: errors; evaluate: a format's bytes
    for path in [*SOURCES, *PLUGINS.glob("*/zoo_*/**/*.py")]:
        if str(path.relative_to(ROOT.parent)) not in printers:
            assert not re.search(
                r"\bclick\.s?echo\([^)]|^\s*print\(|std(out|err)\.write", path.read_text(), re.MULTILINE
            ), path


def test_there_are_no_more_entries_and_layers_than_a_newcomer_can_hold():
    entries = {entry_of(path) for path in FILES}
    assert entries == set(LAYER)
    assert len(entries | {"py.typed"}) <= MOST_ENTRIES
    assert len(LAYERS) <= MOST_LAYERS


@cache
def doors() -> dict[str, dict[str, str]]:
    """Package -> public name -> the module that defines it, from the stubs."""
    return {
        ".".join(["zoo", *path.relative_to(ROOT).parent.parts]): {name: module for module, name in imports_of(path)}
        for path in FILES
        if path.name == "__init__.pyi"
    }


def test_no_modules_import_each_other_in_a_circle():
    modules = {".".join(["zoo", *path.relative_to(ROOT).with_suffix("").parts]): path for path in SOURCES}
    above = {
        name: {
            module if module in modules else doors().get(module, {}).get(imported, "")
            for module, imported in imports_of(path)
        }
        for name, path in modules.items()
        if path.name != "__init__.py"
    }
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join([*way[way.index(name) :], name])
        if name not in done:
            for other in above.get(name, ()):
                visit(other, (*way, name))
            done.add(name)

    for name in modules:
        visit(name, ())


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_package_is_entered_by_its_front_door(path):
    for module, _ in imports_of(path):
        parts = module.split(".")
        inside = len(parts) > 2 and parts[1] != entry_of(path)
        assert not inside or path.name == "__main__.py", f"import from zoo.{parts[1]}, not from {module}"


@pytest.mark.parametrize("package", sorted(doors()))
def test_a_front_door_says_what_it_is_for_and_keeps_what_it_promises(package):
    module = importlib.import_module(package)
    assert module.__doc__
    assert len(module.__doc__.strip().splitlines()) >= 3
    for name in doors()[package]:
        assert getattr(module, name) is not None
    assert not [name for name in doors()[package] if name.startswith("_")]


def test_front_doors_export_what_others_use_and_no_more():
    used: set[tuple[str, str]] = set()  # also what only the type checker imports
    folders = [ROOT, PLUGINS, ROOT.parent / "benchmarks", ROOT.parent / "tests"]
    for path in (path for folder in folders for path in folder.rglob("*.py")):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ImportFrom):
                used |= {(node.module or "", alias.name) for alias in node.names}
    public = {(module, name) for module, name in imports_of(ROOT / "__init__.pyi")}
    for package, names in doors().items():
        if package != "zoo":
            assert not [name for name in names if (package, name) not in used | public], package


def test_no_public_name_of_a_package_is_also_its_module():
    for package, names in doors().items():
        folder = ROOT.joinpath(*package.split(".")[1:])
        assert not names.keys() & {path.stem for path in folder.iterdir()}, package


def test_no_submodule_has_the_name_of_a_public_verb():
    assert not set(LAYER) & set(doors()["zoo"])


def test_the_core_stays_readable():
    assert sum(len(path.read_text().splitlines()) for path in SOURCES) <= MOST_LINES


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_modules_and_functions_are_of_one_idea(path):
    assert len(path.read_text().splitlines()) <= MODULE_LINES
    functions = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = [node.name for node in functions if (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES]
    assert not long


def public_classes() -> list[str]:
    return [
        node.name
        for path in SOURCES
        for node in tree_of(path).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]


def test_no_two_public_classes_share_a_name():
    assert not [name for name, count in Counter(public_classes()).items() if count > 1]


def test_names_are_the_fields_own_words():
    modules = {part for path in FILES for part in path.relative_to(ROOT).with_suffix("").parts}
    names = modules | set(public_classes())
    words = {name: set(re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)) for name in names}
    assert not {name for name in names if {word.lower() for word in words[name]} & RETIRED_WORDS}
    assert not names & RETIRED_NAMES


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_only_the_command_line_prints(path):
    if entry_of(path) == "cli":
        return
    calls = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
    assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]


_FLAG = re.compile(r"(?<![\w(-])--[a-z][a-z-]*(?![a-z-]*:)")  # and no variable of a style sheet
_COMMAND = re.compile(r"`(zoo|pip) [^`]*`|^\s*(zoo|pip) .*$", re.MULTILINE)  # in backticks, or a line of its own


def texts_of(path: Path) -> list[str]:
    """All literals of a file, what is filled in as `…`."""
    nodes = list(ast.walk(tree_of(path)))
    joined = [node for node in nodes if isinstance(node, ast.JoinedStr)]
    parts = {id(part) for node in joined for part in node.values}
    single = [node.value for node in nodes if isinstance(node, ast.Constant) and id(node) not in parts]
    filled = ["".join(part.value if isinstance(part, ast.Constant) else "…" for part in one.values) for one in joined]
    return [text for text in (*single, *filled) if isinstance(text, str)]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_only_the_command_line_speaks_of_flags(path):
    if entry_of(path) in ("cli", "gallery", "saliency"):  # the last two leave the core, with flags of their own
        return
    assert not [text for text in texts_of(path) if _FLAG.search(_COMMAND.sub("", text))]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_the_hubs_client_is_imported_in_one_package(path):
    assert entry_of(path) == "hub" or "huggingface_hub" not in path.read_text()


@pytest.mark.parametrize("path", sorted(PLUGINS.rglob("*.py")), ids=lambda path: path.name)
def test_plugins_import_only_public_names(path):
    if "tests" in path.parts:
        return
    packages = {f"zoo.{package}" for package in PLUGIN_PACKAGES}
    if "recipes" in path.parts:  # they publish
        packages |= {"zoo.hub", "zoo.publish"}
    modules = {f"zoo.{module}" for module in PUBLIC_MODULES}
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "zoo":
            assert node.module in {"zoo", *packages, *modules}
            known = doors().get(node.module or "", {})
            assert node.module in modules or {alias.name for alias in node.names} <= {*known, "testing"}
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "zoo":
            assert node.attr in {*doors()["zoo"], "testing"}


def modules_after(code: str) -> set[str]:
    """Which modules are there after some code ran in a fresh Python."""
    script = f"import sys\n{code}\nprint(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "words",
    [["--help"], ["list"], ["plugins"], ["train", "--help"], ["list", "--json"], ["search", "vgg", "--offline"]],
    ids=" ".join,
)
def test_listings_import_neither_torch_nor_pydantic_nor_rich(words):
    run = "from zoo.cli.main import main\ntry:\n    main()\nexcept SystemExit:\n    pass"
    code = f"sys.argv = ['zoo', *{words!r}]\n{run}"
    heavy = {"torch", "numpy", "pydantic", "rich", "huggingface_hub", "matplotlib", "PIL", "tomlkit", "jinja2"}
    assert not heavy & modules_after(code)


def test_import_zoo_imports_nothing_heavy():
    assert not {"torch", "numpy", "click"} & modules_after("import zoo")


def test_info_reads_a_manifest_without_torch():
    code = (
        "sys.argv = ['zoo', 'info', 'vgg16-plankton']\nfrom zoo.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass"
    )
    assert "torch" not in modules_after(code)
