"""A sample submission: what it calls its columns and its pictures, and in which order."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from zoo.errors import FileError, UsageError

STAGE_TWO = "test_stg2"  # Fisheries Monitoring: of a picture below it the folder belongs to the name
DEPTH = 4  # last parts of a path that a name may have


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The competition's own example of a submission."""

    path: Path
    header: tuple[str, ...]  # of the pictures' column, then of the others
    names: tuple[str, ...]  # of the pictures, in order

    @classmethod
    def read(cls, path: Path) -> Sample:
        """Raises FileError: it is no table of a column of names and others, or has a name twice."""
        try:
            with path.open(newline="", encoding="utf-8-sig") as opened:
                header, *rows = [[cell.strip() for cell in row] for row in csv.reader(opened) if any(row)] or [[]]
        except FileNotFoundError as error:
            raise FileError(path, "there is no such sample submission", "Check `options={'sample': …}`.") from error
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise FileError(path, f"not a readable CSV ({error})", "Download it again.") from error
        if len(header) < 2 or len(set(header)) < len(header):
            said = ",".join(header[:4]) or "nothing"
            raise FileError(
                path, f"its header is {said:.80}, not a name and columns, each once", "Name a sample submission."
            )
        names = tuple(row[0] for row in rows)
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise FileError(path, f"it has {twice[0]!r} twice", "Download it again.")
        if not names:
            raise FileError(path, "it has a header, but names no pictures", "Download it again.")
        return cls(path=path, header=tuple(header), names=names)

    def find(self, images: Sequence[str]) -> list[int | None]:
        """Which of the pictures each name is, by its path's last parts, with or without the suffix; None: none.

        Raises:
            UsageError: a name may be several of the pictures.
        """
        places: dict[str, set[int]] = defaultdict(set)
        for place, image in enumerate(images):
            path = PurePosixPath(image.replace("\\", "/"))
            for parts in (path.parts, path.with_suffix("").parts):
                for depth in range(1, DEPTH + 1):
                    places["/".join(parts[-depth:])].add(place)
        found: list[int | None] = []
        for name in self.names:
            fitting = places.get(name.replace("\\", "/").removeprefix("./"), set())
            if len(fitting) > 1:
                two = " and ".join(images[place] for place in sorted(fitting)[:2])
                raise UsageError(
                    f"{name!r} of {self.path.name} may be several of the pictures: {two}.",
                    "Predict the competition's test pictures alone.",
                )
            found.append(next(iter(fitting), None))
        return found


def name_pictures(images: Sequence[str], otherwise: Sequence[str]) -> tuple[str, ...]:
    """Pictures as competitions call them: the file's name, `test_stg2/` before it; `otherwise` where two have one."""
    paths = [PurePosixPath(image.replace("\\", "/")) for image in images]
    names = tuple(f"{STAGE_TWO}/{path.name}" if path.parent.name == STAGE_TWO else path.name for path in paths)
    return names if len(set(names)) == len(names) else tuple(otherwise)
