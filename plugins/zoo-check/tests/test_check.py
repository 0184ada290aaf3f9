"""Each finding alone, what is no finding, and the report as text, JSON, list and page."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zoo_check
from command_line import CommandLine
from PIL import Image
from planted import change, draw
from zoo_check import DatasetReport, Finding, examine_dataset, write_list, write_page
from zoo_check.columns import is_grouping, read_time
from zoo_check.duplicates import find_near_pairs
from zoo_check.report import rank_findings

import zoo
from zoo.errors import FileError, PluginError


@dataclass
class Given(zoo.Dataset):
    """Pictures in hand with whatever is known of them."""

    pictures: list[Image.Image]
    labels: list[int | None]
    groups: list[str] | None = None
    boxes: list[Any] | None = None
    metadata: list[dict[str, str]] | None = None
    own: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self):
        names = tuple(f"kind {one}" for one in range(max(filter(None, self.labels), default=1) + 1))
        self.targets = {"label": zoo.Categories(names)} | ({"box": zoo.Box()} if self.boxes else {})

    def prepare(self, root, progress=zoo.silent):
        """They are here."""

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        image = torch.from_numpy(np.asarray(self.pictures[index].convert("RGB")).copy()).permute(2, 0, 1)
        targets = {"label": self.labels[index]} | ({"box": self.boxes[index]} if self.boxes else {})
        return zoo.Sample(
            image=image,
            targets=targets,
            group=self.groups[index] if self.groups else None,
            metadata=self.metadata[index] if self.metadata else {},
        )

    @property
    def splits(self):
        return self.own


def drawn(count: int, *, seed: int = 0, kinds=("disc", "star")) -> tuple[list[Image.Image], list[int]]:
    """Pictures and their labels in turn; nothing is wrong with them."""
    rng = np.random.default_rng(seed)
    return [draw(kinds[one % len(kinds)], rng) for one in range(count)], [one % len(kinds) for one in range(count)]


def kinds_of(report: DatasetReport) -> dict[str, int]:
    return {finding.kind: finding.count for finding in report.findings}


@pytest.fixture
def command(monkeypatch, capsys):
    return CommandLine(monkeypatch, capsys)


# ------------------------------------------------------------------------------------------------ copies


def saved(picture: Image.Image, seed: int) -> Image.Image:
    return Image.open(io.BytesIO(change(picture, np.random.default_rng(seed))))


def test_copies_are_told_by_what_they_harm():
    pictures, labels = drawn(40)
    pictures += [pictures[0], saved(pictures[1], 1), pictures[2], saved(pictures[3], 3), pictures[4]]
    labels += [labels[0], labels[1], 1 - labels[2], labels[3], None]
    own = {"train": [*range(40), 40, 41, 42, 44], "test": [43]}
    report = examine_dataset(Given(pictures, labels, own=own))
    assert kinds_of(report) == {"contradiction": 1, "leak-duplicates": 1, "duplicate": 2, "near-duplicate": 1}
    sets = {kind: report.of_kind(kind)[0].sets for kind in kinds_of(report)}
    assert sets["contradiction"] == (("#2", "#42"),)
    assert sets["leak-duplicates"] == (("#3", "#43"),)
    assert sets["duplicate"] == (("#0", "#40"), ("#4", "#44"))  # what has no label contradicts nothing
    assert report.of_kind("leak-duplicates")[0].drop == ("#3",)  # of training: the test stays as it is
    assert {"#2", "#42"} <= {*report.excluded}


def test_of_near_duplicates_the_largest_stays():
    pictures, labels = drawn(20)
    large = pictures[5].resize((3 * pictures[5].width, 3 * pictures[5].height), Image.Resampling.BICUBIC)
    report = examine_dataset(Given([*pictures, large], [*labels, labels[5]]))
    assert report.of_kind("near-duplicate")[0].drop == ("#5",)


def test_copies_in_one_group_are_told_from_those_in_several():
    pictures, labels = drawn(20)
    groups = [f"boat {one % 4}" for one in range(20)]
    report = examine_dataset(Given([*pictures, pictures[0]], [*labels, labels[0]], groups=[*groups, groups[0]]))
    assert "each time in one group" in report.of_kind("duplicate")[0].text
    report = examine_dataset(Given([*pictures, pictures[0]], [*labels, labels[0]], groups=[*groups, "another"]))
    assert "1 of them in different groups" in report.of_kind("duplicate")[0].text


def thumbnails(*pictures: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    small = [one.convert("L").resize((32, 32), Image.Resampling.BILINEAR) for one in pictures]
    return np.stack([np.asarray(one) for one in small]), np.array([one.size for one in pictures])


def test_plain_and_dark_pictures_under_one_light_are_no_duplicates():
    """A lamp's fall-off and noise are all that they show."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:48j, -1:1:48j]
    light = 30 - 12 * (x**2 + y**2) + 4 * x
    made = [Image.fromarray(np.clip(light + rng.normal(0, 3, (48, 48)), 0, 255).astype(np.uint8)) for _ in range(30)]
    assert len(find_near_pairs(*thumbnails(*made))) == 0


