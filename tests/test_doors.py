"""What packages add besides networks and data: commands, formats; and which core a package is made for."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pyarrow.parquet as pq
import pytest
from command_line import CommandLine
from fresh_environment import Environment

import zoo
from zoo.builtin.classify import Classify
from zoo.cli.main import LazyGroup, cli, core_commands
from zoo.errors import AmbiguousNameError, PluginError, UnknownNameError, UsageError
from zoo.evaluation.formats import find_class_head, open_format
from zoo.evaluation.predictions import Predictions, _summarise
from zoo.plugins import GROUPS, find_plugin, find_plugins, fits, own_range
from zoo.store.registry import all_entries
from zoo.testing import check_command, check_format, write_plugin

ROOT = Path(__file__).parent.parent


@pytest.fixture
def command(monkeypatch, capsys):
    return CommandLine(monkeypatch, capsys)


# ------------------------------------------------------------------------------------------------ commands

COUNT = '''
import click

@click.command()
@click.argument("word")
def count(word):
    """How many letters a word has."""
    if word == "none":
        import zoo
        raise zoo.UsageError("Give a word.")
    click.echo(len(word))
'''
POINTS = "[zoo.commands]\ncount = zoo_count:count\n"


def test_a_packages_command_is_listed_under_its_name_and_run_by_it(packages, command):
    packages("zoo-count", POINTS, module="zoo_count", code=COUNT, header="Summary: Letters, counted.\n")
    helped = command("--help")
    assert "zoo-count:\n  count  Letters, counted.\n" in helped.out
    assert "zoo_count" not in sys.modules
    assert command("count", "whale").out == "5\n"
    assert command("zoo-count:count", "orca").out == "4\n"
    assert command("count", "--help").out.startswith(
        "Usage: zoo count [OPTIONS] WORD\n\n  How many letters a word has."
    )
    assert command("count", "none").fault == "Give a word."


def test_a_package_without_a_summary_is_named_with_its_version(packages, command):
    packages("zoo-count", POINTS)
    assert "zoo-count:\n  count  From zoo-count 1.2.\n" in command("--help").out


def test_a_package_with_several_commands_has_its_summary_above_them(packages, command):
    packages("zoo-count", f"{POINTS}sort = zoo_count:sort\n", header="Summary: Letters.\n")
    assert "zoo-count:\n  Letters.\n\n  count\n  sort\n" in command("--help").out


def test_a_summary_cannot_steer_the_terminal(packages, command):
    packages("zoo-count", POINTS, header="Summary: \x1b[31mred\n")
    assert "\x1b" not in command("--help").out


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("import no_such_library\n", "does not import: ModuleNotFoundError: No module named 'no_such_library'"),
        ("count = len\n", "is no click command"),
        ("raise SystemExit(0)\n", "does not import: SystemExit: 0"),
    ],
)
def test_a_broken_command_is_one_line_and_harms_no_other(packages, command, code, line):
    packages("zoo-count", POINTS, module="zoo_count", code=code)
    fault = command("count", "whale").fault
    assert fault.startswith("The command 'count' of the package zoo-count")
    assert line in fault
    assert "Run `pip install --upgrade zoo-count` or uninstall it." in fault
    assert command("--help").status == 0
    assert "filterzoo" in command("plugins").out
    assert line in command("plugins", "--load").out
    assert command("list").status == 0


def test_a_command_that_two_packages_have_must_be_told_apart(packages, command):
    packages("zoo-count", POINTS, module="zoo_count", code=COUNT)
    packages("other-count", "[zoo.commands]\ncount = other_count:count\n")
    fault = command("count", "whale").fault
    assert (
        fault == "Several packages have a command called 'count'. Say which: 'other-count:count' or 'zoo-count:count'."
    )
    assert command("zoo-count:count", "whale").out == "5\n"
    helped = command("--help").out
    assert "other-count:count" in helped
    assert "zoo-count:count" in helped


def test_the_cores_commands_go_before_those_of_packages(packages, command):
    packages("zoo-count", "[zoo.commands]\ntrain = zoo_count:count\n", module="zoo_count", code=COUNT)
    assert command("train", "--help").out.startswith("Usage: zoo train [OPTIONS]")
    assert "zoo_count" not in sys.modules
    problem = "zoo has a command 'train' of its own, which goes before; say zoo-count:train."
    assert problem in command("plugins").out
    assert "zoo-count:train" in command("--help").out
    assert command("zoo-count:train", "whale").out == "5\n"


def test_a_package_adds_a_command_to_a_group_of_the_core_by_its_name(packages, command):
    packages("zoo-count", "[zoo.commands]\ndata-count = zoo_count:count\n", module="zoo_count", code=COUNT)
    assert "data count" in command("--help").out
    assert re.search(r"^  count$", command("data", "--help").out, re.MULTILINE)
    assert "zoo_count" not in sys.modules
    assert command("data", "count", "whale").out == "5\n"
    assert command("data", "cuont").fault == "There is no command 'data cuont'. Did you mean `zoo data count`?"


def test_an_unknown_command_brings_the_nearest_of_packages_too(packages, command):
    packages("zoo-count", POINTS)
    assert command("cuont").fault == "There is no command 'cuont'. Did you mean `zoo count`?"


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("data check", "zoo-check"),
        ("gallery", "zoo-gallery"),
        ("label", "zoo-label"),
        ("probe", "zoo-probe"),
        ("rank", "zoo-probe"),
        ("reproduce", "zoo-reproduce"),
        ("saliency", "zoo-saliency"),
    ],
)
def test_a_command_of_a_package_that_is_missing_says_which_to_install(monkeypatch, command, name, package):
    sections = {"All": {"data": ("zoo.cli.data:data", "Datasets.")}}
    monkeypatch.setattr("zoo.cli.main.SECTIONS", sections)
    monkeypatch.setattr("zoo.cli.main.LazyGroup.list_commands", lambda *_: ["list"])
    monkeypatch.setattr("zoo.plugins.discovery._discovered", lambda: dict.fromkeys(GROUPS, ()))
    missed = command(*name.split())
    assert (missed.status, missed.fault) == (
        2,
        f"There is no command {name!r}. `zoo plugins install {package}` brings the command {name!r}.",
    )


def test_completing_imports_no_command_and_a_broken_one_harms_nothing(packages):
    packages("zoo-count", POINTS)  # there is no such module
    assert isinstance(cli, LazyGroup)
    words = [item.value for item in cli.shell_complete(click.Context(cli), "co")]
    assert words == ["count"]


def test_help_imports_neither_a_package_nor_anything_heavy(packages, tmp_path):
    packages("zoo-count", f"{POINTS}[zoo.formats]\ncoco = zoo_count:Coco\n", module="zoo_count", code=COUNT)
    code = (
        f"import sys\nsys.path.insert(0, {str(tmp_path / 'installed')!r})\nsys.argv = ['zoo', '--help']\n"
        "from zoo.cli.main import main\ntry:\n    main()\nfinally:\n    print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "zoo-count:\n  count" in done.stdout
    heavy = {"torch", "numpy", "pydantic", "rich", "importlib.metadata", "packaging", "zoo_count"}
    modules = set(done.stderr.split())
    assert "click" in modules
    assert not heavy & modules


# ------------------------------------------------------------------------------------------------ formats

LINES = '''
import zoo
from zoo.builtin.classify import Classify

class Lines(zoo.Format):
    """A line a picture: its size, and its best class."""
    suffixes = (".lines", ".lines.txt")
    def __init__(self, *, mark: str = "="):
        self.mark = mark
    def write(self, predictions, path):
        with path.open("w") as opened:
            for image, size, row in zip(predictions.images, predictions.sizes, predictions.values):
                opened.write(f"{image}{self.mark}{predictions.columns[row.argmax()]} {size}\\n")
'''
FORMAT = "[zoo.formats]\nlines = zoo_lines:Lines\n"


def summaries(kinds: tuple[str, ...], said: np.ndarray) -> dict:
    head = Classify(zoo.FeatureShape(channels=1, height=1, width=1), zoo.Categories(kinds))
    return {"kind": _summarise(head, said)}


@pytest.fixture
def predictions():
    kinds = ("fin", 'a "b", ü')
    said = np.array([[0.123456789, 0.876543211], [1.0, 1e-9]], np.float32)
    return Predictions(
        images=("a/1.png", "a/2.png"),
        sizes=((4, 5), (6, 7)),
        answers={"kind": said, "size": np.array([1234567.0, 0.5], np.float32)},
        columns={"kind": kinds, "size": ("size",)},
        summaries=summaries(kinds, said),
        metadata={"filters": "whales"},
    )


def test_a_csv_has_the_likeliest_classes_to_the_byte(predictions, tmp_path):
    head = "image,class,probability,second,second_probability\n"
    written = predictions.save(tmp_path / "a.csv", head="kind").read_bytes()
    rows = 'a/1.png,"a ""b"", ü",0.876543,fin,0.123457\na/2.png,fin,1,"a ""b"", ü",1e-09\n'
    assert written == (head + rows).encode()
    assert predictions.as_csv("kind").encode() == written
    both = predictions.save(tmp_path / "both.csv").read_text()
    assert both.startswith(
        "image,kind:class,kind:probability,kind:second,kind:second_probability,size:size\n"
        'a/1.png,"a ""b"", ü",0.876543,fin,0.123457,1.23457e+06\n'
    )


def test_the_format_kaggle_is_the_competitions_form_to_the_byte(predictions, tmp_path):
    written = predictions.save(tmp_path / "a.csv", format="kaggle", head="kind").read_bytes()
    assert written == 'image,fin,"a ""b"", ü"\n1.png,0.123457,0.876543\n2.png,1,1e-09\n'.encode()
    both = predictions.save(tmp_path / "both.csv", format="kaggle").read_text()
    assert both.startswith('image,kind:fin,"kind:a ""b"", ü",size:size\n1.png,0.123457,0.876543,1.23457e+06\n')


def test_a_class_and_a_tables_column_may_be_called_as_a_column_of_ours(predictions, tmp_path):
    named = dataclasses.replace(
        predictions,
        columns={"kind": ("image", "class"), "size": ("size",)},
        summaries=summaries(("image", "class"), predictions.answers["kind"]),
        given={"class": ("x", "y"), "z": ("1", "2")},
    )
    table = pq.read_table(named.save(tmp_path / "a.parquet", head="kind"))
    assert table.column_names == [
        *("image", "class", "probability", "second", "second_probability", "table:class", "z"),
        *("kind:image", "kind:class"),
    ]
    assert table.column("image").to_pylist() == list(predictions.images)
    assert table.column("class").to_pylist() == ["class", "image"]


def test_the_head_that_names_a_class_is_found_whatever_a_table_says_beside_it(predictions):
    given = dataclasses.replace(predictions, given={"class": ("x", "y")})
    assert find_class_head(given.as_table("kind"), of="a map") == ""
    assert find_class_head(given.as_table(), of="a map") == "kind:"
    with pytest.raises(
        UsageError, match=r"These predictions name no class, and a map takes one. Choose another format."
    ):
        find_class_head(predictions.as_table("size"), of="a map")


def test_of_one_class_there_is_no_second(predictions):
    said = np.ones((2, 1), np.float32)
    alone = dataclasses.replace(
        predictions, answers={"kind": said}, columns={"kind": ("fin",)}, summaries=summaries(("fin",), said)
    )
    assert alone.as_csv() == "image,class,probability\na/1.png,fin,1\na/2.png,fin,1\n"


def test_pictures_of_one_name_are_called_by_their_paths_in_the_competitions_form(tmp_path):
    twins = Predictions(
        images=("a/1.png", "b/1.png"),
        sizes=((1, 1),) * 2,
        answers={"kind": np.eye(2, dtype=np.float32)},
        columns={"kind": ("x", "y")},
    )
    assert twins.save(tmp_path / "k", format="kaggle").read_text() == "image,x,y\na/1.png,1,0\nb/1.png,0,1\n"


def test_parquet_and_json_have_the_numbers_as_they_are(predictions, tmp_path):
    table = pq.read_table(predictions.save(tmp_path / "a.parquet", head="kind"))
    assert table.schema.field("fin").type == "float"
    assert table.column("image").to_pylist() == list(predictions.images)
    rows = json.loads(predictions.save(tmp_path / "a.json", head="kind").read_text())
    assert [row["fin"] for row in rows] == table.column("fin").to_pylist()


def test_a_suffix_or_a_name_picks_a_packages_format_and_options_reach_it(packages, predictions, tmp_path):
    packages("zoo-lines", FORMAT, module="zoo_lines", code=LINES)
    for name in ("a.lines", "A.LINES", "a.lines.txt"):
        assert predictions.save(tmp_path / name, head="kind").read_text() == (
            'a/1.png=a "b", ü (4, 5)\na/2.png=fin (6, 7)\n'
        )
    named = predictions.save(tmp_path / "a.csv", format="lines", options={"mark": ":"}, head="kind")
    assert named.read_text().startswith("a/1.png:a")
    assert predictions.save(tmp_path / "b", format="zoo-lines:lines", head="kind").read_text().startswith("a/1.png=")
    with pytest.raises(UsageError, match=r"No option is called 'mrk'\. Did you mean 'mark'"):
        predictions.save(tmp_path / "c", format="lines", options={"mrk": ":"})
    assert not (tmp_path / "c").exists()


def test_an_unknown_format_brings_those_that_there_are(predictions, tmp_path):
    listed = (
        r"a\.txt: no format has that suffix\. There is csv \(\.csv\), json \(\.json\), kaggle, parquet \(\.parquet\)"
    )
    with pytest.raises(UsageError, match=listed):
        predictions.save(tmp_path / "a.txt")
    with pytest.raises(
        UnknownNameError, match=r"No format is called 'xyz'\. There is .*csv, .*json, kaggle, .*parquet"
    ):
        predictions.save(tmp_path / "a.txt", format="xyz")
    with pytest.raises(UnknownNameError, match="Did you mean 'parquet'"):
        predictions.save(tmp_path / "a.txt", format="parket")
    assert not list(tmp_path.glob("a.*"))


def test_two_formats_of_one_suffix_must_be_told_apart_and_the_cores_go_first(packages, predictions, tmp_path):
    packages("zoo-lines", FORMAT, module="zoo_lines", code=LINES.replace('".lines.txt"', '".csv"'))
    packages("other-lines", "[zoo.formats]\nother = other_lines:Lines\n", module="other_lines", code=LINES)
    assert predictions.save(tmp_path / "a.csv").read_text().startswith("image,")
    with pytest.raises(AmbiguousNameError, match="Say which: 'other-lines:other' or 'zoo-lines:lines'"):
        predictions.save(tmp_path / "a.lines")


def test_a_broken_format_is_named_where_it_might_be_the_one_and_harms_no_other(packages, predictions, tmp_path):
    packages("zoo-lines", FORMAT, module="zoo_lines", code="import no_such_library\n")
    packages("zoo-odd", "[zoo.formats]\nodd = zoo_odd:Odd\n", module="zoo_odd", code="class Odd: ...\n")
    for suffix in ("csv", "parquet", "json"):
        assert predictions.save(tmp_path / f"a.{suffix}").stat().st_size > 0
    with pytest.raises(PluginError, match="'lines' of the package zoo-lines does not import"):
        predictions.save(tmp_path / "a.lines")
    with pytest.raises(PluginError, match=r"'odd' of the package zoo-odd is no zoo\.Format\. Run `pip install"):
        predictions.save(tmp_path / "a", format="odd")


def test_a_format_that_fails_half_way_leaves_no_file(packages, predictions, tmp_path):
    code = LINES.replace("opened.write(", 'opened.write(f"{1 / 0}"')
    packages("zoo-lines", FORMAT, module="zoo_lines", code=code)
    old = tmp_path / "a.lines"
    old.write_text("as it was")
    with pytest.raises(PluginError, match=r"a\.lines: the format 'lines' .* cannot write it: ZeroDivisionError"):
        predictions.save(old, overwrite=True)
    assert old.read_text() == "as it was"
    assert [path.name for path in tmp_path.glob("*.part")] == []


def test_a_format_cannot_change_what_it_is_given(predictions):
    table = predictions.as_table("kind")
    assert (table.values.shape, table.values.dtype, table.columns[0]) == ((2, 2), np.float32, "fin")
    assert table.metadata == {"filters": "whales"}
    with pytest.raises(ValueError, match="read-only"):
        table.values[0, 0] = 1
    table.values.copy()[0, 0] = 1


def test_predicting_writes_any_format_to_a_file_or_to_stdout(packages, command, tmp_path, shapes, monkeypatch):
    packages("zoo-lines", FORMAT, module="zoo_lines", code=LINES)
    monkeypatch.chdir(tmp_path)
    start = ("--backbone", "vgg11", "--cut", "block2", "--weights", "random", "--size", 32, "--epochs", 1)
    assert command("train", "image-folder", *start, "--data", shapes, "--out", "run").status == 0
    asked = ("predict", "run", shapes / "disc")
    command(*asked, "-o", "a.lines", "--set", "mark=>")
    lines = Path("a.lines").read_text().splitlines()
    assert len(lines) == 40
    assert ".png>" in lines[0]
    assert command(*asked, "--format", "lines", "--set", "mark=>").out.splitlines() == lines
    assert command(*asked, "--format", "json").out == command(*asked, "--json").out
    assert command(*asked, "-o", "a.csv").out == ""
    assert Path("a.csv").read_text() == command(*asked).out
    assert re.search(r"json, kaggle, .*lines, ", command(*asked, "--format", "xyz").fault)
    assert "No option is called 'mark'" in command(*asked, "--set", "mark=>").fault
    assert "lines" in command("list", "formats").out


# ------------------------------------------------------------------------------------------------ versions


@pytest.mark.parametrize(
    ("requires", "version", "fit"),
    [
        ("", "0.2.0", True),
        (">=0.2,<0.3", "0.2.0", True),
        (">=0.2,<0.3", "0.2.17", True),
        (">=0.2,<0.3", "0.1.9", False),
        (">=0.2,<0.3", "0.3.0", False),
        (">=0.2,<0.3", "0.2.0.dev1", True),  # on the way to 0.2
        (">=0.2,<0.3", "0.2.0rc1+local", True),
        (">=0.2,<0.3", "0.3.0a1", False),  # has the contract of 0.3
        (">=0.2,<0.3", "0.2.0.post1", True),
        (">=0.9,<1", "0.10.0", True),
        ("~=0.2", "0.9", True),
        ("~=0.2.1", "0.2.0", False),
        ("~=0.2.1", "0.3.0", False),
        ("==0.2.*", "0.2.5", True),
        ("==0.2.*", "0.20.0", False),
        ("==0.2", "0.2.0", True),
        ("===0.2.0", "0.2.1", False),
        ("!=0.2.0", "0.2.0", False),
        ("!=0.2.*", "0.3.0", True),
        (">0.2", "0.2.0", False),
        ("<=0.2.0", "0.2.0", True),
        (">= 0.2 , < 0.3", "0.2.0", True),
        (">=0.2,<0.3.dev0", "0.2.0", True),
    ],
)
def test_a_version_fits_what_a_package_asks_for(requires, version, fit):
    assert fits(requires, version) is fit


def test_our_own_range_has_this_version_and_not_the_next():
    assert fits(own_range(), zoo.__version__)
    assert own_range() == ">=0.2,<0.3"


@pytest.mark.parametrize(
    ("header", "requires"),
    [
        ("Requires-Dist: filterzoo>=0.2,<0.3\n", ">=0.2,<0.3"),
        ("Requires-Dist: filterzoo<0.3,>=0.2\nRequires-Dist: click>=8\n", "<0.3,>=0.2"),
        ("Requires-Dist: FilterZoo (>=0.2)\n", ">=0.2"),
        ("Requires-Dist: filterzoo[dev] >= 0.2, < 0.3\n", ">=0.2,<0.3"),
        ("Requires-Dist: filterzoo\n", ""),
        ("Requires-Dist: filterzoo @ https://example.org/filterzoo.whl\n", ""),
        ("Requires-Dist: filterzoo-more>=9\n", ""),
        ('Requires-Dist: filterzoo>=9; extra == "test"\n', ""),
        ("\nRequires-Dist: filterzoo>=9\n", ""),  # the description, not the header
    ],
)
def test_what_a_package_asks_for_is_read_from_its_metadata(packages, header, requires):
    packages("zoo-count", POINTS, header=header)
    (plugin,) = (one for one in find_plugins("command") if one.package == "zoo-count")
    assert plugin.requires == requires


OTHER = "Requires-Dist: filterzoo>=0.7,<0.8\n"
ASKED = f"The package zoo-future 1.2 asks for filterzoo >=0.7,<0.8, and this is {zoo.__version__}. "


def test_a_package_for_another_core_is_named_before_any_of_it_is_imported(packages, command, shapes, tmp_path):
    groups = ("datasets", "heads", "balancers", "backbones", "commands", "formats", "registries")
    points = "".join(f"[zoo.{group}]\nfuture = zoo_future:It\n" for group in groups)
    packages("zoo-future", points, module="zoo_future", code="raise RuntimeError('imported')\n", header=OTHER)
    line = f"{ASKED}Run `pip install --upgrade zoo-future` or uninstall it."
    listed = command("plugins")
    assert listed.out.count(line) == 7
    assert "does not say which" not in listed.err
    for kind in ("dataset", "head", "balancer", "backbones", "command", "format"):
        with pytest.raises(PluginError) as caught:
            find_plugin(kind, "future").load()
        assert str(caught.value) == line
    assert command("future").fault == line
    assert command("plugins", "check", "future").fault == line
    assert command("cuts", "future/vgg11").fault == line
    assert command("data", "check", "future").fault == line
    start = ("--backbone", "vgg11", "--cut", "block2", "--weights", "random", "--out", tmp_path / "run")
    assert command("train", "image-folder", *start, "--data", shapes, "--head", "future").fault == line
    with pytest.raises(PluginError, match="asks for filterzoo"):
        open_format("future")
    problems: list[Exception] = []
    all_entries(problems=problems)
    assert [str(problem) for problem in problems] == [line]
    helped = command("--help")
    assert "zoo-future:\n  future  Made for another version of zoo; see `zoo plugins`.\n" in helped.out
    assert "zoo_future" not in sys.modules
    assert "image-folder" in command("data", "list").out


def test_a_package_that_asks_for_no_version_works_and_is_told_of(packages, command):
    packages("zoo-count", POINTS, module="zoo_count", code=COUNT)
    listed = command("plugins")
    assert "zoo-count does not say which filterzoo it is made for, as `filterzoo>=0.2,<0.3` would.\n" in listed.err
    assert "problem" not in listed.out
    assert command("count", "whale").out == "5\n"


def test_our_own_packages_say_which_core_they_are_made_for():
    ours = {plugin.package: plugin for kind in GROUPS for plugin in find_plugins(kind)}
    assert {package: plugin.requires for package, plugin in ours.items() if package.startswith("zoo-")} == {
        package.name: "<0.3,>=0.2" for package in (ROOT / "plugins").iterdir() if (package / "pyproject.toml").is_file()
    }


def test_the_version_is_said_in_one_way():
    assert f'version = "{zoo.__version__}"' in (ROOT / "pyproject.toml").read_text()


# ------------------------------------------------------------------------------------------------ discovery


def test_the_first_package_of_a_name_on_the_path_counts(packages, tmp_path, monkeypatch):
    packages("zoo-count", POINTS, version="2.0")
    later = tmp_path / "later" / "Zoo.Count-1.0.dist-info"
    later.mkdir(parents=True)
    (later / "METADATA").write_text("Name: zoo-count\nVersion: 1.0\n")
    (later / "entry_points.txt").write_text("[zoo.commands]\nold = zoo_count:old\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(later.parent), "", str(tmp_path / "nowhere")])
    assert [(one.name, one.version) for one in find_plugins("command") if one.package == "zoo-count"] == [
        ("count", "2.0")
    ]


def test_metadata_are_read_as_importlib_reads_them():
    from importlib.metadata import entry_points

    for kind, group in (("dataset", "zoo.datasets"), ("format", "zoo.formats"), ("balancer", "zoo.balancers")):
        ours = {(one.name, one.target, one.package, one.version) for one in find_plugins(kind)}
        theirs = {
            (one.name, one.value, one.dist.name, one.dist.version) for one in entry_points(group=group) if one.dist
        }
        assert ours == theirs


def test_entry_points_may_have_comments_extras_and_blanks(packages):
    points = (
        "# ours\n\n[console_scripts]\ncount = zoo_count:main\n[ zoo.commands ]\n; no\n count=zoo_count:count [all]\n"
    )
    packages("zoo-count", points + "[zoo.unknown]\nx = y:z\n", module="zoo_count", code=COUNT)
    assert find_plugin("command", "count").load().name == "count"


# ------------------------------------------------------------------------------------------------ the kit


def test_the_kit_accepts_good_commands_and_the_cores_formats(packages, command):
    packages("zoo-count", POINTS, module="zoo_count", code=COUNT)
    assert command("plugins", "check", "count").out == "command count: it has help\n"
    for name in ("csv", "parquet", "json"):
        assert f"format {name}: writes three pictures, and the same again\n" in command("plugins", "check", name).out


def test_the_kit_takes_a_group_with_its_commands():
    group = click.Group("outer", help="Outer.", commands={"inner": click.Command("inner", help="Inner.")})
    assert check_command(group) == ["it has help", "commands: inner"]
    group.add_command(click.Command("silent"))
    with pytest.raises(PluginError, match="the command 'silent' has no help"):
        check_command(group)


class Good(zoo.Format):
    """A good format; the tests spoil copies of it."""

    suffixes = (".good",)

    def write(self, predictions, path):
        path.write_text(" ".join(predictions.images))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"suffixes": ("good",)}, "'good' is no suffix"),
        ({"suffixes": (".GOOD",)}, "'.GOOD' is no suffix"),
        ({"write": lambda self, predictions, path: None}, "leaves no file, or an empty one"),
        ({"write": lambda self, predictions, path: path.unlink()}, "leaves no file, or an empty one"),
        ({"write": lambda self, predictions, path: predictions.values.sort()}, "write raises ValueError"),
        (
            {"write": lambda self, predictions, path: [path.write_text("x"), path.with_suffix(".more").touch()]},
            "more than the one file: predictions.more",
        ),
        ({"__init__": lambda self, *, mark: None}, "the option 'mark' has no default"),
    ],
)
def test_the_kit_names_a_formats_broken_promise(changes, fault):
    assert check_format(Good) == ["suffixes: .good", "writes three pictures, and the same again"]
    with pytest.raises(PluginError, match=f"The contract is broken: .*{fault}"):
        check_format(type("Spoilt", (Good,), changes))


def test_the_kit_says_that_a_command_goes_behind_the_cores(packages, command):
    packages("zoo-count", "[zoo.commands]\ntrain = zoo_count:count\n", module="zoo_count", code=COUNT)
    assert "of its own, which goes before" in command("plugins", "check", "train").fault
    assert "train" in core_commands()


def test_a_written_plugin_asks_for_this_core(tmp_path):
    text = (write_plugin("whales", tmp_path / "new") / "pyproject.toml").read_text()
    assert 'dependencies = ["filterzoo>=0.2,<0.3"]' in text


# ------------------------------------------------------------------------------------------------ the proof

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "zoo-tally"
version = "0.4"
description = "Answers, tallied."
dependencies = ["filterzoo>=0.2,<0.3"]
[project.entry-points."zoo.commands"]
tally = "zoo_tally.commands:tally"
[project.entry-points."zoo.formats"]
tally = "zoo_tally.formats:Tally"
[project.entry-points."zoo.heads"]
line = "zoo_tally.heads:Line"
"""
MODULES = {
    "__init__": "",
    "commands": '''
import csv, collections, click, zoo

@click.command()
@click.argument("file", type=click.Path())
def tally(file):
    """How often each class is the likeliest in FILE, a CSV."""
    try:
        rows = list(csv.DictReader(open(file)))
    except OSError as error:
        raise zoo.FileError(file, "it cannot be read", "Check the path.") from error
    best = collections.Counter(max((k for k in row if k != "image"), key=lambda k: float(row[k])) for row in rows)
    click.echo(sum(best.values()))
''',
    "formats": '''
import zoo
from zoo.builtin.classify import Classify

class Tally(zoo.Format):
    """A line a class."""
    suffixes = (".tally",)
    def write(self, predictions, path):
        best = predictions.values.argmax(axis=1).tolist()
        path.write_text("".join(f"{name} {best.count(k)}\\n" for k, name in enumerate(predictions.columns)))
''',
    "heads": '''
import torch, zoo
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy

class Line(zoo.Head):
    """One linear layer."""
    def __init__(self, shape, target):
        super().__init__(shape, target)
        self.layer = torch.nn.Linear(shape.channels, len(target.names))
    def reduce(self, features):
        return features.mean(dim=(2, 3))
    def forward(self, reduced):
        return self.layer(reduced)
    def loss(self, output, target):
        return torch.nn.functional.cross_entropy(output, target)
    def predict(self, output):
        return output.softmax(dim=1)
    def metrics(self):
        return MetricCollection({"accuracy": MulticlassAccuracy(len(self.target.names))})
''',
}


