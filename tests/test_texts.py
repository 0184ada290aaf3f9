"""Texts of other people: class names, descriptions, licences, tags, names of files, what servers and plugins say.

Whatever a command prints or writes of them steers no terminal, turns no line around, forges none and is no formula.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from command_line import Answer, CommandLine
from conftest import write_shapes
from hub_server import HubServer
from test_hostile import REPO, published

import zoo
from zoo.builtin.formats import Csv, Kaggle
from zoo.contracts import PredictionTable
from zoo.errors import FileError, ZooWarning
from zoo.plots import draw_confusion, escape_markdown, fit_text, markdown_code
from zoo.store import user_registry

EVIL = (
    "\x1b[2J\x1b]0;evil\x07\x9b31m\x7f\u202egnp\u2066\r\nError: forged\t|`<img src=x onerror=alert(1)>`[a](http://evil)"
)
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
CLASSES = [f"cod {EVIL}", "=cmd|' /C calc'!A1"]
PINNED = {"config.json", "model.safetensors", "heads.safetensors"}  # as they were published, to the byte
START = ("--backbone", "vgg11", "--cut", "block1", "--weights", "random", "--size", 32, "--epochs", 1)


def clean(*texts: str) -> None:
    """Nothing steers, and no line was forged."""
    for text in texts:
        assert not STEERING.search(text), repr(text)
        assert not re.search(r"^\s*Error: forged", text, re.MULTILINE), text


def clean_files(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.suffix in {".csv", ".md", ".html", ".json", ".toml", ".txt"} and path.name not in PINNED:
            clean(path.read_bytes().decode())  # bytes that are no UTF-8 are no text


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """Filters of which every text is hostile, on a Hub, with a name on this machine, and photos of such names."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("zoo.hub.client.BACK_OFF", 0.02)
    monkeypatch.chdir(tmp_path)
    front = {
        **{"license": EVIL, "library_name": EVIL, "pipeline_tag": EVIL, "base_model": EVIL, "datasets": [EVIL]},
        **{"tags": ["feature-filters", EVIL], "zoo": {"backbone": EVIL, "cut": EVIL}},
    }
    card = f"---\n{yaml.safe_dump(front)}---\n# {EVIL}\n".encode()
    figures = json.dumps({"figures": {EVIL: {EVIL: {EVIL: 0.5}}}}).encode()
    lineage = dict.fromkeys(("base", "base_license", "dataset", "dataset_fingerprint", "dataset_license"), EVIL)
    files = published(
        {"README.md": card, "metrics.json": figures},
        head={"target": {"kind": "categories", "names": CLASSES}, "target_name": EVIL},
        cut={"name": EVIL, "node": "features.1", "channels": 64, "stride": 1},
        **{"about": EVIL, "license": EVIL, "citation": EVIL, "created_with": {EVIL: EVIL}, "lineage": lineage},
    )
    photos = write_shapes(tmp_path / "photos", each=2)
    (photos / "bar" / "bar-000.png").rename(photos / "bar" / f"{EVIL.replace('/', '')}.png")
    (photos / "bar" / "bar-001.png").rename(photos / "=1+1.png")
    (photos / "disc" / "disc-000.png").rename(photos / "disc" / os.fsdecode(b"\x9b31m\xff.png"))  # no UTF-8
    (photos / "disc" / f"{EVIL.replace('/', '')}.png").write_bytes(b"no picture")
    with HubServer(tmp_path / "hub") as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        server.add(REPO, files)
        said = "".join(f"{key} = {json.dumps(EVIL)}\n" for key in ("backbone", "cut", "about", "license"))
        plugins = f'[plugins.zoo-evil]\nsummary = {json.dumps(EVIL)}\nheads = ["evil"]\n'
        user_registry().write_text(f'format = 1\n[filters.evil]\nsources = ["hf://{REPO}"]\n{said}{plugins}')
        yield server


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


SKIP = ("photos", "--skip-unreadable")