def test_things_in_one_pose_are_no_duplicates():
    """Discs in the middle of a clean ground, alike by nature."""
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    made = []
    for radius in 0.4 * 1.08 ** np.arange(8):
        for squeeze in (0.9, 1.0, 1.1):
            away = np.hypot(x, squeeze * y) / radius
            made.append(Image.fromarray((200 - 120 * (away < 1) * (0.6 + 0.4 * away)).astype(np.uint8)))
    assert len(find_near_pairs(*thumbnails(*made))) == 0


def test_another_shape_of_the_picture_is_another_picture():
    picture = drawn(1)[0][0].resize((60, 60))
    squeezed = picture.resize((60, 48))
    assert len(find_near_pairs(*thumbnails(picture, picture.resize((90, 90))))) == 1
    assert len(find_near_pairs(*thumbnails(picture, squeezed))) == 0


def test_a_crowd_of_copies_is_one_set():
    picture = drawn(1)[0][0]
    pictures, labels = drawn(6, seed=1)
    crowd = [saved(picture, seed) for seed in range(70)]
    report = examine_dataset(Given([*pictures, *crowd], [*labels, *[0] * 70]))
    assert [len(one) for one in report.of_kind("near-duplicate")[0].sets] == [70]


# ------------------------------------------------------------------------------------------------ leaks


def tracks(*, alike: bool) -> Given:
    """40 tracks of five pictures: of one thing each, or of anything."""
    rng = np.random.default_rng(0)
    pictures, labels, groups = [], [], []
    for track in range(40):
        first = np.random.default_rng(track)
        state = first.bit_generator.state
        for _ in range(5):
            if alike:
                first.bit_generator.state = state
            picture = draw(("disc", "star")[track % 2], first)
            pixels = np.roll(np.asarray(picture, dtype=float), rng.integers(-2, 3, 2), axis=(0, 1))
            pictures.append(Image.fromarray(np.clip(pixels + rng.normal(0, 12, pixels.shape), 0, 255).astype(np.uint8)))
            labels.append(track % 2)
            groups.append(f"track_{track}")
    return Given(pictures, labels, groups=groups)


def test_tracks_that_are_alike_leak_and_others_do_not():
    (finding,) = examine_dataset(tracks(alike=True)).of_kind("likeness")
    numbers = finding.numbers
    assert finding.text.startswith("tracks leak: the picture most alike is of the same one for ")
    assert numbers["same"] > 0.8 > 0.1 > numbers["by_chance"]
    assert numbers["at_random"] - numbers["apart"] == pytest.approx(numbers["difference"])
    assert 0.1 < numbers["low"] < numbers["difference"] < numbers["high"]
    assert examine_dataset(tracks(alike=False)).of_kind("likeness") == []


