"""The documents: the plugins that they show keep the contract, and what they name exists."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest
from command_line import CommandLine

from zoo.cli.main import cli
from zoo.errors import PluginError
from zoo.files import sha256_of
from zoo.plugins import CORE, GROUPS, Plugin, clear_plugin_cache, find_plugin, own_range
from zoo.store import find
from zoo.testing import check_plugin

ROOT = Path(__file__).parent.parent
GUIDE = ROOT / "docs" / "plugins.md"
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "plugins").glob("*/README.md"),
    ]
)
FIRST_EXAMPLE_LINES = 14

# ------------------------------------------------------------------------------------------------ plugins.md


def blocks(language: str) -> list[str]:
    """The fenced blocks of the guide in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


def modules() -> dict[str, str]:
    """File -> code: each block of Python stands under the file's name."""
    found = re.findall(r"^`([\w/]+\.py)`:\n\n```python\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    return dict(found)


PROJECT = next(table for table in map(tomllib.loads, blocks("toml")) if "project" in table)["project"]
POINTS = {
    (kind, name): target
    for kind, group in GROUPS.items()
    for name, target in PROJECT["entry-points"].get(group, {}).items()
}


@pytest.fixture
def command(monkeypatch, capsys):
    return CommandLine(monkeypatch, capsys)


@pytest.fixture
def guide(tmp_path, monkeypatch):
    """The guide's package as pip would have installed it."""
    place = tmp_path / "site"
    info = place / f"{PROJECT['name'].replace('-', '_')}-{PROJECT['version']}.dist-info"
    info.mkdir(parents=True)
    requires = "".join(f"Requires-Dist: {one}\n" for one in PROJECT["dependencies"])
    (info / "METADATA").write_text(f"Name: {PROJECT['name']}\nVersion: {PROJECT['version']}\n{requires}")
    lines = [f"[{GROUPS[kind]}]\n{name} = {target}\n" for (kind, name), target in POINTS.items()]
    (info / "entry_points.txt").write_text("".join(lines))
    for file, code in modules().items():
        (place / file).parent.mkdir(exist_ok=True)
        (place / file).write_text(code)
    (place / "zoo_moons" / "__init__.py").touch()
    (place / "zoo_moons" / "registry.toml").write_text(next(text for text in blocks("toml") if "[filters." in text))
    monkeypatch.syspath_prepend(str(place))
    clear_plugin_cache()
    yield place
    monkeypatch.undo()
    clear_plugin_cache()


def test_the_guide_has_a_plugin_of_every_kind_and_no_code_beside():
    assert {kind for kind, _ in POINTS} == set(GROUPS)
    assert len(modules()) == len(blocks("python"))
    assert {f"{target.partition(':')[0].replace('.', '/')}.py" for target in POINTS.values() if ":" in target} == {
        *modules()
    }


@pytest.mark.parametrize("file", modules())
def test_a_first_example_is_short(file):
    assert len(modules()[file].splitlines()) <= FIRST_EXAMPLE_LINES


@pytest.mark.parametrize(("kind", "name"), [point for point in POINTS if point[0] != "registry"])
def test_the_guides_plugins_keep_the_contract_and_the_guide_shows_what_the_check_says(kind, name, guide):
    lines = [f"    {kind} {name}: {line}\n" for line in check_plugin(find_plugin(kind, name))]
    assert lines
    if f"$ zoo plugins check {name}\n" in GUIDE.read_text():
        assert "".join(lines) in GUIDE.read_text()


def test_the_guides_registry_names_filters_beside_it(guide, command):
    entry = find("two-layers-moons")
    assert entry.origin == PROJECT["name"]
    assert entry.sources == ("./two-layers-moons",)
    assert "names 'two-layers-moons' from './two-layers-moons'" in command("plugins", "check", "moons").err
    folder = shutil.copytree(ROOT / "tests" / "data" / "version-0.1" / "filters", entry.base / "two-layers-moons")
    registry = entry.base / "registry.toml"
    registry.write_text(registry.read_text().replace(entry.manifest, f"sha256:{sha256_of(folder / 'config.json')}"))
    checked = command("plugins", "check", "moons")
    assert "registry moons: filters: two-layers-moons\n" in checked.out
    assert "".join(f"    {line}\n" for line in checked.out.splitlines()) in GUIDE.read_text()


def test_the_guides_package_asks_for_this_core_and_one_for_another_is_refused_as_shown():
    assert PROJECT["dependencies"] == [f"{CORE}{own_range()}"]
    other = Plugin(
        kind="head",
        name="measure",
        package=PROJECT["name"],
        version=PROJECT["version"],
        target=POINTS["head", "measure"],
        requires="<0.4,>=0.3",
    )
    assert f"    Error: {other.mismatch}\n" in GUIDE.read_text()
    with pytest.raises(PluginError, match=r"asks for filterzoo <0\.4,>=0\.3"):
        other.load()


# ------------------------------------------------------------------------------------------------ what pages name


def snippets(page: Path) -> Iterator[str]:
    """All that a page sets as code: in backticks (over a line's end too), indented or fenced lines."""
    text = re.sub(r"\\\n\s*", "", page.read_text())  # a command over two lines
    text = re.sub(r"^```.*$|``[^`].*?``", "", text, flags=re.MULTILINE)
    plain = []
    for line in text.splitlines():
        if line.startswith("    "):
            yield line
        plain.append("" if line.startswith("    ") else line)
    yield from (" ".join(found.split()) for found in re.findall(r"`([^`]+)`", "\n".join(plain)))
    fences = re.findall(r"^```\w*\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    yield from (line for fence in fences for line in fence.splitlines())


@cache
def packaged_commands() -> dict[str, str]:
    """Commands of the first-party packages and of the guide's own."""
    projects = [tomllib.loads(path.read_text())["project"] for path in (ROOT / "plugins").glob("*/pyproject.toml")]
    commands = [project.get("entry-points", {}).get("zoo.commands", {}) for project in [*projects, PROJECT]]
    return {name: target for table in commands for name, target in table.items()}


def find_command(words: list[str]) -> click.Command | None:
    """The command that the words name, a group's inner one where they go on; None where it is the guide's."""
    context = click.Context(cli)
    if words[0] in PROJECT["entry-points"]["zoo.commands"]:
        return None
    command = cli.get_command(context, words[0])
    assert command, f"there is no command zoo {words[0]}"
    for word in words[1:]:
        inner = command.get_command(context, word) if isinstance(command, click.Group) else None
        if inner is None:
            assert not isinstance(command, click.Group), f"{command.name} has no command {word}"
            break
        command = inner
    return command


def options_of(command: click.Command) -> set[str]:
    context = click.Context(command)
    return {name for one in command.get_params(context) for name in (*one.opts, *one.secondary_opts)} | {"-h", "--help"}


def commands_in(page: Path) -> list[str]:
    """Each `zoo …` of a page, up to the end of its line or of the command."""
    texts = [text for text in snippets(page) if not re.match(r"\s*(import|from) ", text)]
    ends = re.compile(r"\s&&\s|\s#|[;)]|\s{3,}|,\s")
    found = [re.findall(r"(?<![\w.`/=<-])zoo ((?:[a-z]|--).*)", text) for text in texts]
    return [ends.split(rest)[0].rstrip(" :.") for rests in found for rest in rests]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_page_names_is_one_and_has_its_options(page):
    for text in commands_in(page):
        words = text.split()
        if words[0].startswith("--"):
            continue
        command = find_command([word for word in words if re.fullmatch(r"[a-z][a-z-]*", word)] or words)
        flags = re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text)
        if command:
            assert not set(flags) - options_of(command), text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    assert not [link for link in links if "://" not in link and not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_exists(page):
    """A path from the repository's root, from the page's folder, or below `zoo/`; a bare name anywhere below those."""
    examples = {*modules(), "zoo_whales.py", "zoo_moons/__init__.py"} if page in (GUIDE, ROOT / "README.md") else set()
    for text in snippets(page):
        named = re.findall(r"(?<![\w/:.{}-])((?:[\w-]+/)*[\w-]+\.py)\b(?!:)", text)
        named += re.findall(r"(?<![\w/.-])((?:zoo|tests|benchmarks|docs|plugins)/[\w/.-]*\w)", text)
        for name in {one for one in named if not re.search(r"\bNAME\b", one)} - examples:
            places = (ROOT, ROOT / "zoo", page.parent)
            if "/" in name:
                assert any(any(place.glob(f"{name}*")) for place in places), name  # or what begins so, for outputs
            else:
                assert any(any(place.rglob(name)) for place in (page.parent, ROOT / "zoo", ROOT / "tests")), name


def test_the_readmes_table_of_commands_is_complete():
    text = (ROOT / "README.md").read_text().partition("## Commands")[2].partition("##")[0]
    named = set()
    for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE):
        first, *others = re.findall(r"`(.+?)`", row)
        group = first.split()[1]
        named.add(group)
        inner = find_command([group])
        for word in [*first.split()[2:], *others]:
            if not (isinstance(inner, click.Group) and inner.get_command(click.Context(inner), word)):
                assert find_command([word])
                named.add(word)
    core = {*cli.list_commands(click.Context(cli))} - {"size"}
    assert {*core, "gallery", "saliency"} == named


def test_the_design_names_every_entry_of_the_core():
    text = (ROOT / "docs" / "design.md").read_text().partition("## The tree")[2]
    lines = re.findall(r"^ {6}((?:[\w.]+/? )+)", text, re.MULTILINE)
    named = {name.rstrip("/") for line in lines for name in line.split() if name.endswith(("/", ".py", ".typed"))}
    assert named == {path.name for path in (ROOT / "zoo").iterdir()} - {"__pycache__", "__init__.pyi"}


def test_make_says_that_it_installs_and_pip_is_not_silenced():
    words = ["make", "--dry-run", "--always-make", "quickstart"]
    said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "Installing zoo, its plugins and what they need" in said
    assert "--quiet" not in said
