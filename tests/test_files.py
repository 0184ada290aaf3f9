"""Files are there whole or not at all; what killed processes leave goes; nothing is replaced unasked."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zoo.errors import FileError, ZooWarning
from zoo.files import (
    atomic_write,
    check_output,
    is_abandoned,
    locked,
    output_folder,
    temporary_folder,
    write_atomically,
    write_json,
)

WRITE = "with zoo.files.atomic_write(place / 'file') as part:"
MAKE = "with zoo.files.temporary_folder(place) as part:"
LOCK = "with zoo.files.locked(place / 'file'):"


def start(place: Path, code: str) -> subprocess.Popen[str]:
    """A process that is inside that block until something is written to it, or it is killed."""
    inside = f"import sys, pathlib, zoo.files\nplace = pathlib.Path(sys.argv[1])\n{code}\n"
    inside += "    print('in', flush=True)\n    sys.stdin.readline()\n"
    begun = subprocess.Popen(
        [sys.executable, "-c", inside, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert begun.stdout is not None
    assert begun.stdout.readline() == "in\n"
    return begun


def kill(begun: subprocess.Popen[str]) -> None:
    begun.kill()
    begun.communicate()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("code", [WRITE, MAKE])
def test_what_a_killed_process_left_goes_with_the_next_writer_and_is_said_in_one_line(
    tmp_path: Path, code: str
) -> None:
    kill(start(tmp_path, code))
    assert len(names(tmp_path)) == 1
    with pytest.warns(ZooWarning, match=r"^Removed from .* what killed processes left there: 1 temporary folder\.$"):
        write_atomically(tmp_path / "other", "whole")
    assert names(tmp_path) == ["other"]


@pytest.mark.parametrize("code", [WRITE, MAKE])
def test_what_a_living_process_writes_stays(tmp_path: Path, code: str) -> None:
    begun = start(tmp_path, code)
    (part,) = tmp_path.iterdir()
    write_atomically(tmp_path / "other", "whole")
    assert part.exists()
    begun.communicate("go on\n")
    assert begun.returncode == 0
    assert not part.exists()


def test_what_another_machine_left_goes_after_a_day_without_a_change(tmp_path: Path) -> None:
    with temporary_folder(tmp_path) as part:
        theirs = part.rename(tmp_path / f".zoo-00000000-1-{'x' * 8}.part")
    assert not is_abandoned(theirs)
    (theirs / "inside").touch()
    long_ago = time.time() - 90_000
    os.utime(theirs, (long_ago, long_ago))
    assert not is_abandoned(theirs)
    os.utime(theirs / "inside", (long_ago, long_ago))
    assert is_abandoned(theirs)


def test_links_in_the_place_of_a_temporary_folder_or_a_lock_are_not_followed(tmp_path: Path) -> None:
    kill(start(tmp_path, MAKE))
    (part,) = tmp_path.iterdir()
    part.rmdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "thesis.txt").touch(0o600)
    part.symlink_to(outside)
    write_atomically(tmp_path / "other", "whole")
    (tmp_path / ".other.lock").symlink_to(outside / "thesis.txt")
    with pytest.raises(FileError), locked(tmp_path / "other"):
        pass
    assert names(outside) == ["thesis.txt"]
    assert (outside / "thesis.txt").stat().st_mode & 0o777 == 0o600


def test_a_lock_is_waited_for_or_said_and_leaves_no_file(tmp_path: Path) -> None:
    begun = start(tmp_path, LOCK)
    with (
        pytest.raises(FileError, match=r"file: another process is writing it\. Wait for it"),
        locked(tmp_path / "file", wait=False),
    ):
        pass
    begun.communicate("go on\n")
    with locked(tmp_path / "file"):
        pass
    assert names(tmp_path) == []


def test_a_lock_ends_with_its_process_and_its_file_with_the_next(tmp_path: Path) -> None:
    kill(start(tmp_path, LOCK))
    with locked(tmp_path / "file", wait=False):
        pass
    assert names(tmp_path) == []


def test_twelve_processes_that_count_in_one_file_lose_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, json, pathlib\nfrom zoo.files import locked, write_json\npath = pathlib.Path(sys.argv[1])\n"
        "for _ in range(20):\n    with locked(path):\n        write_json(path, json.loads(path.read_text()) + 1)\n"
    )
    write_json(tmp_path / "count.json", 0)
    counting = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "count.json")]) for _ in range(12)]
    assert [one.wait(100) for one in counting] == [0] * 12
    assert (tmp_path / "count.json").read_text() == "240\n"
    assert names(tmp_path) == ["count.json"]


def test_output_that_is_there_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "file"
    check_output(path)
    path.touch()
    with pytest.raises(FileError, match=r"it is there already\. Choose another `out=`, or pass `overwrite=True`\.$"):
        check_output(path)
    check_output(path, overwrite=True)
    with pytest.raises(FileError, match=r"is not empty\. Choose another `to=`\.$"):
        check_output(tmp_path, overwrite=None, folder=True, argument="to")


def test_an_empty_folder_is_free_and_one_that_a_killed_process_was_in_too(tmp_path: Path) -> None:
    check_output(tmp_path, folder=True)
    kill(start(tmp_path, MAKE))
    check_output(tmp_path, folder=True)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_is_no_folder_and_a_folder_no_file(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match=r"this is a file\. Name a folder with `out=`"):
        check_output(tmp_path / "file", folder=True, overwrite=overwrite)
    with pytest.raises(FileError, match=r"this is a folder\. Name a file with `out=`"):
        check_output(tmp_path, overwrite=overwrite)


def test_a_folder_keeps_its_files_until_all_new_ones_are_written(tmp_path: Path) -> None:
    for name in ("a", "mine"):
        (tmp_path / name).write_text("old")

    def write(*, fails: bool) -> None:
        with output_folder(tmp_path, overwrite=True) as part:
            (part / "a").write_text("new")
            if fails:
                raise KeyboardInterrupt
            (part / "b").write_text("new")

    with pytest.raises(KeyboardInterrupt):
        write(fails=True)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old", "mine": "old"}
    write(fails=False)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "new", "b": "new", "mine": "old"}


def test_a_name_as_long_as_the_disk_takes_can_be_written(tmp_path: Path) -> None:
    with atomic_write(tmp_path / ("x" * 255)) as part:
        part.write_text("whole")
    assert (tmp_path / ("x" * 255)).read_text() == "whole"
