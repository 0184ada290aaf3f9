"""Text -> a checkpoint in safetensors form: its files are found and their headers read; pickles are never opened.

a tag of the backbone's     imagenet
a file                      weights/vgg16.safetensors
a folder, a package         ./filters, package:zoo_filters/vgg16-plankton
the Hub                     hf://owner/name[@revision], hf://owner/name[@revision]/folder/file.safetensors

Headers are read first: names and shapes are compared before a tensor is. A folder or repository means its
`model.safetensors`, else the shards of its index, else its only safetensors file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from zoo.errors import FileError, IntegrityError, UsageError, ZooError
from zoo.files import parse_json
from zoo.progress import Progress, silent
from zoo.store import (
    MANIFEST_FILE,
    MANIFEST_LIMIT,
    MODEL_FILE,
    Artifact,
    FolderSource,
    Header,
    Source,
    TensorEntry,
    check_file_name,
    open_artifact_at,
    parse_source,
    read_backbone_tensors,
    read_header,
    read_published_header,
    read_tensors,
)

SHARD_INDEX_SUFFIX = ".safetensors.index.json"
LARGEST_INDEX = 16 * 2**20  # bytes
MOST_SHARDS = 1000
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")

_IN_REPOSITORY = re.compile(r"hf://(?P<repo>[^/@]+/[^/@]+)(?P<at>@(?:refs/(?:pr|convert)/)?[^/]+)?/(?P<file>.+)")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The headers of one checkpoint's files; no tensor has been read."""

    source: Source  # at one commit, where it has commits
    text: str  # the source that names it
    headers: Mapping[str, Header]  # by file
    published: Artifact | None = None  # an artifact of zoo, whose manifest has the hashes; None for other checkpoints

    @cached_property
    def tensors(self) -> dict[str, TensorEntry]:
        """All tensors' headers, by name."""
        return {name: entry for header in self.headers.values() for name, entry in header.tensors.items()}

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(header.file_size for header in self.headers.values())

    def read(self, names: Collection[str], *, progress: Progress = silent) -> dict[str, Tensor]:
        """Tensors by name: mapped where the file is on this disk, read by ranges otherwise."""
        if self.published is not None:
            return read_backbone_tensors(self.published, names, progress=progress)
        tensors: dict[str, Tensor] = {}
        for file, header in self.headers.items():
            of_file = [name for name in names if name in header.tensors]
            if of_file:
                tensors |= read_tensors(self.source, file, of_file, header=header, progress=progress)
        return tensors


def open_checkpoint(
    weights: str, *, tags: Mapping[str, str] | None = None, of: str = "The backbone", **where: Any
) -> Checkpoint:
    """Find a checkpoint's files and read their headers.

    Args:
        weights: a tag, a file, a folder, a package or an `hf://` source, as the module says.
        tags: sources by the backbone's own words.
        of: the backbone, for messages.
        where: `token`, `cache_dir`, `offline`, as `open_artifact` takes them.

    Raises:
        UsageError: the text names nothing that weights could be, or several files; or filters that are a delta.
        IntegrityError: a header or an index is damaged, or does not match the files.
        FetchError, FileError: it cannot be reached, or read.
    """
    source, file = _parse(weights, tags or {}, of, where)
    source = source.pinned()
    text = f"{source.text}/{file}" if file else source.text
    names = source.names()
    if file in (None, MODEL_FILE) and _is_artifact(source, names):
        published = open_artifact_at(source)
        if published.manifest.delta is not None:
            raise UsageError(
                f"{text} is an update of {published.manifest.delta.base}, and holds no weights of its own.",
                "Start from it by its name, with its own cut: `filters=NAME`.",
            )
        return Checkpoint(
            source=source, text=text, headers={MODEL_FILE: read_published_header(published)}, published=published
        )
    file = file or _only_file(source, names)
    if not file.endswith(SHARD_INDEX_SUFFIX):
        return Checkpoint(source=source, text=text, headers={file: read_header(source, file)})
    return Checkpoint(source=source, text=text, headers=_read_shard_headers(source, file))


