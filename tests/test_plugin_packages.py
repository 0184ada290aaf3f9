"""Packages of plugins: known by registries, installed, removed, written down and brought back; a thousand of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import CommandLine
from fresh_environment import Environment

from zoo.cli.packages import install_command, remove_command
from zoo.errors import FileError, UsageError, ZooError
from zoo.plugins import GROUPS
from zoo.store import (
    FrozenPackage,
    add_entry,
    freeze_plugins,
    known_packages,
    package_of,
    parse_frozen,
    remove_entry,
    user_registry,
)
from zoo.store.registry_file import RegistryEntry, read_known_packages
from zoo.testing import check_registry

ROOT = Path(__file__).parent.parent
KNOWN = """format = 1

[plugins.zoo-whales]
summary = "Whales, by their flukes."
datasets = ["whales"]
heads = ["flukes"]
backbones = ["whale-nets", "pods/orca"]
balancers = ["school"]
commands = ["breach"]
formats = ["krill"]
"""


@pytest.fixture
def command(monkeypatch, capsys):
    return CommandLine(monkeypatch, capsys)


@pytest.fixture
def known(home):
    user_registry().write_text(KNOWN)


# ------------------------------------------------------------------------------------------------ what registries know


def test_a_registry_names_packages_and_what_they_bring(known):
    package = known_packages(problems=[])["zoo-whales"]
    assert (package.summary, package.origin) == ("Whales, by their flukes.", str(user_registry()))
    assert package.brings["backbones"] == ("whale-nets", "pods/orca")
    assert set(package.brings) == set(GROUPS) - {"registry"}


def test_the_first_registry_goes_before_the_others(known, tmp_path, monkeypatch):
    (tmp_path / "lab.toml").write_text('format = 1\n[plugins.zoo-whales]\nsummary = "The lab\'s."\n')
    monkeypatch.setenv("ZOO_REGISTRY", str(tmp_path / "lab.toml"))
    assert known_packages(problems=[])["zoo-whales"].summary == "The lab's."


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ('[plugins."-e ."]', "line 2: '-e .' must be a package's name, and a table, [plugins.NAME]"),
        ('[plugins."a b"]', "'a b' must be a package's name"),
        ("[plugins]\nzoo-whales = 3", "line 3: 'zoo-whales' must be a package's name, and a table"),
        ("plugins = 3", "`plugins` must hold tables, [plugins.NAME]"),
        (
            '[plugins.zoo-whales]\ndataset = ["whales"]',
            "line 3: 'zoo-whales' has no key 'dataset', did you mean 'datasets'?",
        ),
        (
            '[plugins.zoo-whales]\n\nheads = "flukes"',
            "line 4: 'heads' of 'zoo-whales' must be a list of 1 to 1,000 names",
        ),
        ("[plugins.zoo-whales]\nheads = []", "must be a list of 1 to 1,000 names, not []"),
        ("[plugins.zoo-whales]\nheads = [3]", "must be a list of 1 to 1,000 names, not [3]"),
        ('[plugins.zoo-whales]\nheads = ["a b"]', "must be a list of 1 to 1,000 names"),
        ('[plugins.zoo-whales]\nheads = ["\\u001b[2J"]', "must be a list of 1 to 1,000 names"),
        ('[plugins.zoo-whales]\nbackbones = ["a/b/c"]', "must be a list of 1 to 1,000 names"),
        (f"[plugins.zoo-whales]\nheads = {['x'] * 1001}", "must be a list of 1 to 1,000 names"),
        ("[plugins.zoo-whales]\nsummary = 3", "'summary' of 'zoo-whales' must be a text of 300 letters at most, not 3"),
        (f'[plugins.zoo-whales]\nsummary = "{"x" * 301}"', "must be a text of 300 letters at most"),
    ],
)
def test_a_wrong_table_of_plugins_is_refused_in_one_line(tmp_path, lines, fault):
    path = tmp_path / "registry.toml"
    path.write_text(f"format = 1\n{lines}\n")
    with pytest.raises(FileError) as caught:
        read_known_packages(path)
    assert fault in str(caught.value)
    assert len(str(caught.value)) < 1_000


def test_entries_come_and_go_beside_packages(known):
    entry = RegistryEntry(name="minnows", sources=("hf://owner/minnows",))
    add_entry(entry)
    assert "zoo-whales" in known_packages(problems=[])
    remove_entry("minnows")
    assert user_registry().read_text().strip() == KNOWN.strip()


def test_a_large_registry_is_read_as_quickly_the_second_time(home):
    rows = "".join(f'[plugins.zoo-{number}]\nsummary = "{"x" * 200}"\n' for number in range(1000))
    user_registry().write_text(KNOWN + rows)
    assert len(known_packages(problems=[])) == len(known_packages(problems=[])) >= 1001
    assert list((home / "registries").iterdir())


def test_available_lists_what_is_known_and_not_installed(known, packages, command):
    answer = command("plugins", "available")
    assert "dataset whales; head flukes; balancer school" in answer.out
    assert "zoo-filters" not in answer.out
    listed = {one["name"]: one for one in json.loads(command("plugins", "available", "--json").out)}
    assert listed["zoo-whales"]["brings"]["format"] == ["krill"]
    packages("Zoo_Whales", "[zoo.datasets]\nother = other:Other\n")
    assert "zoo-whales" not in command("plugins", "available").out


@pytest.mark.parametrize(
    ("words", "kind", "name"),
    [
        (["train", "whales"], "dataset", "whales"),
        (["train", "zoo-whales:whales"], "dataset", "zoo-whales:whales"),
        (["data", "check", "whales"], "dataset", "whales"),
        (["train", "image-folder", "--data", "SHAPES", "--head", "flukes"], "head", "flukes"),
        (["train", "image-folder", "--data", "SHAPES", "--balance", "school"], "balancer", "school"),
        (["cuts", "whale-nets/small"], "backbones", "whale-nets"),
        (["cuts", "orca"], "backbone", "orca"),
        (["cuts", "pods/orca"], "backbones", "pods"),
        (["breach"], "command", "breach"),
        (["predict", "vgg16-plankton", "SHAPES", "--format", "krill"], "format", "krill"),
        (["plugins", "check", "flukes"], "plugin", "flukes"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_an_unknown_plugin_is_answered_by_the_package_that_would_bring_it(known, command, shapes, words, kind, name):
    answer = command(*(str(shapes) if word == "SHAPES" else word for word in words))
    assert answer.status in (1, 2)
    assert answer.err.endswith(f"`zoo plugins install zoo-whales` brings the {kind} {name!r}.\n")


def test_a_package_that_is_here_already_is_not_offered(known, packages, command):
    packages("zoo-whales", "[zoo.datasets]\nother = zoo_whales:Other\n")
    assert "install" not in command("cuts", "orca").fault


# ------------------------------------------------------------------------------------------------ written down


def write_direct(folder: Path, package: str, told: object) -> None:
    info = folder / "installed" / f"{package.replace('-', '_')}-1.2.dist-info"
    (info / "direct_url.json").write_text(told if isinstance(told, str) else json.dumps(told))


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (None, "zoo-whales==1.2"),
        (
            {
                "url": "https://git.example/w.git",
                "vcs_info": {"vcs": "git", "commit_id": "0a1b"},
                "subdirectory": "a b",
            },
            "zoo-whales @ git+https://git.example/w.git@0a1b#subdirectory=a%20b  # zoo-whales==1.2",
        ),
        ({"url": "file:///a%20b/w", "dir_info": {"editable": True}}, "-e file:///a%20b/w  # zoo-whales==1.2"),
        ({"url": "file:///src/w", "dir_info": {}}, "zoo-whales @ file:///src/w  # zoo-whales==1.2"),
        (
            {"url": "https://e.example/w.whl", "archive_info": {"hashes": {"sha256": "ab12"}}},
            "zoo-whales @ https://e.example/w.whl#sha256=ab12  # zoo-whales==1.2",
        ),
    ],
)
def test_a_package_is_written_down_with_where_it_came_from(packages, tmp_path, told, line):
    packages("zoo-whales", "[zoo.datasets]\nwhales = zoo_whales:Whales\n")
    if told:
        write_direct(tmp_path, "zoo-whales", told)
    (kept,) = (one for one in freeze_plugins()[0] if one.name == "zoo-whales")
    assert kept.line == line
    assert parse_frozen(f"# Comment\n\n{line}\n") == [kept]


@pytest.mark.parametrize(
    "told", ["{", "[]", '{"x": 1}', {"url": "file:///a\nb"}, {"url": "-e ."}, {"url": "x", "vcs_info": 3}]
)
def test_what_cannot_be_written_down_is_named(packages, tmp_path, command, told):
    packages("zoo-whales", "[zoo.datasets]\nwhales = zoo_whales:Whales\n")
    write_direct(tmp_path, "zoo-whales", told)
    answer = command("plugins", "freeze")
    assert "zoo-whales" not in answer.out
    assert "zoo-whales cannot be restored: its direct_url.json says no place" in answer.err


def test_freeze_writes_a_file_and_replaces_none(packages, tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    packages("zoo-whales", "[zoo.datasets]\nwhales = zoo_whales:Whales\n")
    write_direct(tmp_path, "zoo-whales", {"url": "file:///src/w", "dir_info": {"editable": True}})
    answer = command("plugins", "freeze", "-o", "plugins.txt")
    assert "zoo-whales can be restored only where /src/w is." in answer.err
    assert "zoo-plankton" in Path("plugins.txt").read_text()
    assert "there already" in command("plugins", "freeze", "-o", "plugins.txt").fault


@pytest.mark.parametrize(
    "line",
    [
        *("--index-url https://evil.example", "-r other.txt", "zoo-whales", "zoo-whales>=1", "zoo-whales==1 --pre"),
        *("-e .", "-e git+https://x", "zoo-whales @ -e", "zoo-whales==1; rm -rf /", "zoo-whales==1 \\", "\x1b[2J"),
        "zoo-whales @ file:///a b  # zoo-whales==1",
    ],
)
def test_a_file_takes_no_options_of_the_installer(tmp_path, command, line):
    with pytest.raises(UsageError, match="Line 2 is"):
        parse_frozen(f"zoo-whales==1\n{line}\n")
    (tmp_path / "plugins.txt").write_text(f"{line}\n")
    assert "plugins.txt: Line 1 is" in command("plugins", "restore", tmp_path / "plugins.txt", "--yes").fault


def test_restoring_names_the_file_that_cannot_be_read(tmp_path, command):
    assert "plugins.txt: " in command("plugins", "restore", "--yes").fault
    (tmp_path / "plugins.txt").write_bytes(b"\xff")
    assert "it is not UTF-8 text" in command("plugins", "restore", tmp_path / "plugins.txt", "--yes").fault


def test_what_came_from_a_folder_that_is_gone_is_named(tmp_path, command):
    (tmp_path / "plugins.txt").write_text("-e file:///no/such/w  # zoo-whales==1.2\n")
    answer = command("plugins", "restore", tmp_path / "plugins.txt", "--yes")
    assert "Not restored, for the files are not here: zoo-whales from /no/such/w." in answer.err
    assert answer.status == 1


def test_the_listing_tells_of_packages_that_an_upgrade_removed(home, command):
    (home / "plugins.txt").write_text("zoo-whales==1.2\n")
    assert "Once here, and not any more: zoo-whales. `zoo plugins restore` brings them back." in command("plugins").err


def test_versions_give_way_to_the_newest_where_asked():
    whales = FrozenPackage(name="zoo-whales", version="1.2")
    assert (whales.words(newest=False), whales.words(newest=True)) == (["zoo-whales==1.2"], ["zoo-whales"])
    local = FrozenPackage(name="zoo-whales", version="1.2", url="file:///src/w", editable=True)
    assert local.words(newest=True) == ["-e", "file:///src/w"]
    assert install_command(["zoo-whales"], upgrade=True)[-3:] == ["--upgrade", "zoo-whales", "filterzoo==0.2.0"]


# ------------------------------------------------------------------------------------------------ asked first


@pytest.mark.parametrize("words", [["install", "zoo-whales"], ["remove", "zoo-digits"]])
def test_the_command_is_shown_and_nobody_is_asked_where_nobody_is_there(words, command, monkeypatch):
    monkeypatch.setattr("subprocess.run", None)
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: PTH123, SIM115
    answer = command("plugins", *words)
    assert answer.status == 2
    assert f"{sys.executable} -m pip {'install' if words[0] == 'install' else 'uninstall -y'} {words[1]}" in answer.err
    assert "Nothing was changed, for there is nobody to ask. Say --yes." in answer.err


@pytest.mark.parametrize(
    "name", ["-e", "--index-url=x", "zoo whales", "zoo-whales;x", "zoo-whales @ git+x", "", "./no"]
)
def test_what_names_no_package_is_not_passed_on(name, command):
    with pytest.raises(UsageError, match="names no package"):
        package_of(name)
    assert "No such option" in (fault := command("plugins", "install", "--yes", name).fault) or "names no" in fault


@pytest.mark.parametrize("name", ["zoo-whales", "zoo-whales==1.0", "zoo-whales>=1.0", "zoo-whales<2", "Zoo_Whales"])
def test_a_package_may_be_asked_for_at_a_version(name):
    assert package_of(name) == "zoo-whales"


def test_only_packages_of_plugins_are_removed(command):
    assert "Did you mean 'zoo-digits'" in command("plugins", "remove", "zoo-digit", "--yes").fault
    assert "No installed package of plugins is called 'filterzoo'" in command("plugins", "remove", "filterzoo").fault


def test_uv_serves_where_there_is_no_pip(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ZooError, match="There is neither pip nor uv here"):
        install_command(["zoo-whales"])
    (tmp_path / "uv").write_text("#!/bin/sh\n")
    (tmp_path / "uv").chmod(0o755)
    uv = [str(tmp_path / "uv"), "pip"]
    assert install_command(["a"]) == [*uv, "install", "--python", sys.executable, "a", "filterzoo==0.2.0"]
    assert remove_command(["a"]) == [*uv, "uninstall", "--python", sys.executable, "a"]


# ------------------------------------------------------------------------------------------------ checked


def copy_filters(folder: Path, source: str, pin: str = "") -> Path:
    shutil.copytree(ROOT / "tests" / "data" / "version-0.1" / "filters", folder / "package" / "filters")
    path = folder / "package" / "registry.toml"
    path.write_text(f'format = 1\n[filters.old]\nsources = ["{source}"]\n{pin}')
    return path


def digest(folder: Path) -> str:
    import hashlib

    return f'manifest = "sha256:{hashlib.sha256((folder / "config.json").read_bytes()).hexdigest()}"\n'


FILTERS = ROOT / "tests" / "data" / "version-0.1" / "filters"


@pytest.mark.parametrize(
    ("source", "pin", "fault"),
    [
        ("./filters", "", "names 'old' without a pin"),
        (str(FILTERS), digest(FILTERS), "is nowhere else"),
        ("~/filters", digest(FILTERS), "is nowhere else"),
        (FILTERS.as_uri(), digest(FILTERS), "is nowhere else"),
        ("../elsewhere", digest(FILTERS), "is nowhere else"),
        ("./gone", digest(FILTERS), "cannot be used"),
        ("./filters", f'manifest = "sha256:{"0" * 64}"\n', "cannot be used"),
    ],
)
def test_a_registry_with_a_broken_promise_is_named(tmp_path, source, pin, fault):
    with pytest.raises(ZooError, match=fault):
        check_registry(copy_filters(tmp_path, source, pin))


def test_a_registrys_files_are_compared_with_their_hashes(tmp_path):
    path = copy_filters(tmp_path, "./filters", digest(FILTERS))
    assert check_registry(path) == ["filters: old", "all pinned; 1 on this disk verified"]
    with (path.parent / "filters" / "model.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x7f")
    with pytest.raises(ZooError, match=r"names 'old' from '\./filters', which cannot be used"):
        check_registry(path)


BOUND = """
import threading, zoo, torch
class Whales(zoo.Dataset):
    "Flukes."
    targets = {"whale": zoo.Categories(("a", "b"))}
    def __init__(self): self.lock = threading.Lock()
    def prepare(self, root, progress=None): ...
    def __len__(self): return 2
    def __getitem__(self, index):
        return zoo.Sample(image=torch.zeros(3, 8, 8, dtype=torch.uint8), targets={"whale": index})
