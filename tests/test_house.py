"""The house: who may import whom, what a listing costs, what never happens."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "zoo"

# From the top of the house to the bottom; a file imports only from lines above its own.
HOUSE = (
    ("errors",),
    ("progress", "files", "plugins", "options"),
    ("strict_json",),
    ("registry_file",),
    ("registry", "licences", "privacy"),
    ("registry_editing",),
    ("contracts", "images", "devices"),
    ("data",),
    ("hub",),
    ("sources",),
    ("manifest",),
    ("weights_header",),
    ("weights",),
    ("published", "cached"),
    ("verification",),
    ("tracing",),
    ("levels",),
    ("truncation",),
    ("families",),
    ("embedding", "starts"),
    ("meta_models",),
    ("filters",),
    ("model", "golden", "fetching", "queries"),
    ("loading",),
    ("training",),
    ("evaluation", "probing", "looking"),
    ("pictures",),
    ("cards", "lineage", "showing"),
    ("publishing",),
    ("gallery",),
    ("delivery",),
    ("pushing",),
    ("quickstart",),
    ("testing",),
    ("cli",),
    ("__main__",),
    ("builtin",),
)
NEIGHBOURS = {"progress", "files", "plugins", "options", "contracts", "images", "devices"}  # may know those before them
PUBLIC_MODULES = ("zoo.errors", "zoo.progress", "zoo.files")  # for plugins too, and free of torch
LINE = {room: number for number, rooms in enumerate(HOUSE) for room in rooms}


def imports_of(path: Path) -> set[str]:
    """The rooms of zoo that a file imports, wherever the import stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "zoo":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("zoo.")}
    return found


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_from_the_lines_above_its_own(path):
    room = room_of(path)
    if room == "__init__":
        return
    for other in imports_of(path) - {room}:
        if other in ("__version__",):
            continue
        if room == "builtin" or (other in NEIGHBOURS and room in NEIGHBOURS):
            continue
        assert LINE[other] < LINE[room], f"{room} imports {other}, which stands below it"


def test_every_room_has_its_line():
    rooms = {room_of(path) for path in ROOT.rglob("*.py")} - {"__init__"}
    assert rooms == set(LINE)


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_command_line_prints(path):
    if room_of(path) == "cli":
        return
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]


_FLAG = re.compile(r"(?<![\w(-])--[a-z][a-z-]*(?![a-z-]*:)")  # and no variable of a style sheet
_COMMAND = re.compile(r"`(zoo|pip) [^`]*`|^\s*(zoo|pip) .*$", re.MULTILINE)  # in backticks, or a line of its own
_OWN = ("gallery", "looking/saliency.py", "looking/heat.py", "looking/viewers.py")  # of commands that leave the core


def texts_of(path: Path) -> list[str]:
    """All literals of a file, what is filled in as `…`."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    joined = [node for node in nodes if isinstance(node, ast.JoinedStr)]
    parts = {id(part) for node in joined for part in node.values}
    single = [node.value for node in nodes if isinstance(node, ast.Constant) and id(node) not in parts]
    filled = ["".join(part.value if isinstance(part, ast.Constant) else "…" for part in one.values) for one in joined]
    return [text for text in (*single, *filled) if isinstance(text, str)]


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_command_line_speaks_of_flags(path):
    if room_of(path) == "cli" or str(path.relative_to(ROOT)).startswith(_OWN):
        return
    assert not [text for text in texts_of(path) if _FLAG.search(_COMMAND.sub("", text))]


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_hubs_client_is_imported_in_one_room(path):
    if room_of(path) == "hub":
        return
    assert "huggingface_hub" not in path.read_text()


@pytest.mark.parametrize("path", sorted((ROOT.parent / "plugins").rglob("*.py")), ids=lambda path: path.name)
def test_plugins_import_only_public_names(path):
    import zoo

    if "tests" in path.parts:
        return
    public = set(zoo.__all__) | {"testing"}
    for node in ast.walk(ast.parse(path.read_text())):
        module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
        if module.split(".")[0] == "zoo" and module not in PUBLIC_MODULES:
            assert module == "zoo"
            assert {alias.name for alias in node.names} <= public
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "zoo":
            assert node.attr in public


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
    heavy = {"torch", "numpy", "pydantic", "rich", "huggingface_hub", "matplotlib", "PIL"}
    assert not heavy & modules_after(code)


def test_import_zoo_imports_nothing_heavy():
    assert not {"torch", "numpy", "click"} & modules_after("import zoo")


def test_info_reads_a_manifest_without_torch():
    code = (
        "sys.argv = ['zoo', 'info', 'vgg16-plankton']\nfrom zoo.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass"
    )
    assert "torch" not in modules_after(code)


def test_every_public_name_can_be_had():
    import zoo

    for name in zoo.__all__:
        assert getattr(zoo, name) is not None


def test_no_public_verb_is_also_a_module():
    import zoo

    modules = {path.stem for path in ROOT.glob("*.py")} | {path.name for path in ROOT.iterdir() if path.is_dir()}
    assert not modules & set(zoo.__all__)