@pytest.mark.slow
def test_a_package_with_a_command_a_format_and_a_head_works_beside_a_broken_one(tmp_path, shapes):
    inner = Environment(tmp_path)
    inner.share_ours()
    good, broken = tmp_path / "good", tmp_path / "broken"
    (good / "zoo_tally").mkdir(parents=True)
    (good / "pyproject.toml").write_text(PROJECT)
    for name, code in MODULES.items():
        (good / "zoo_tally" / f"{name}.py").write_text(code)
    (broken / "zoo_rubble").mkdir(parents=True)
    (broken / "pyproject.toml").write_text(PROJECT.replace("tally", "rubble").replace("line =", "rubble ="))
    (broken / "zoo_rubble" / "__init__.py").write_text("import no_such_library\n")
    inner.pip("install", "--no-index", "--no-deps", "--no-build-isolation", "./good", "./broken")

    listed = json.loads(inner.zoo("plugins", "--json").stdout)
    found = [(one["kind"], one["name"], one["problem"]) for one in listed if one["package"] == "zoo-tally"]
    assert found == [("head", "line", None), ("command", "tally", None), ("format", "tally", None)]
    assert "zoo-tally:\n  tally  Answers, tallied.\n" in inner.zoo("--help").stdout
    for name in ("tally", "line"):
        assert inner.zoo("plugins", "check", name).returncode == 0
    start = ("--backbone", "vgg11", "--cut", "block2", "--weights", "random", "--size", 32, "--epochs", 1)
    inner.zoo("train", "image-folder", *start, "--data", shapes, "--head", "line", "--out", "run")
    inner.zoo("predict", "run", shapes / "disc", "-o", "a.tally")
    lines = (tmp_path / "a.tally").read_text().split()
    assert (lines[::2], sum(map(int, lines[1::2]))) == (["bar", "disc", "ring"], 40)
    inner.zoo("predict", "run", shapes / "disc", "--format", "kaggle", "-o", "a.csv")
    assert inner.zoo("tally", "a.csv").stdout == "40\n"
    assert inner.zoo("tally", "nowhere", status=1).stderr == "Error: nowhere: it cannot be read. Check the path.\n"
    missed = inner.zoo("rubble", status=1).stderr
    assert missed.count("\n") == 1
    assert "The command 'rubble' of the package zoo-rubble does not import: ModuleNotFoundError" in missed