"""


def test_a_dataset_that_no_worker_process_can_be_given_is_named(packages, command):
    packages("zoo-whales", "[zoo.datasets]\nwhales = zoo_whales:Whales\n", module="zoo_whales", code=BOUND)
    fault = command("plugins", "check", "whales").err
    assert (
        "reading a sample in a worker process, which the dataset is pickled for, raises TypeError: cannot pickle"
        in fault
    )


def test_a_package_is_checked_whole_and_the_time_of_its_import_is_said(packages, command):
    code = BOUND.replace("self.lock = threading.Lock()", "...")
    points = "[zoo.datasets]\nwhales = zoo_whales:Whales\nmore-whales = zoo_whales:Whales\n"
    packages("zoo-whales", points, module="zoo_whales", code=code)
    answer = command("plugins", "check", "zoo-whales")
    assert answer.status == 0, answer
    assert "dataset whales: a worker process reads the same" in answer.out
    assert "dataset more-whales: 2 pictures" in answer.out
    assert "zoo-whales: found without being imported, nor torch; importing it takes 0." in answer.err


def test_one_faulty_plugin_of_a_package_does_not_hide_what_the_others_do(packages, command):
    code = BOUND + "\nclass Good(Whales):\n    def __init__(self): ...\n"
    points = "[zoo.datasets]\nbad-whales = zoo_whales:Whales\ngood-whales = zoo_whales:Good\n"
    packages("zoo-whales", points, module="zoo_whales", code=code)
    answer = command("plugins", "check", "zoo-whales")
    assert answer.status == 1
    assert "dataset good-whales: a worker process reads the same" in answer.out
    assert "dataset bad-whales: The contract is broken: reading a sample in a worker process" in answer.err
    assert "1 of the 2 plugins do not hold: zoo-whales:bad-whales. Check it alone" in answer.err


def test_a_package_that_is_imported_when_python_starts_is_named(packages, command, tmp_path, monkeypatch):
    code = BOUND.replace("self.lock = threading.Lock()", "...")
    packages("zoo-whales", "[zoo.datasets]\nwhales = zoo_whales:Whales\n", module="zoo_whales", code=code)
    (tmp_path / "installed" / "sitecustomize.py").write_text("import zoo_whales\n")
    fault = command("plugins", "check", "whales").err
    assert "torch, zoo_whales is imported before any plugin is used" in fault


# ------------------------------------------------------------------------------------------------ a thousand


def write_thousand(folder: Path) -> None:
    """1,000 packages: 300 with a plugin of ours, of which 10 have no module, 5 ask for another core, 5 share a name."""
    kinds = list(GROUPS.values())
    for number in range(1000):
        info = folder / f"zoo_fake_{number}-1.{number}.dist-info"
        info.mkdir(parents=True)
        core = "<0.2" if 10 <= number < 15 else ">=0.2,<0.3"
        header = f"Name: zoo-fake-{number}\nVersion: 1.{number}\nRequires-Dist: filterzoo{core}\n"
        (info / "METADATA").write_text(f"Metadata-Version: 2.4\n{header}")
        if number >= 300:
            continue
        group = "zoo.datasets" if number < 20 else kinds[number % len(kinds)]
        name = "shared" if 15 <= number < 20 else f"fake-{number}"
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = zoo_fake_{number}:Fake\n")
        if number >= 10:
            (folder / f"zoo_fake_{number}").mkdir()
            (folder / f"zoo_fake_{number}" / "__init__.py").write_text("raise SystemExit('imported')\n")
            (folder / f"zoo_fake_{number}" / "registry.toml").write_text("format = 1\n")


def modules_of(words: list[str], env: dict[str, str]) -> tuple[set[str], str]:
    """What a command imports, and what it prints."""
    code = (
        f"import sys\nsys.argv = ['zoo', *{words!r}]\nfrom zoo.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\nsys.stderr.write(chr(10) + ' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split()), done.stdout


@pytest.mark.parametrize("words", [["list"], ["plugins"], ["plugins", "--json"], ["--help"]], ids=" ".join)
def test_a_thousand_packages_are_listed_without_importing_one_module_more(tmp_path, words):
    write_thousand(tmp_path / "site")
    alone, _ = modules_of(words, dict(os.environ))
    full, said = modules_of(words, {**os.environ, "PYTHONPATH": str(tmp_path / "site")})
    assert full == alone
    assert not {"torch", "numpy", "importlib.metadata", "pydantic"} & full
    if words == ["plugins", "--json"]:
        listed = [one for one in json.loads(said) if one["package"].startswith("zoo-fake")]
        assert len(listed) == 300
        broken = [one["problem"] for one in listed if one["problem"]]
        assert len(broken) == 20
        assert sum("which is not there" in problem for problem in broken) == 10
        assert sum("asks for filterzoo <0.2" in problem for problem in broken) == 5
        assert sum("Several packages" in problem for problem in broken) == 5


# ------------------------------------------------------------------------------------------------ the proof


def build_core(folder: Path, version: str) -> Path:
    """A wheel of the core, of some version."""
    project = folder / f"core-{version}"
    shutil.copytree(ROOT / "zoo", project / "zoo", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "registry.toml"):
        shutil.copy(ROOT / name, project)
    for path in (project / "pyproject.toml", project / "zoo" / "__init__.py"):
        path.write_text(path.read_text().replace('version = "0.2.0"', f'version = "{version}"'))
    path.write_text(path.read_text().replace('__version__ = "0.2.0"', f'__version__ = "{version}"'))
    return build_wheel(project, folder)


def build_wheel(project: Path, folder: Path) -> Path:
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "wheels"]
    before = {*(folder / "wheels").glob("*.whl")}
    subprocess.run(list(map(str, words)), cwd=project, check=True, capture_output=True)
    (wheel,) = {*(folder / "wheels").glob("*.whl")} - before
    return wheel


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_package_of_every_kind_is_begun_installed_checked_and_back_after_an_upgrade(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "0")  # that is pip's way to say that there is none
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    first = Environment(tmp_path)
    first.share_others()
    first.pip("install", "--no-deps", build_core(tmp_path, "0.2.0"))

    for kind in GROUPS:
        first.zoo("plugins", "new", kind.removesuffix("s"), f"whale-{kind}")
        if kind not in ("head", "format"):
            build_wheel(tmp_path / f"zoo-whale-{kind}", tmp_path)
    indexed = [f"zoo-whale-{kind}" for kind in GROUPS if kind not in ("head", "format")]
    done = first.zoo("plugins", "install", "--yes", *indexed, "./zoo-whale-format")
    assert "-m pip install zoo-whale-backbones" in done.stderr
    assert "zoo-whale-dataset: 0.1.0, dataset whale-dataset" in done.stdout
    first.pip("install", "-e", "./zoo-whale-head")

    frozen = first.zoo("plugins", "freeze", "-o", "plugins.txt").stderr
    assert "zoo-whale-head can be restored only where" in frozen
    before = (tmp_path / "plugins.txt").read_text()
    assert before.count("==0.1.0") == len(GROUPS)
    first.zoo("plugins", "remove", "--yes", "zoo-whale-command")
    assert "zoo-whale-command" not in first.zoo("plugins", "--json").stdout

    shutil.rmtree(tmp_path / "env")  # as `uv tool upgrade` and brew do: a new environment, without what was added
    second = Environment(tmp_path)
    second.share_others()
    second.pip("install", "--no-deps", build_core(tmp_path, "0.2.1"))
    gone = second.zoo("plugins")
    assert "whale" not in gone.stdout
    assert "Once here, and not any more: zoo-whale-backbones" in gone.stderr
    restored = second.zoo("plugins", "restore", "plugins.txt", "--yes")
    assert restored.stderr.splitlines()[0].endswith("filterzoo==0.2.1")
    assert second.zoo("--version").stdout.strip().endswith("0.2.1")
    for kind in GROUPS:
        checked = second.zoo("plugins", "check", f"whale-{kind}")
        assert checked.stdout.startswith(f"{kind} whale-{kind}: "), checked
        assert "found without being imported" in checked.stderr
    tests = [f"zoo-whale-{kind}/tests" for kind in GROUPS]
    assert "7 passed" in second.run("-m", "pytest", "-p", "no:cacheprovider", *tests).stdout
    second.zoo("plugins", "freeze", "-o", "again.txt")
    assert (tmp_path / "again.txt").read_text().splitlines()[1:] == before.splitlines()[1:]
    assert "Nothing is left to install." in second.zoo("plugins", "restore", "plugins.txt", "--yes").stderr
