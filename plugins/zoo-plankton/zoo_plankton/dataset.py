"""The dataset `plankton`: read where there is any, drawn where there is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import zoo
from zoo.errors import FileError, UsageError
from zoo.progress import Progress, silent
from zoo_plankton.drawn import KindSet, Options, draw_set, find_record, plan
from zoo_plankton.layouts import Entry, Layout, is_empty, read_layout


class Plankton(zoo.Dataset):
    """Grey pictures of single organisms, by kind.

    A folder with the National Data Science Bowl's pictures or with PlanktonSet 1.0 is read. An empty one is
    filled with a synthetic set, drawn in the manner of a towed shadowgraph camera; the options say which.

    Args:
        kinds: which kinds are drawn; `common` and `other` share none.
        pictures: how many are drawn; frequent kinds have twelve times as many as rare ones, and none under 4.
        seed: of the drawing, 0 or more.

    Raises:
        UsageError: too few pictures for the kinds, or a negative seed.
    """

    symmetry = "turns"

    def __init__(self, *, kinds: KindSet = "common", pictures: int = 3000, seed: int = 0) -> None:
        self.options = Options(kinds=kinds, pictures=pictures, seed=seed)
        fewest = self.options.fewest
        if pictures < fewest:
            raise UsageError(f"pictures={pictures} is too few for kinds={kinds}. Pass {fewest} or more.")
        if seed < 0:
            raise UsageError(f"seed={seed} is negative. Pass 0 or more.")
        self._entries: Sequence[Entry] = ()

    def prepare(self, root: Path, progress: Progress = silent) -> None:
        """Read what lies below `root`, or draw a set there.

        Raises:
            FileError: neither a known layout nor an empty folder, or a set drawn with other options.
        """
        recorded, finished = find_record(root)
        if recorded is None and not is_empty(root):
            layout = read_layout(root)
        else:
            if finished and recorded != self.options:
                raise FileError(
                    root,
                    f"it holds a set drawn with {recorded}, not {self.options}",
                    "Ask for that one, or name another folder with `root=`.",
                )
            if not finished:
                draw_set(root, self.options, progress)
            layout = _drawn_layout(root, self.options)
            self.license = "cc0-1.0"  # of real pictures the publisher must say it
        self._entries = layout.entries
        self._number = {name: number for number, name in enumerate(layout.names)}
        self.targets = {"label": zoo.Categories(layout.names)}

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> zoo.Sample:
        entry = self._entries[index]
        targets = {} if entry.label is None else {"label": self._number[entry.label]}
        return zoo.Sample(image=zoo.read_image(entry.path), targets=targets, group=entry.group, path=str(entry.path))

    def files(self) -> Iterator[tuple[Path, Any]]:
        """Where the pictures lie, and what is known of each."""
        return ((entry.path, [entry.label, entry.group, entry.split]) for entry in self._entries)

    @property
    def splits(self) -> Mapping[str, Sequence[int]]:
        """A drawn set has `train` and `test`; of a real one only the `unlabelled` are known."""
        known: dict[str, list[int]] = {}
        for index, entry in enumerate(self._entries):
            if entry.split is not None:
                known.setdefault(entry.split, []).append(index)
        return known


def _drawn_layout(root: Path, options: Options) -> Layout:
    """The finished set as its plan says. Raises FileError where pictures were taken away since."""
    entries = tuple(
        Entry(path=root / planned.path, label=planned.kind, group=f"haul-{planned.haul + 1:02}", split=planned.split)
        for planned in plan(options)
    )
    if missing := [entry.path for entry in entries if not entry.path.is_file()]:
        problem = f"{len(missing)} of its {len(entries)} drawn pictures are missing ({missing[0].name}, …)"
        raise FileError(root, problem, "Delete the folder, and it is drawn again.")
    return Layout(names=tuple(sorted(kind.name for kind in options.chosen())), entries=entries)