def test_a_column_that_leaks_is_named_with_the_option_that_makes_groups_of_it():
    data = tracks(alike=True)
    data.metadata = [{"seq_id": group, "depth": str(number)} for number, group in enumerate(data.groups)]
    data.groups = None
    data.own = {"train": list(range(103)), "test": list(range(103, 200))}
    report = examine_dataset(data)
    assert "Make them groups: `options={'group': 'seq_id'}`." in report.of_kind("likeness")[0].remedy
    (divided,) = report.of_kind("leak-columns")
    assert (divided.severity, divided.count, divided.drop) == ("warning", 1, ("#103", "#104"))


def test_bursts_by_capture_time_leak():
    data = tracks(alike=True)
    data.metadata = [
        {"datetime": f"2026-05-{1 + number // 100:02}T{number // 5 % 20:02}:00:{number % 5 * 8:02}"}
        for number in range(len(data))
    ]
    data.groups = None
    assert "bursts by 'datetime' leak" in examine_dataset(data).of_kind("likeness")[0].text


def test_times_that_cameras_wrote_are_read_from_the_files(tmp_path):
    data = tracks(alike=True)
    for number, picture in enumerate(data.pictures):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = f"2026:05:{1 + number // 100:02} {number // 5 % 20:02}:00:{number % 5 * 8:02}"
        place = tmp_path / f"kind {data.labels[number]}" / f"{number:03}.jpg"
        place.parent.mkdir(exist_ok=True)
        picture.save(place, quality=95, exif=exif)
    report = examine_dataset("image-folder", tmp_path)
    assert "bursts by 'DateTimeOriginal' leak" in report.of_kind("likeness")[0].text


def test_groups_in_several_splits_are_a_fault_and_the_fewer_pictures_go():
    pictures, labels = drawn(40)
    groups = [f"boat {one // 8}" for one in range(40)]
    own = {"train": [*range(17), 39], "test": list(range(17, 39))}
    (finding,) = examine_dataset(Given(pictures, labels, groups=groups, own=own)).of_kind("leak-groups")
    assert (finding.severity, finding.count, set(finding.drop)) == ("fault", 2, {"#16", "#39"})
    assert "2 of 5 boats stand in several splits" in finding.text


@pytest.mark.parametrize(
    ("title", "is_one"),
    [("seq_id", True), ("sample_id", True), ("Photo_time", True), ("object_date", True), ("locationID", True),
     ("area", False), ("object_area_exc", False), ("update", False), ("scientificName", False)],
)  # fmt: skip
def test_columns_that_group_are_known_by_their_titles(title, is_one):
    assert is_grouping(title) == is_one


def test_times_are_read_as_iso_and_exif_write_them():
    assert read_time("2020:10:16 10:01:30") - read_time("2020-10-16T10:01:00") == 30
    assert read_time("2020-10-16T10:01:00+02:00") - read_time("2020-10-16T10:01:00Z") == -7200
    assert all(np.isnan(read_time(text)) for text in ("", "20201016", "10:01", "soon: today"))


# ------------------------------------------------------------------------------------------------ shortcuts


@pytest.mark.parametrize("cue", ["brightness", "size", "border"])
def test_each_shortcut_is_found_alone(cue):
    pictures, labels = drawn(160, kinds=("disc", "star", "fork", "bow"))
    for number, picture in enumerate(pictures):
        if labels[number] == 2 and cue == "brightness":
            pictures[number] = picture.point(lambda level: min(level + 70, 255))
        elif labels[number] == 2 and cue == "size":
            pictures[number] = picture.resize((2 * picture.width, 2 * picture.height))
        elif labels[number] == 2:
            grey = round(float(np.asarray(picture).mean()))
            picture.paste((grey, grey, grey), (0, picture.height - 4, picture.width, picture.height))
    report = examine_dataset(Given(pictures, labels))
    (finding,) = report.of_kind(f"shortcut-{cue}")
    assert finding.severity == "warning"
    assert finding.text.startswith(f"{cue} alone tells 'label' apart, kind 2")
    assert " above all: balanced accuracy " in finding.text
    assert finding.numbers["chance"] == 0.25 < finding.numbers["low"] < finding.numbers["kind 2"]