@pytest.mark.parametrize(
    "words",
    [
        *(["list"], ["list", "--json"], ["search"], ["search", "--json"], ["info", REPO], ["info", REPO, "--json"]),
        *(["fetch", REPO], ["fetch", REPO, "--cut", "block1"], ["fetch", REPO, "--json"], ["verify", REPO]),
        *(["cache", "list"], ["cache", "verify"], ["cache", "remove", "--all", "--dry-run"]),
        *(["registry", "add", "named", REPO], ["registry", "add", "named", REPO, "--file", "there.toml"]),
        ["predict", REPO, *SKIP],
        ["predict", REPO, *SKIP, "--format", "kaggle"],
        ["predict", REPO, *SKIP, "--json"],
        *(["predict", REPO, *SKIP, "-o", f"answers.{suffix}"] for suffix in ("csv", "json", "parquet")),
        ["embed", *SKIP, "--filters", REPO, "-o", "vectors.parquet"],
        ["show", REPO, "--images", "photos", "--limit", 4, "--channels", 1, "--steps", 1, "-o", "shown"],
        ["gallery", REPO, "--images", "photos", "--plots", "shown", "-o", "page"],
        ["data", "check", "image-folder", "--data", "photos"],
        ["probe", "image-folder", "--data", "photos", "--filters", REPO],
        *(["doctor"], ["plugins"], ["plugins", "available"], ["plugins", "available", "--json"], ["plugins", "freeze"]),
    ],
    ids=lambda words: " ".join(map(str, words)).replace("/", "-"),
)
def test_no_command_prints_or_writes_what_steers_a_terminal(
    hub: HubServer, command: CommandLine, tmp_path: Path, words: list[object]
) -> None:
    if words[0] == "cache":
        command("fetch", REPO)
    if words[0] == "gallery":
        command("show", REPO, "--layer", "block1", "--channels", 1, "--steps", 1, "-o", "shown")
    answer = command(*words)
    assert answer.status in (0, 1), answer
    assert "Traceback" not in answer.err
    clean(answer.out, answer.err)
    for path in tmp_path.iterdir():
        if path.name not in ("hub", "cache", "photos"):
            clean_files(path) if path.is_dir() else path.suffix == ".parquet" or clean(path.read_text())


@pytest.mark.parametrize(
    "words",
    [
        *(["predict", EVIL, "photos"], ["predict", REPO, EVIL], ["predict", REPO, "photos", "--head", EVIL]),
        *(["predict", REPO, "photos", "--format", EVIL], ["predict", REPO, "photos", "--set", f"{EVIL}=1"]),
        *(["info", EVIL], ["fetch", REPO, "--revision", EVIL], ["fetch", REPO, "--cut", f"{EVIL}2"], [EVIL]),
        *(["train", EVIL], ["train", "photos", "--set", EVIL], ["search", "--sort", EVIL], ["--debug", "info", EVIL]),
        *(
            ["registry", "remove", EVIL],
            ["plugins", "check", EVIL],
            ["plugins", "install", EVIL],
            ["evaluate", EVIL],
            ["resume", EVIL],
        ),
    ],
    ids=lambda words: " ".join(map(str, words)).replace(EVIL, "EVIL").replace("/", "-"),
)
def test_no_error_prints_what_steers_a_terminal(hub: HubServer, command: CommandLine, words: list[object]) -> None:
    answer = command(*words)
    assert answer.status in (1, 2), answer
    clean(answer.out, answer.err)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_what_a_server_says_cannot_steer_the_terminal(hub: HubServer, command: CommandLine, status: int) -> None:
    said = EVIL.replace("\u202e", "").replace("\u2066", "").replace("\r\n", "")  # a header is one line of Latin-1
    headers = {"X-HF-Warning": f"{status}; {said}", "X-Error-Message": said, "X-Error-Code": said}
    hub.fail("status", status, path="/api/models", headers=headers, times=None)
    for words in (("info", REPO), ("search",), ("fetch", f"{REPO}@main")):
        answer = command(*words)
        clean(answer.out, answer.err)


def train_and_ask(command: CommandLine, tmp_path: Path) -> list[Answer]:
    data = write_shapes(tmp_path / "data", each=8)
    (data / "bar").rename(data / EVIL.replace("/", ""))
    (data / "disc").rename(data / "=cmd")
    about = EVIL.replace("\n", "")
    asked = [
        ("train", "image-folder", *START, "--data", data, "--out", "run"),
        ("evaluate", "run", "--split", "all", "--confusion", "confusion.png"),
        (
            "push",
            "run",
            "--to",
            "filters",
            "--license",
            "cc0-1.0",
            "--about",
            about,
            "--show-pictures",
        ),
        ("info", "filters"),
        ("predict", "run", "photos", "--skip-unreadable", "-o", "answers.csv"),
        ("predict", "filters", "photos", "--skip-unreadable"),
    ]
    return [command(*words) for words in asked]


