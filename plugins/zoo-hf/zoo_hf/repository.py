"""From a repository of the Hub to Arrow files in a folder, pinned to a commit: once fetched, no network is needed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zoo.errors import FetchError, FileError, IntegrityError, UsageError, describe_cause
from zoo.files import locked, parse_json, sha256_of, write_json

PINS = "hub-datasets.json"  # in the folder: what of it was fetched, at which commit
READ = ("parquet", "imagefolder", "arrow")  # of the library's readers those that read data alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """A configuration of a dataset as it was fetched."""

    commit: str  # 40 hex digits
    reader: str  # one of `READ`
    license: str  # as the card says it; empty: it does not
    files: Mapping[str, tuple[str, ...]]  # by the Hub's split its Arrow files, relative to the folder


def find_pinned(root: Path, key: str) -> Pinned | None:
    """What was fetched of a dataset into a folder; None: nothing, or not all of it is there any more.

    Raises:
        FileError: the folder's record of it is damaged.
    """
    path = root / PINS
    if not path.is_file():
        return None
    try:
        said = parse_json(path.read_bytes()).get(key)
        found = said and Pinned(**{**said, "files": {split: tuple(names) for split, names in said["files"].items()}})
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise FileError(path, f"it cannot be read ({error})", "Remove it, and the dataset is fetched again.") from error
    whole = found and all((root / name).is_file() for names in found.files.values() for name in names)
    return found if whole else None


def fetch(root: Path, name: str, *, config: str, revision: str) -> Pinned:
    """Fetch a dataset, and keep it as Arrow files below a folder; no code of the repository runs.

    Args:
        root: the folder.
        name: of the repository, `owner/name`.
        config: which of its configurations; empty: the only or the default one.
        revision: a branch, tag or commit; empty: `main`.

    Raises:
        FetchError: the Hub cannot be reached or has no such dataset, configuration or revision.
        IntegrityError: a file did not arrive as the Hub has it.
        FileError: it is of a form that is not read.
        UsageError: the library `datasets` is not installed.
    """
    library, root = _library(), root.resolve()
    with _errors(name), _bars(library):
        info = _ask(library, name, revision)
        commit = str(info.sha)
        builder = library.load_dataset_builder(name, config or None, revision=commit, cache_dir=str(root))
        reader = type(builder).__module__.rpartition(".")[2]
        if reader not in READ:
            listed = ", ".join(READ[:-1]) + f" and {READ[-1]}"
            remedy = "Fetch it yourself, and make folders of pictures of it."
            raise FileError(f"hf/{name}", f"it is read by {reader!r}, and only {listed} read data alone", remedy)
        try:
            builder.download_and_prepare(download_mode="reuse_cache_if_exists")  # of Arrow files some may be gone
        finally:  # a damaged file may be what stopped it, and would stay in the client's cache
            _verify(name, commit, info.siblings or ())
        made = builder.as_dataset()
    files = {
        split: tuple(Path(one["filename"]).relative_to(root).as_posix() for one in part.cache_files)
        for split, part in made.items()
    }
    said = info.card_data.get("license") if info.card_data else None
    license = said if isinstance(said, str) else ""
    pinned = Pinned(commit=commit, reader=reader, license=license, files=files)
    path = root / PINS
    with locked(path):
        before = parse_json(path.read_bytes()) if path.is_file() else {}
        write_json(path, {**before, key_of(name, config, revision): asdict(pinned)})
    return pinned


def key_of(name: str, config: str, revision: str) -> str:
    """What a configuration is called in the folder's record."""
    return json.dumps([name, config, revision])


def open_split(root: Path, files: tuple[str, ...]) -> Any:
    """One split as the library's dataset, its Arrow files mapped. Raises FileError: they are damaged."""
    library = _library()
    try:
        return library.concatenate_datasets([library.Dataset.from_file(str(root / name)) for name in files])
    except Exception as error:  # pyarrow raises ArrowInvalid, OSError; the library ValueError, KeyError
        problem = f"it cannot be read ({describe_cause(error)})"
        raise FileError(root / files[0], problem, f"Remove {root / PINS}, and it is fetched again.") from error


def _ask(library: Any, name: str, revision: str) -> Any:
    """What the Hub says of a dataset at a revision: its commit, its card, its files with their hashes."""
    from huggingface_hub import HfApi

    client = HfApi(endpoint=library.config.HF_ENDPOINT)
    info = client.dataset_info(name, revision=revision or None, files_metadata=True)
    if not re.fullmatch("[0-9a-f]{40}", info.sha or ""):
        raise FetchError(f"hf/{name}: the Hub names no commit for {revision or 'main'}.", "Try again.")
    return info


def _verify(name: str, commit: str, files: Iterable[Any]) -> None:
    """Compare what lies in the client's cache with the hashes that the Hub names; the client itself does not.

    Raises:
        IntegrityError: a file is another one; it is removed, so that it is fetched anew.
    """
    from huggingface_hub import try_to_load_from_cache

    for file in files:
        found = try_to_load_from_cache(name, file.rfilename, revision=commit, repo_type="dataset")
        if not isinstance(found, str):
            continue  # not asked for
        path = Path(found)
        if file.lfs:
            is_whole = sha256_of(path) == file.lfs.sha256
        else:  # git's own
            head = f"blob {path.stat().st_size}\0".encode()
            is_whole = hashlib.sha1(head + path.read_bytes(), usedforsecurity=False).hexdigest() == file.blob_id
        if not is_whole:
            path.resolve().unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            raise IntegrityError(f"hf/{name}: {file.rfilename} did not arrive as the Hub has it.", "Fetch it again.")


def _library() -> Any:
    try:
        import datasets
    except ImportError as error:
        problem = "Datasets of the Hub need the library `datasets`, which is not installed."
        raise UsageError(problem, "Run `pip install 'zoo-hf[datasets]'`.") from error
    return datasets


@contextlib.contextmanager
def _errors(name: str) -> Iterator[None]:
    """What the library and the Hub's client raise, in one line."""
    try:
        yield
    except (FetchError, FileError, IntegrityError):
        raise
    except Exception as error:  # the client's HTTP errors, OSError, the library's own errors and ValueError
        remedy = "Check the name, `config=`, `revision=` and the network; a private one needs HF_TOKEN."
        raise FetchError(f"hf/{name} cannot be fetched: {describe_cause(error)}.", remedy) from error


@contextlib.contextmanager
def _bars(library: Any) -> Iterator[None]:
    """The library's bars go to a terminal or nowhere."""
    from huggingface_hub.utils.tqdm import disable_progress_bars, enable_progress_bars

    off = not sys.stderr.isatty() and not library.utils.are_progress_bars_disabled()
    try:
        if off:
            library.utils.disable_progress_bars()
            disable_progress_bars()
        yield
    finally:
        if off:
            library.utils.enable_progress_bars()
            enable_progress_bars()
