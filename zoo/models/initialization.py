"""A checkpoint and a truncated backbone: which names agree, what is taken, what is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from zoo.errors import IntegrityError
from zoo.models.checkpoint import Checkpoint, list_some, open_checkpoint
from zoo.networks import Backbone
from zoo.progress import Progress, silent
from zoo.store import warn_if_not_finite

FLOATS = ("F8_E4M3", "F8_E5M2", "F16", "BF16", "F32", "F64")
BATCH_COUNTER = "num_batches_tracked"  # a buffer of batch norms; older checkpoints lack it


@dataclass(frozen=True, slots=True, kw_only=True)
class Initialization:
    """What a truncated backbone was initialised with."""

    text: str  # the source that names it, at its commit: "hf://owner/name@<commit>"
    used: int  # tensors
    tensors: int  # that the checkpoint has
    left_out: tuple[str, ...]  # their names in the checkpoint
    prefix: str  # that stood before the backbone's names, "module."
    read: int  # bytes of the tensors used
    size: int  # bytes of the checkpoint's files

    def __str__(self) -> str:
        """`14 of 32 tensors used; left out: classifier.* (6), features.* (12); 6.9 of 553.4 MB read`."""
        groups = Counter(name.removeprefix(self.prefix).partition(".")[0] for name in self.left_out)
        listed = [f"{group}.* ({count})" for group, count in sorted(groups.items())]
        facts = [
            f"{self.used} of {self.tensors} tensors used",
            f"left out: {list_some(listed)}" if listed else "",
            f"the prefix {self.prefix!r} was taken off" if self.prefix else "",
            f"{self.read / 1e6:.1f} of {self.size / 1e6:.1f} MB read",
        ]
        return "; ".join(fact for fact in facts if fact)


def read_initial_weights(
    backbone: Backbone, weights: str, module: nn.Module, *, progress: Progress = silent, **where: Any
) -> tuple[Initialization, dict[str, Tensor]]:
    """Read what a truncated backbone needs of a checkpoint.

    Args:
        backbone: whose tags are used, and which is named in messages.
        weights: a tag, a file, a folder or an `hf://` source, as `zoo.models.checkpoint` says.
        module: the truncated network; parameters on the meta device will do.
        progress: called with the bytes so far.
        where: `token`, `cache_dir`, `offline`, as `open_artifact` takes them.

    Returns:
        What was done, and the tensors under the module's own names, with the file's dtypes.

    Raises:
        UsageError: the text names nothing that weights could be, or several files.
        IntegrityError: the names or the shapes do not agree, or the file is damaged.
        FetchError, FileError: it cannot be reached, or read.
    """
    checkpoint = open_checkpoint(weights, tags=backbone.factory.weights(backbone.name), of=backbone.full_name, **where)
    wanted = module.state_dict()
    prefix = _find_prefix(checkpoint, wanted, backbone)
    pairs = {prefix + name: name for name in wanted if prefix + name in checkpoint.tensors}
    _check_shapes(checkpoint, {theirs: wanted[ours] for theirs, ours in pairs.items()}, backbone)
    tensors = checkpoint.read(list(pairs), progress=progress)
    warn_if_not_finite(tensors, checkpoint.text)
    start = Initialization(
        text=checkpoint.text,
        used=len(pairs),
        tensors=len(checkpoint.tensors),
        left_out=tuple(name for name in checkpoint.tensors if name not in pairs),
        prefix=prefix,
        read=sum(checkpoint.tensors[name].end - checkpoint.tensors[name].start for name in pairs),
        size=checkpoint.size,
    )
    return start, {pairs[name]: tensor for name, tensor in tensors.items()}


def _find_prefix(checkpoint: Checkpoint, wanted: Iterable[str], backbone: Backbone) -> str:
    """What stands before all of the backbone's names in the checkpoint: mostly nothing, or `module.`.

    Raises:
        IntegrityError: no such prefix, or several.
    """
    needed = {name for name in wanted if not name.endswith(BATCH_COUNTER)}
    agreeing = _count_prefixes(checkpoint.tensors, needed)
    whole = [prefix for prefix, count in agreeing.items() if count == len(needed)]
    if not needed or "" in whole:
        return ""
    if len(whole) == 1:
        return whole[0]
    if whole:
        raise IntegrityError(
            f"{checkpoint.text} holds {backbone.full_name} {len(whole)} times, under the prefixes {list_some(whole)}.",
            "Save the one that you want into a file of its own, and name that with `weights=FILE`.",
        )
    prefix = max(agreeing, key=lambda one: agreeing[one], default="")
    missing = [prefix + name for name in wanted if name in needed and prefix + name not in checkpoint.tensors]
    used = {prefix + name for name in needed}
    left_over = [name for name in checkpoint.tensors if name not in used]
    near = _find_nearest_backbone(checkpoint, backbone)
    raise IntegrityError(
        f"{checkpoint.text} does not fit {backbone.full_name}: {agreeing[prefix]} of {len(needed)} names agree "
        f"(missing: {list_some(missing)}; left over: {list_some(left_over) or 'none'}).",
        f"They agree best with `backbone={near!r}`." if near else "Check the backbone and the cut.",
    )


def _count_prefixes(names: Iterable[str], wanted: Collection[str]) -> Counter[str]:
    """How many of the wanted names stand behind each prefix that ends with a dot, or behind nothing."""
    found: Counter[str] = Counter()
    for name in names:
        for at in _after_dots(name):
            if name[at:] in wanted:
                found[name[:at]] += 1
    return found


def _after_dots(name: str) -> Iterator[int]:
    at = 0
    while True:
        yield at
        at = name.find(".", at) + 1
        if not at:
            return


def _find_nearest_backbone(checkpoint: Checkpoint, backbone: Backbone) -> str | None:
    """The largest of the family that fits; only those are tried that know their cuts without being traced."""
    best, most = None, 0
    for name in backbone.factory.names():
        cuts = backbone.factory.cuts(name)
        if cuts is None:
            continue
        meta_tensors = replace(backbone, name=name).truncated(cuts[-1], fresh=False).state_dict()
        shapes = {key: tuple(tensor.shape) for key, tensor in meta_tensors.items() if not key.endswith(BATCH_COUNTER)}
        for prefix, count in _count_prefixes(checkpoint.tensors, shapes).items():
            whole = count == len(shapes) > most
            if whole and all(checkpoint.tensors[prefix + key].shape == shape for key, shape in shapes.items()):
                best, most = name, count
    return best


def _check_shapes(checkpoint: Checkpoint, wanted: Mapping[str, Tensor], backbone: Backbone) -> None:
    faults = []
    for name, tensor in wanted.items():
        entry = checkpoint.tensors[name]
        if entry.shape != tuple(tensor.shape):
            faults.append(f"{name} is {list(entry.shape)} and should be {list(tensor.shape)}")
        elif (entry.dtype in FLOATS) != tensor.is_floating_point():
            faults.append(
                f"{name} is {entry.dtype} and should be {'a float' if tensor.is_floating_point() else 'whole'}"
            )
    if faults:
        raise IntegrityError(
            f"{checkpoint.text} does not fit {backbone.full_name}: {list_some(faults)}.",
            "Check the backbone and the cut.",
        )
