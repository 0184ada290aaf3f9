"""Which pictures of a dataset a command takes: one of its splits, or those that filters were trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zoo.errors import UnknownNameError, ZooError
from zoo.files import parse_toml
from zoo.progress import Progress, silent

if TYPE_CHECKING:
    from zoo.data import OpenDataset
    from zoo.models import Filters

DRAWN = ("train", "val", "test")  # splits that every dataset has: drawn by the seed where it brings none


def choose_split(
    opened: OpenDataset,
    split: str | None,
    *,
    size: int,
    seed: int,
    skip_unreadable: bool = False,
    progress: Progress = silent,
) -> Sequence[int]:
    """The indices of a split's samples; a split that the dataset does not have is drawn as `zoo train` draws it.

    Args:
        opened: the dataset.
        split: one of its own, `train`, `val`, `test`, or `all`; None: all.
        size: of the decoded pictures, in pixels, where a split has to be drawn.
        seed: of a split that is drawn.
        skip_unreadable: leave pictures that cannot be read out of a split that is drawn, instead of stopping.
        progress: called with how far the decoding is.

    Raises:
        UnknownNameError: it has no such split.
        ZooError: a split has to be drawn, and a picture cannot be read.
    """
    own = opened.dataset.splits
    if split is not None and split in own:
        return own[split]
    if split is None or split == "all":
        return range(len(opened.dataset))
    if split not in DRAWN:
        raise UnknownNameError(f"split of {opened.name!r}", split, {*own, *DRAWN, "all"})
    decoded = opened.decode(size, skip_unreadable=skip_unreadable, progress=progress)
    indices: list[int] = decoded.index[getattr(opened.split(decoded, seed=seed), split)].tolist()
    return indices


def find_own_dataset(filters: Filters) -> tuple[str, dict[str, Any]] | str:
    """The dataset that filters were trained on with its options, where it draws its pictures; else a line why not."""
    from zoo.data import find_dataset

    manifest = filters.manifest
    name = manifest.lineage.dataset if manifest else None
    if not manifest or not filters.published or not name:
        return f"{filters.name} does not say what it was trained on."
    try:
        raw = filters.published.read_file("recipe.toml", limit=2**20)
        data = parse_toml(raw.decode())["data"] if raw is not None else {}
        plugin = str(data.get("dataset", name))  # where the lineage has the title of a user's own pictures
        factory = find_dataset(plugin)[1]
        if factory.needs_folder:
            return f"The dataset {name!r} of {filters.name} draws no pictures of its own."
        return plugin, dict(data.get("options", {}))
    except ZooError as error:
        return f"The pictures of {filters.name} cannot be had: {error}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"The recipe of {filters.name} cannot be read."