def test_a_shortcut_within_groups_that_does_not_hold_in_others_is_none():
    """Each boat has its own light, and only two kinds each: on other boats light says nothing."""
    pictures, labels = drawn(240, kinds=("disc", "star", "fork", "bow"))
    rng = np.random.default_rng(0)
    groups, made = [], []
    for boat in range(12):
        light = rng.permutation([-60, -20, 20, 60])
        for number in range(boat * 20, boat * 20 + 20):
            shift = int(light[labels[number]])
            made.append(pictures[number].point(lambda level, shift=shift: min(max(level + shift, 0), 255)))
            groups.append(f"boat {boat}")
    report = examine_dataset(Given(made, labels, groups=groups))
    assert report.of_kind("shortcut-brightness") == []


# ------------------------------------------------------------------------------------------------ contents


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ([5, 5, 5, 9], "without width or height"),
        ([9, 5, 4, 9], "without width or height"),
        ([500, 5, 520, 9], "wholly outside the picture"),
        ([-20, 5, 20, 9], "over the picture's edge"),
        ([float("nan"), 5, 20, 9], "not four finite numbers"),
        ([1, 2, 3], "not four finite numbers"),
    ],
)
def test_an_impossible_box_is_a_fault(box, said):
    pictures, labels = drawn(24)
    boxes: list[Any] = [[2, 2, 20, 20.04]] * 24
    boxes[1], boxes[2], boxes[7] = None, [float("nan")] * 4, box  # the first two: it is known that there is none
    (finding,) = examine_dataset(Given(pictures, labels, boxes=boxes)).of_kind("box")
    assert (finding.severity, finding.drop) == ("fault", ("#7",))
    assert said in finding.text


def test_small_classes_are_faults_and_warnings():
    pictures, labels = drawn(40)
    report = examine_dataset(Given([*pictures, *drawn(4, seed=9)[0]], [*labels, 2, 3, 3, 3]))
    (single,), (few,) = report.of_kind("class-single"), report.of_kind("class-few")
    assert (single.severity, single.text) == ("fault", "classes with fewer than two pictures: kind 2.")
    assert (few.severity, few.text) == ("warning", "classes with fewer than 10 pictures: kind 3 (3).")


def test_classes_that_are_groups_are_said():
    pictures, labels = drawn(40)
    report = examine_dataset(Given(pictures, labels, groups=[f"site {label}" for label in labels]))
    assert (
        report.of_kind("group-of-one-class")[0].text == "2 of 2 groups hold one class of 'label' only: site 0, site 1."
    )
    assert report.of_kind("class-of-one-group")[0].text == "classes of one group only: kind 0, kind 1."


def test_odd_pictures_are_ranked_and_are_no_fault():
    pictures, labels = drawn(60)
    pictures[3] = Image.new("RGB", pictures[3].size, (120, 120, 120))
    pictures[4] = pictures[4].resize((12 * pictures[4].width, pictures[4].height))
    pictures[5] = pictures[5].convert("L")
    report = examine_dataset(Given(pictures, labels))
    (finding,) = report.of_kind("odd")
    assert (finding.severity, finding.sets) == ("note", (("#3",), ("#4",), ("#5",)))
    assert "#3: blank; #4: very l" in finding.text
    assert "#5: grey among coloured ones" in finding.text
    assert (report.faults, finding.drop) == ((), ())


def test_a_target_that_the_dataset_does_not_list_is_the_plugins_fault():
    data = Given(*drawn(4))
    data.targets = {"other": zoo.Categories(("a", "b"))}
    with pytest.raises(PluginError, match=r"the target 'label' is not one of the dataset's: other"):
        examine_dataset(data)


