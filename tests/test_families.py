"""Datasets that are families: one entry point, many names; and datasets that are downloaded on request."""

from __future__ import annotations

import pytest
from command_line import CommandLine

import zoo
from zoo.data import as_open_dataset, find_dataset
from zoo.errors import UnknownNameError, UsageError

SEAS = '''
import torch, zoo
class Seas(zoo.Dataset):
    """Whales by the sea."""
    family = ("north", "south")
    def __init__(self, name, *, pictures: int = 8):
        self.name, self.pictures, self.targets = name, pictures, {"kind": zoo.Categories(("a", "b"))}
    def download(self, root, progress=zoo.silent):
        root.mkdir(parents=True, exist_ok=True)
        (root / f"{self.name}.txt").write_text("whole")
    def prepare(self, root, progress=zoo.silent):
        if not (root / f"{self.name}.txt").is_file():
            raise zoo.FileError(root, "it is not there", "Run `zoo data make`.")
    def __len__(self): return self.pictures
    def __getitem__(self, index):
        return zoo.Sample(image=torch.full((3, 8, 8), index, dtype=torch.uint8), targets={"kind": index % 2})
class Any(Seas):
    """Any sea."""
    family = ()
class One(Seas):
    """No family."""
    family = None
'''


@pytest.fixture(autouse=True)
def seas(packages):
    points = "[zoo.datasets]\nseas = zoo_seas:Seas\nany = zoo_seas:Any\none = zoo_seas:One\n"
    packages("zoo-seas", points, module="zoo_seas", code=SEAS)


@pytest.fixture
def command(monkeypatch, capsys):
    return CommandLine(monkeypatch, capsys)


@pytest.mark.parametrize(
    ("name", "member"),
    [("seas/north", "north"), ("zoo-seas:seas/south", "south"), ("any/a/b", "a/b"), ("any/north", "north")],
)
def test_a_member_is_found_by_its_name_with_or_without_the_package(name, member):
    assert find_dataset(name)[2] == (member,)


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("seas", UsageError, r"'seas' is a family of datasets: north, south\. Say which, seas/north\."),
        ("any", UsageError, r"'any' is a family of datasets\. Say which, any/NAME\."),
        ("seas/nort", UnknownNameError, r"No dataset is called 'seas/nort'\. Did you mean 'seas/north'\?"),
        ("seas/", UsageError, r"is a family of datasets"),
        ("one/north", UnknownNameError, r"No dataset is called 'one/north'\. Run `zoo data list`"),
        ("lakes/north", UnknownNameError, r"No dataset is called 'lakes'"),
    ],
)
def test_what_names_no_member_is_one_line(name, error, said):
    with pytest.raises(error, match=said):
        zoo.open_dataset(name)


def test_members_have_folders_of_their_own(home, tmp_path):
    for member in ("north", "south"):
        folder = home / "datasets" / f"seas--{member}"
        folder.mkdir(parents=True)
        (folder / f"{member}.txt").write_text("whole")
        assert zoo.open_dataset(f"seas/{member}").root == folder
    assert zoo.open_dataset("seas/north").stamp() != zoo.open_dataset("seas/south").stamp()


def test_a_folder_below_the_name_of_a_dataset_that_is_no_family_is_a_folder(shapes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "photos").symlink_to(shapes)
    assert as_open_dataset("one/photos").name == "image-folder"
    (tmp_path / "seas" / "north").mkdir(parents=True)
    with pytest.raises(zoo.FileError, match="it is not there"):  # the dataset's, as with any other name
        as_open_dataset("seas/north")


def test_a_dataset_is_downloaded_by_zoo_data_make_and_by_nothing_else(command, tmp_path):
    assert "it is not there" in command("data", "check", "seas/north").fault
    made = command("data", "make", "seas/north", "-o", tmp_path / "north")
    assert f"8 pictures in {tmp_path / 'north'}\nNext: zoo train seas/north --data {tmp_path / 'north'} " in made.err
    assert command("data", "check", "seas/north", "--data", tmp_path / "north").status == 0
    assert "it is not there" in command("data", "check", "seas/south", "--data", tmp_path / "north").fault


def test_a_family_is_listed_and_checked_as_one(command):
    assert "Whales by the sea. seas/NAME: north, south." in command("data", "list").out
    assert "Any sea. any/NAME: any." in command("data", "list").out
    assert "dataset seas: a family of datasets, seas/NAME: north, south\n" in command("plugins", "check", "seas").out