def _parse(weights: str, tags: Mapping[str, str], of: str, where: Mapping[str, Any]) -> tuple[Source, str | None]:
    """The source, and the file in it where one was named."""
    if weights in tags:
        return parse_source(tags[weights], **where), None
    if weights.startswith("hf://"):
        inside = _IN_REPOSITORY.fullmatch(weights)
        is_branch = (
            inside and inside["at"] and not inside["file"].endswith((*PICKLES, ".safetensors", SHARD_INDEX_SUFFIX))
        )
        if inside is None or is_branch:
            return parse_source(weights, **where), None
        _check_ending(inside["file"], weights)
        source = parse_source(f"hf://{inside['repo']}{inside['at'] or ''}", **where)
        return source, check_file_name(inside["file"], source.text)
    path = Path(weights).expanduser()
    if not path.is_dir() and path.suffix in (*PICKLES, ".safetensors", ".json"):
        _check_ending(path.name, weights)
        if not path.is_file():
            raise FileError(weights, "there is no such file", f"Say `weights='random'`, {_listed(tags)}.")
        return FolderSource(path.parent), path.name
    if "/" in weights or path.is_dir() or weights.startswith("package:"):
        return parse_source(weights, **where), None
    raise UsageError(f"{of} has no weights called {weights!r}.", f"Say `weights='random'`, {_listed(tags)}.")


def _check_ending(name: str, where: str) -> None:
    if name.endswith(PICKLES):
        raise _pickle_error(where)
    if not name.endswith((".safetensors", SHARD_INDEX_SUFFIX)):
        raise UsageError(f"{where} names no weights.", "Name a .safetensors file, or leave the file's name out.")


def _only_file(source: Source, names: Sequence[str]) -> str:
    """The file that a repository or folder means where none is named."""
    for name in (MODEL_FILE, f"model{SHARD_INDEX_SUFFIX}"):
        if name in names:
            return name
    whole = [name for name in names if name.endswith(".safetensors")]
    found = [name for name in names if name.endswith(SHARD_INDEX_SUFFIX)] or whole
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{source.text} has {len(found)} files of weights: {list_some(found)}.",
            f"Say which: `weights='{source.text}/{found[0]}'`.",
        )
    pickles = [name for name in names if name.endswith(PICKLES)]
    if pickles:
        raise _pickle_error(f"{source.text} ({list_some(pickles)})")
    raise FileError(source.text, "there is no .safetensors file in it", "Check the name and the revision.")


def _is_artifact(source: Source, names: Sequence[str]) -> bool:
    """Whether these are published filters of ours, whose manifest has hashes."""
    if MANIFEST_FILE not in names or MODEL_FILE not in names:
        return False
    try:
        said = parse_json(source.read(MANIFEST_FILE, limit=MANIFEST_LIMIT))
    except ValueError:
        return False
    return isinstance(said, dict) and said.get("library") == "zoo"


def _read_shard_headers(source: Source, index: str) -> dict[str, Header]:
    """The headers of the shards that an index names, with the tensors that it says lie there and no others."""
    where = f"{source.text}/{index}"
    folder = index.rpartition("/")[0]
    shards: dict[str, list[str]] = {}
    for tensor, file in _weight_map(source.read(index, limit=LARGEST_INDEX), where).items():
        shards.setdefault(check_file_name(f"{folder}/{file}" if folder else file, where), []).append(tensor)
    if len(shards) > MOST_SHARDS:
        raise IntegrityError(f"{where} names {len(shards)} files, where {MOST_SHARDS} are allowed.", "Do not use it.")
    headers: dict[str, Header] = {}
    seen: dict[str, str] = {}
    for file, tensors in sorted(shards.items()):
        _check_ending(file, f"{source.text}/{file}")
        headers[file] = read_header(source, file)
        held = headers[file].tensors
        twice = next((name for name in held if name in seen), None)
        if twice is not None:
            raise _index_error(where, f"{seen[twice]} and {file} both hold the tensor {twice!r}")
        missing = next((name for name in tensors if name not in held), None)
        if missing is not None:
            raise _index_error(where, f"{file} does not hold the tensor {missing!r}")
        seen |= dict.fromkeys(held, file)
    return headers


def _weight_map(raw: bytes, where: str) -> dict[str, str]:
    try:
        said = parse_json(raw)
        found = said["weight_map"]
        if not isinstance(found, dict) or not found or not all(isinstance(file, str) for file in found.values()):
            raise TypeError
    except (ValueError, TypeError, KeyError) as error:
        raise _index_error(where, "it has no weight_map from tensors to files") from error
    return found


def _listed(tags: Iterable[str]) -> str:
    return ", ".join([*tags, "a safetensors file", "a folder or hf://owner/name"])


def list_some(texts: Sequence[str], most: int = 5) -> str:
    """The first few, and how many more there are."""
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more" if len(texts) > most else "")


def _pickle_error(where: str) -> ZooError:
    return ZooError(
        f"{where}: only safetensors are read, because a pickle can run any code.",
        "Convert it first: safetensors.torch.save_file(torch.load(FILE, weights_only=True), 'model.safetensors').",
    )


def _index_error(where: str, problem: str) -> IntegrityError:
    return IntegrityError(f"{where}: {problem}.", "The index is damaged, or not of these files. Fetch it again.")