def test_what_opening_warns_of_is_in_the_report(shapes, tmp_path):
    folder = shutil.copytree(shapes, tmp_path / "pictures")
    (folder / "square").mkdir()
    shutil.copytree(folder / "disc", folder / "disc" / "deeper")
    report = examine_dataset("image-folder", folder)
    assert any("no pictures in the class folders square" in line for line in report.warnings)
    assert any("their folders hold folders: deeper" in line for line in report.warnings)


def test_a_dataset_of_which_nothing_can_be_read_or_nothing_is_known_is_reported(clean, tmp_path):
    folder = shutil.copytree(clean, tmp_path / "pictures")
    for path in folder.rglob("*.png"):
        path.write_bytes(b"")
    report = examine_dataset("image-folder", folder)
    assert kinds_of(report) == {"unreadable": 120, "class-single": 3}
    assert (report.pictures, report.smallest) == (0, "0x0")
    pictures, _ = drawn(20)
    assert examine_dataset(Given([*pictures, pictures[0]], [None] * 21)).of_kind("duplicate")[0].count == 1


# ------------------------------------------------------------------------------------------------ the report


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Path:
    """120 pictures of three kinds; nothing is wrong with them."""
    folder, kinds = tmp_path_factory.mktemp("clean") / "pictures", ("bar", "fork", "star")
    for number, picture in enumerate(drawn(120, kinds=kinds)[0]):
        place = folder / kinds[number % 3] / f"{number // 3:03}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        picture.save(place)
    return folder


@pytest.fixture
def faulty(clean, tmp_path) -> Path:
    """The same, one of them under two labels, one in twice, and one empty."""
    folder = shutil.copytree(clean, tmp_path / "pictures")
    shutil.copy(folder / "bar" / "000.png", folder / "fork" / "=copy.png")
    shutil.copy(folder / "bar" / "001.png", folder / "bar" / "twice.png")
    (folder / "star" / "zero.png").write_bytes(b"")
    return folder


def test_faults_come_before_warnings_and_notes():
    some = [Finding(kind=kind, severity=kind, count=1, text=kind) for kind in ("note", "fault", "warning", "fault")]
    assert [one.severity for one in rank_findings(some)] == ["fault", "fault", "warning", "note"]


def test_the_command_says_what_is_wrong_in_a_line_each_and_what_to_do_next(command, faulty):
    answer = command("data", "check", "image-folder", "--data", faulty)
    lines = answer.out.splitlines()
    assert answer.status == 1
    assert lines[0] == "122 pictures, no groups; splits: none of its own"
    assert re.fullmatch(r"sizes: 3\dx3\d to \d+x\d+ pixels", lines[1])
    found = [line for line in lines if line.startswith(("fault: ", "warning: ", "note: "))]
    assert [line.partition(" ")[0] for line in found] == ["fault:", "fault:", "warning:"]
    assert (
        found[0]
        == "fault: 1 picture cannot be read: star/zero.png: the file is empty. Replace them, or leave them out."
    )
    assert found[1] == (
        "fault: 1 picture stands under two labels (bar/000.png as bar and fork/=copy.png as fork). "
        "Correct the labels, or leave all of them out."
    )
    assert answer.err == f"Next: zoo data check image-folder --data {faulty} --page check.html -o exclude.csv\n"


def test_a_clean_set_has_no_faults_and_status_0(command, clean):
    answer = command("data", "check", "image-folder", "--data", clean)
    assert (answer.status, answer.out.splitlines()[-1], answer.err) == (0, "No faults.", "")


def test_json_has_every_finding_with_its_pictures(command, faulty):
    said = json.loads(command("data", "check", "image-folder", "--data", faulty, "--json").out)
    assert said["pictures"] == 122
    assert said["classes"]["label"] == {"bar": 41, "fork": 41, "star": 40}
    kinds = {one["kind"]: one["sets"] for one in said["findings"]}
    assert kinds["contradiction"] == [["bar/000.png", "fork/=copy.png"]]
    assert len(said["faults"]) == 2
    assert set(said["excluded"]) == {"star/zero.png", "bar/000.png", "fork/=copy.png", "bar/twice.png"}