def test_a_run_and_its_card_show_hostile_class_names_as_text(
    hub: HubServer, command: CommandLine, tmp_path: Path
) -> None:
    for answer in train_and_ask(command, tmp_path):
        assert answer.status == 0, answer
        clean(answer.out, answer.err)
    for name in ("run", "filters"):
        clean_files(tmp_path / name)
    card = (tmp_path / "filters" / "README.md").read_text()
    assert re.search(r"^``\ufffd.* \|`<img src=x onerror=alert\(1\)>`\[a\].*``, `=cmd`, `ring`$", card, re.MULTILINE)
    assert "'=cmd" in (tmp_path / "answers.csv").read_text()


def test_a_terminal_gets_a_table_that_nobody_elses_text_steers(hub: HubServer, tmp_path: Path) -> None:
    inner, outer = pty.openpty()
    words = ["zoo", "predict", REPO, "photos", "--skip-unreadable"]
    code = f"import sys; sys.argv = {words!r}; from zoo.cli.main import main; main()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=outer, stderr=subprocess.PIPE) as asked:
        os.close(outer)
        said = b""
        with contextlib.suppress(OSError):  # the end of a terminal
            while piece := os.read(inner, 4096):
                said += piece
        assert asked.stderr is not None
        told = asked.stderr.read().decode()
    assert asked.returncode == 0, told
    head, *rows = said.decode().replace("\r\n", "\n").replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()
    assert head.split() == ["image", "class", "probability", "second", "second_probability"]
    assert len(rows) == 6
    clean("\n".join(rows), told)
    assert "Next: the same with -o answers.csv" in told


# ------------------------------------------------------------------------------------------------ spreadsheets


def table(names: tuple[str, ...]) -> PredictionTable:
    numbers = torch.linspace(-0.5, 0.5, len(names)).tolist()
    return PredictionTable(
        images=names,
        names=names,
        summary={"class": names, "probability": tuple(numbers)},
        columns=(),
        values=torch.empty(len(names), 0).numpy(),
        sizes=((1, 1),) * len(names),
    )


CELLS = ("=1+1", "+1", "-0.5", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "cod", "-", "1e5", "a\nb")
HARMLESS = ["'=1+1", "+1", "-0.5", "'-2+3", "'@SUM(A1)", "' =1", "' =1", "cod", "'-", "1e5", "a b"]


def test_a_csv_holds_no_formulas_and_numbers_stay_numbers(tmp_path: Path) -> None:
    Csv().write(table(CELLS), tmp_path / "a.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "a.csv").read_text())))
    assert [row["image"] for row in rows] == HARMLESS
    assert [row["class"] for row in rows] == HARMLESS
    assert rows[0]["probability"] == "-0.5"


def test_a_csv_keeps_texts_as_they_are_where_asked(tmp_path: Path) -> None:
    cells = tuple(cell for cell in CELLS if "\r" not in cell)
    Csv(raw=True).write(table(cells), tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="") as opened:
        assert [row[0] for row in csv.reader(opened)][1:] == list(cells)


def test_classes_that_read_alike_once_they_are_harmless_keep_their_columns(tmp_path: Path) -> None:
    alike = replace(table(("deck/=1.png",)), columns=("a\x07", "a\x1b"), values=torch.eye(2)[:1].numpy())
    Kaggle().write(alike, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "image,a\ufffd,a\ufffd_\n'=1.png,1,0\n"


# ------------------------------------------------------------------------------------------------ errors, cards


def test_an_error_is_one_line_in_python_too() -> None:
    error = FileError(Path(EVIL), EVIL, EVIL)
    clean(str(error), error.problem, error.remedy)
    assert "\n" not in f"{error}{error.problem}{error.remedy}"
    assert error.path == Path(EVIL)
    clean(str(ZooWarning(EVIL)))


def test_a_text_in_markdown_is_text() -> None:
    made = escape_markdown(EVIL)
    assert made.endswith(r"Error: forged \|\`\<img src=x onerror=alert(1)>\`[a\](http://evil)")
    assert "\n" not in made
    clean(made, markdown_code(EVIL))
    assert markdown_code("`a``b") == "``` `a``b ```"


def test_class_names_with_line_breaks_and_formulas_are_drawn() -> None:
    assert draw_confusion(torch.eye(2, dtype=torch.int64).numpy(), [EVIL, r"$\frac{$"]).width > 300
    assert fit_text("a\nb", 20, 1000) == "a b"


def test_letters_of_all_scripts_stay() -> None:
    for text in ("émilie שלום 鯨 \u00a0", "نمی\u200cخواهم", "👩\u200d🔬", "-0.5 °C"):
        assert zoo.errors.one_line(text) == text
