"""What tells one state of a dataset from another: its pictures by name, size and content, and what is known of them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from zoo.contracts import Dataset
from zoo.files import sha256_of

LEFTOVERS = frozenset({"thumbs.db", "desktop.ini"})  # of Windows; what macOS leaves is hidden


class FileState(NamedTuple):
    """A file of a dataset as it was found."""

    name: str  # relative to the dataset's folder, where it lies in there
    known: str  # of the picture in it, JSON
    size: int  # bytes
    time: int  # of its last change, ns
    digest: str = ""  # of its content, 16 hex digits, once it was read


def list_files(dataset: Dataset, root: Path) -> list[FileState]:
    """The files of a prepared dataset, none of them opened: what it names, else all below its folder."""
    named = dataset.files()
    if named is not None:
        return [_look_at(str(path), root, known) for path, known in named]
    found: list[FileState] = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            _look_at(os.path.join(folder, name), root, None)  # noqa: PTH118
            for name in sorted(files)
            if not name.startswith(".") and name.lower() not in LEFTOVERS
        ]
    return found


def _look_at(path: str, root: Path, known: Any) -> FileState:
    name = path.removeprefix(f"{root}{os.sep}").replace(os.sep, "/")  # text: paths would take three times as long
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:  # who decodes it says what is wrong
        return FileState(name, json.dumps(known), 0, 0)
    return FileState(name, json.dumps(known), status.st_size, status.st_mtime_ns)


def read_digest(file: FileState, root: Path) -> FileState:
    """The same with the digest of its content; without, where it cannot be read."""
    try:
        return file._replace(digest=sha256_of(root / file.name)[:16])
    except OSError:
        return file


def describe_changes(before: Iterable[FileState], now: Iterable[FileState]) -> str:
    """Which pictures came, went and changed, counted, with the first names; both lists with digests."""
    old, new = ({file.name: file._replace(time=0) for file in files} for files in (before, now))
    changed = [name for name in new if name in old and new[name] != old[name]]
    found = (("added", [*(new.keys() - old)]), ("gone", [*(old.keys() - new)]), ("changed or labelled anew", changed))
    said = [f"{len(names)} {what} ({shorten(sorted(names), 3)})" for what, names in found if names]
    return "; ".join(said) or "they come in another order, or with other classes or options"


def shorten(names: Iterable[str], most: int = 8) -> str:
    """The first of some names."""
    names = list(names)
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def fingerprint_of_samples(dataset: Dataset) -> str:
    """The identity of a dataset that no plugin brought: every picture and every target. 64 hex digits."""
    digest = hashlib.sha256(repr(sorted(dataset.targets.items())).encode())
    for index in range(len(dataset)):
        sample = dataset[index]
        known = {name: torch.as_tensor(value).tolist() for name, value in sample.targets.items() if value is not None}
        digest.update(f"{tuple(sample.image.shape)}{sorted(known.items())}{sample.group}".encode())
        digest.update(sample.image.numpy().tobytes())
    return digest.hexdigest()