def test_the_list_is_taken_by_training_and_by_the_check(command, faulty, tmp_path):
    words = ("data", "check", "image-folder", "--data", faulty)
    answer = command(*words, "-o", tmp_path / "exclude.csv")
    assert f"Next: zoo train image-folder --data {faulty} --exclude {tmp_path / 'exclude.csv'}" in answer.err
    with (tmp_path / "exclude.csv").open(newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    assert rows["bar/twice.png"] == {
        "path": "bar/twice.png", "finding": "duplicate", "of": "bar/001.png", "label": "bar", "split": ""
    }  # fmt: skip
    again = command(*words, "--exclude", tmp_path / "exclude.csv")
    assert (again.status, again.out.splitlines()[0]) == (0, "119 pictures, no groups; splits: none of its own")
    shutil.copy(faulty / "star" / "000.png", faulty / "star" / "more.png")
    command(*words, "--exclude", tmp_path / "exclude.csv", "-o", tmp_path / "all.csv")
    with (tmp_path / "all.csv").open(newline="") as file:
        assert {row["path"] for row in csv.DictReader(file)} == {*rows, "star/more.png"}
    start = ("--backbone", "vgg11", "--cut", "block1", "--weights", "random", "--size", 32, "--head-epochs", 1)
    run = ("--epochs", 0, "--out", tmp_path / "run", "--device", "cpu", "--exclude", tmp_path / "exclude.csv")
    done = command("train", "image-folder", "--data", faulty, *start, *run)
    assert done.status == 0, done.err
    assert command("evaluate", tmp_path / "run").status == 0
    assert "exclude" in (tmp_path / "run" / "recipe.toml").read_text()


def test_what_is_there_already_is_kept(command, faulty, tmp_path):
    (tmp_path / "mine.csv").write_text("mine")
    for option in ("-o", "--page"):
        fault = command("data", "check", "image-folder", "--data", faulty, option, tmp_path / "mine.csv").fault
        assert "it is there already" in fault
    assert (tmp_path / "mine.csv").read_text() == "mine"


def test_a_list_that_cannot_be_written_says_so(clean, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="it cannot be written or read"):
        write_list(examine_dataset("image-folder", clean), tmp_path / "file" / "exclude.csv")


def test_the_page_has_the_pictures_by_finding_and_asks_for_nothing(command, faulty, tmp_path):
    (faulty / "bar" / "<b>.png").write_bytes((faulty / "bar" / "002.png").read_bytes())
    command("data", "check", "image-folder", "--data", faulty, "--page", tmp_path / "check.html")
    page = (tmp_path / "check.html").read_text()
    titles = re.findall(r"<h2>.*</span>(.*)</h2>", page)
    assert titles == ["Cannot be read", "One picture, two labels", "There more than once"]
    assert page.count('<img src="data:image/jpeg;base64,') == 6
    assert page.count("unreadable</div>") == 1
    assert "&lt;b&gt;.png" in page
    assert "<b>" not in page
    assert "default-src 'none'" in page
    assert not re.findall(r"<script|https?://|url\(", page)


def test_a_page_of_nothing_says_so(clean, tmp_path):
    write_page(examine_dataset("image-folder", clean), tmp_path / "check.html")
    assert "Nothing was found." in (tmp_path / "check.html").read_text()


def test_the_front_door_has_what_it_promises():
    promised = re.findall(r"(\w+) as \1\b", Path(zoo_check.__file__).with_suffix(".pyi").read_text())
    assert {"DatasetReport", "Finding", "examine_dataset", "write_list", "write_page"} == set(promised)
    assert all(getattr(zoo_check, name) is not None for name in promised)
