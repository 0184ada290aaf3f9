"""Names, and where their filters lie."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from zoo.errors import FileError, PluginError, UnknownNameError, UsageError, ZooError
from zoo.plugins import Plugin
from zoo.store.registry import all_entries, find, package_folders, user_registry
from zoo.store.registry_editing import add_entry, format_entry, remove_entry
from zoo.store.registry_file import RegistryEntry, read_registry

PIN = "sha256:" + "a" * 64
OTHER_PIN = "sha256:" + "b" * 64


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ZOO_REGISTRY", raising=False)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def entry(name: str = "vgg16-minnows", **changes: object) -> RegistryEntry:
    values: dict[str, object] = {"name": name, "sources": (f"hf://owner/{name}",), "manifest": PIN, "backbone": "vgg16"}
    return RegistryEntry(**{**values, **changes})  # type: ignore[arg-type]


def broken(tmp_path: Path, text: str) -> str:
    path = write(tmp_path / "registry.toml", text)
    with pytest.raises(FileError) as caught:
        read_registry(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_an_entry_is_read_with_all_its_fields(tmp_path: Path) -> None:
    path = write(
        tmp_path / "registry.toml",
        f'format = 1\n\n[filters.whales]\nsources = ["hf://me/whales@1", "package:zoo_whales/whales"]\n'
        f'manifest = "{PIN}"\nbackbone = "vgg16"\ncut = "block4"\nabout = "Whales."\nlicense = "apache-2.0"\n',
    )
    assert read_registry(path)["whales"] == RegistryEntry(
        name="whales",
        sources=("hf://me/whales@1", "package:zoo_whales/whales"),
        manifest=PIN,
        backbone="vgg16",
        cut="block4",
        about="Whales.",
        license="apache-2.0",
        origin=str(path),
        base=tmp_path,
    )


@pytest.mark.parametrize("about", ['plain "words"', "back\\slash", "two\nlines", "tab\t", "Größe 🐋", "bell\x07"])
def test_whatever_is_written_is_read_back_the_same(tmp_path: Path, about: str) -> None:
    path = tmp_path / "registry.toml"
    add_entry(entry(name="a.b", about=about), path)
    assert read_registry(path)["a.b"].about == about


def test_a_syntax_error_names_the_file_and_the_line(tmp_path: Path) -> None:
    assert "line 2" in broken(tmp_path, "format = 1\n[filters.a\n")


def test_an_unknown_key_is_refused_with_its_line_and_the_nearest(tmp_path: Path) -> None:
    message = broken(tmp_path, 'format = 1\n[filters.a]\nsources = ["x"]\nlicence = "mit"\n')
    assert "line 4" in message
    assert "did you mean 'license'?" in message


def test_all_faults_of_a_file_are_said_at_once(tmp_path: Path) -> None:
    message = broken(
        tmp_path,
        'format = 1\nfilter = 2\n[filters.a]\nabout = 3\n[filters.b]\nsources = "x"\nmanifest = "sha256:12"\n',
    )
    for part in ("line 2", "'filters'", "line 4", "'a' has no sources", "line 6", "line 7", "64 hex digits"):
        assert part in message


def test_a_bad_name_is_refused_with_its_line(tmp_path: Path) -> None:
    message = broken(tmp_path, 'format = 1\n\n[filters."../a"]\nsources = ["x"]\n')
    assert "line 3" in message
    assert "cannot be a name" in message


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    assert "format 2, made for a newer zoo" in broken(tmp_path, "format = 2\n")


def test_a_missing_format_is_refused(tmp_path: Path) -> None:
    assert "`format = 1`" in broken(tmp_path, '[filters.a]\nsources = ["x"]\n')


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    assert "line" in broken(tmp_path, "format = 1\n" + format_entry(entry("a")) + format_entry(entry("a")))


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "registry.toml").write_bytes(b"format = 1\n# \xff\n")
    with pytest.raises(FileError, match="UTF-8"):
        read_registry(tmp_path / "registry.toml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"registry\.toml: it cannot be read"):
        read_registry(tmp_path / "registry.toml")


def test_the_environment_goes_before_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_entry(entry(about="the user's"))
    add_entry(entry(about="the lab's"), tmp_path / "lab.toml")
    monkeypatch.setenv("ZOO_REGISTRY", str(tmp_path / "lab.toml"))
    assert find("vgg16-minnows").about == "the lab's"


def test_sources_of_the_same_manifest_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_entry(entry(sources=("hf://a/b", "./near")))
    add_entry(entry(sources=("hf://c/d", "hf://a/b")), tmp_path / "lab.toml")
    monkeypatch.setenv("ZOO_REGISTRY", str(tmp_path / "lab.toml"))
    near = str(user_registry().parent / "./near")
    assert find("vgg16-minnows").sources == ("hf://c/d", "hf://a/b", near)


def test_another_manifest_under_one_name_is_shadowed_and_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_entry(entry(manifest=OTHER_PIN))
    add_entry(entry(), tmp_path / "lab.toml")
    monkeypatch.setenv("ZOO_REGISTRY", str(tmp_path / "lab.toml"))
    found = find("vgg16-minnows")
    assert found.manifest == PIN
    assert found.sources == ("hf://owner/vgg16-minnows",)
    assert found.shadows == (str(user_registry()),)


def test_a_package_brings_a_registry_without_being_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "zoo_whales" / "__init__.py", "raise RuntimeError('imported')")
    add_entry(entry("whales"), tmp_path / "zoo_whales" / "registry.toml")
    write(tmp_path / "zoo_whales-1.0.dist-info" / "METADATA", "Metadata-Version: 2.1\nName: zoo-whales\nVersion: 1.0\n")
    write(tmp_path / "zoo_whales-1.0.dist-info" / "entry_points.txt", "[zoo.registries]\nwhales = zoo_whales\n")
    code = "from zoo.store.registry import find; e = find('whales'); print(e.origin, e.base.name)"
    environment = {"PYTHONPATH": str(tmp_path), "ZOO_HOME": str(tmp_path / "home")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "zoo-whales zoo_whales\n", done.stderr


def test_a_package_without_a_registry_is_named_and_harms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = Plugin(kind="registry", name="whales", package="zoo-whales", version="1", target="no_such_module")
    monkeypatch.setattr("zoo.store.registry.find_plugins", lambda kind: [plugin])
    add_entry(entry())
    problems: list[ZooError] = []
    assert "vgg16-minnows" in all_entries(problems=problems)
    (problem,) = problems
    assert isinstance(problem, PluginError)
    assert "zoo-whales" in str(problem)


def test_a_broken_registry_is_reported_and_the_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_entry(entry())
    monkeypatch.setenv("ZOO_REGISTRY", str(write(tmp_path / "lab.toml", "format = \n")))
    problems: list[ZooError] = []
    assert "vgg16-minnows" in all_entries(problems=problems)
    assert "lab.toml" in str(problems[0])
    with pytest.raises(FileError):
        all_entries()


def test_a_name_that_a_broken_registry_may_have_names_that_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_REGISTRY", str(write(tmp_path / "lab.toml", "format = \n")))
    with pytest.raises(FileError, match=r"lab\.toml"):
        find("whales")


def test_an_unknown_name_offers_the_nearest() -> None:
    add_entry(entry())
    with pytest.raises(UnknownNameError, match=r"Did you mean 'vgg16-minnows'\?"):
        find("vgg16-minows")


def test_an_unknown_name_without_a_near_one_says_how_to_list() -> None:
    add_entry(entry())
    with pytest.raises(UnknownNameError, match="Run `zoo list`"):
        find("whales")


def test_adding_keeps_other_entries_and_comments(tmp_path: Path) -> None:
    text = f"# mine\nformat = 1 # one\n\n# of the whales\n{format_entry(entry('whales'))}\n# the end\n"
    path = write(tmp_path / "registry.toml", text)
    add_entry(entry("squid"), path)
    assert path.read_text().startswith(text)
    assert set(read_registry(path)) == {"whales", "squid"}


def test_adding_the_same_pin_again_replaces_that_table_only(tmp_path: Path) -> None:
    a, b = format_entry(entry("a")), format_entry(entry("b"))
    path = write(tmp_path / "registry.toml", f"format = 1\n\n{a}\n# of b\n{b}")
    add_entry(entry("a", about="new"), path)
    assert path.read_text() == f"format = 1\n\n{format_entry(entry('a', about='new'))}\n# of b\n{b}"


def test_another_pin_is_not_replaced_unasked(tmp_path: Path) -> None:
    path = add_entry(entry(), tmp_path / "registry.toml")
    with pytest.raises(UsageError, match=r"already.*`replace=True`"):
        add_entry(entry(manifest=OTHER_PIN), path)
    add_entry(entry(manifest=OTHER_PIN), path, replace=True)
    assert read_registry(path)["vgg16-minnows"].manifest == OTHER_PIN


def test_removing_takes_out_one_entry_only(tmp_path: Path) -> None:
    path = tmp_path / "registry.toml"
    for name in "abc":
        add_entry(entry(name), path)
    remove_entry("b", path)
    assert set(read_registry(path)) == {"a", "c"}


@pytest.mark.parametrize("gone", ["a", "b", "c"])
@pytest.mark.parametrize("start", ["format = 1\n", "format = 1 # one\n\n[filters] # mine\n"])
def test_removing_keeps_comments_and_the_order(tmp_path: Path, start: str, gone: str) -> None:
    tables = {name: f'# of {name}\n[filters.{name}]\nsources = ["x"]\n\n' for name in "abc"}
    path = write(tmp_path / "registry.toml", start + "".join(tables.values()) + "# the end\n")
    remove_entry(gone, path)
    left = start + "".join(f"# of {name}\n" if name == gone else table for name, table in tables.items())
    assert "".join(path.read_text().split()) == "".join(f"{left}# the end".split())


def test_replacing_keeps_the_comments_between_the_keys(tmp_path: Path) -> None:
    text = 'format = 1\n[filters.a] # mine\n# where\nsources = ["x"]\ncut = "block1"\n\n# of b\n'
    text += '[filters.b]\nsources = ["y"]\n'
    path = write(tmp_path / "registry.toml", text)
    add_entry(RegistryEntry(name="a", sources=("z",), about="new"), path)
    assert path.read_text() == text.replace('"x"', '"z"').replace('cut = "block1"', 'about = "new"')


def test_removing_a_name_that_is_not_there_says_so(tmp_path: Path) -> None:
    path = add_entry(entry("whales"), tmp_path / "registry.toml")
    with pytest.raises(UnknownNameError, match="whales"):
        remove_entry("whale", path)


def test_a_form_that_cannot_be_edited_safely_is_left_alone(tmp_path: Path) -> None:
    text = 'format = 1\nfilters = {a = {sources = ["x"]}}\n'
    path = write(tmp_path / "registry.toml", text)
    with pytest.raises(FileError, match="Edit it by hand"):
        remove_entry("a", path)
    with pytest.raises(FileError, match="Edit it by hand"):
        add_entry(entry("b"), path)
    assert path.read_text() == text


@pytest.mark.parametrize("changes", [{"name": "a/b"}, {"sources": ()}, {"manifest": "md5:1"}])
def test_an_entry_that_could_not_be_read_back_is_not_written(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        add_entry(entry(**{"name": "a", **changes}), tmp_path / "registry.toml")  # type: ignore[arg-type]
    assert not (tmp_path / "registry.toml").exists()


def test_the_folders_of_a_package_that_is_not_installed_are_none() -> None:
    assert package_folders("no_such_module.inner") == []


def large(path: Path, count: int = 3_000) -> Path:
    entries = (f'[filters.name-{number}]\nsources = ["hf://owner/name-{number}"]\n' for number in range(count))
    return write(path, "format = 1\n\n" + "\n".join(entries))


def test_ten_thousand_entries_are_parsed_as_toml_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_REGISTRY", str(large(tmp_path / "big.toml", 10_000)))
    parsed: list[int] = []
    loads = tomllib.loads
    monkeypatch.setattr(tomllib, "loads", lambda text, **options: parsed.append(len(text)) or loads(text, **options))
    for _ in range(4):
        assert len(all_entries()) >= 10_000
    assert sum(size > 100_000 for size in parsed) == 1


def test_a_large_registry_that_was_changed_is_read_anew(tmp_path: Path) -> None:
    path = large(tmp_path / "big.toml")
    before = read_registry(path)
    assert read_registry(path) == before
    add_entry(entry("whales"), path)
    assert read_registry(path).keys() - before.keys() == {"whales"}
    path.write_text(path.read_text().replace('"hf://owner/name-7"', '"hf://owner/name-8"'))
    assert read_registry(path)["name-7"].sources == ("hf://owner/name-8",)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"state": 1, "filters": {}}', b"\xff", b"[" * 100_000])
def test_a_damaged_copy_of_a_large_registry_is_passed_over(tmp_path: Path, content: bytes) -> None:
    path = large(tmp_path / "big.toml")
    before = read_registry(path)
    (copy,) = (tmp_path / "home" / "registries").iterdir()
    copy.write_bytes(content)
    assert read_registry(path) == before


def test_a_large_registry_is_read_where_nothing_can_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(write(tmp_path / "file", "")))
    assert len(read_registry(large(tmp_path / "big.toml"))) == 3_000


def test_twelve_names_added_at_once_are_all_kept(tmp_path: Path) -> None:
    code = (
        "import sys, filelock, tomlkit;"
        "from zoo.store.registry_editing import add_entry; from zoo.store.registry_file import RegistryEntry;"
        "print('ready', flush=True); sys.stdin.readline();"
        "add_entry(RegistryEntry(name=sys.argv[1], sources=('hf://owner/name',)))"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    names = {f"name-{number}" for number in range(12)}
    adding = [subprocess.Popen([sys.executable, "-c", code, name], **pipes) for name in names]  # type: ignore[call-overload]
    for one in adding:
        assert one.stdout.readline() == "ready\n"
    for one in adding:
        one.stdin.write("go\n")
        one.stdin.flush()
    assert [one.wait(60) for one in adding] == [0] * 12
    for one in adding:
        one.communicate()
    assert set(read_registry(user_registry())) == names


def test_reading_registries_imports_nothing_heavy() -> None:
    code = (
        "import sys, zoo.store.registry, zoo.store.source_parsing; zoo.store.registry.all_entries();"
        "zoo.store.source_parsing.parse_source('owner/name');"
        "print(sorted({'torch', 'pydantic', 'huggingface_hub', 'httpx', 'httpx2', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_cores_own_registry_is_found_in_a_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.store.registry.find_plugins", lambda kind: [])
    assert all_entries()["vgg16-plankton"].origin == "zoo"
