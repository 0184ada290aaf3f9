"""config.json: what published filters are, how they came to be, and the hash of every file beside it."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    model_validator,
)

from zoo.errors import IntegrityError, ZooError, one_line
from zoo.files import parse_json
from zoo.store.source import MANIFEST_FILE as MANIFEST_FILE, RECORD_FILE as RECORD_FILE, check_file_name

MODEL_FILE = "model.safetensors"
HEADS_FILE = "heads.safetensors"
OWN_LOCATOR = "./locator"  # a folder inside the filters' own
LOCATOR_PATTERN = r"^((hf://|package:)[^\x00-\x20]{1,400}|\./locator)$"
NOTICE_FILE = "NOTICE"  # attributions that licences of weights and pictures ask to be kept
CARD_FILE = "README.md"  # people edit it on its page: on the Hub it may differ from what the manifest says
COPY_NOTE = "\n<!-- zoo copied these filters -->\nA copy, byte for byte, of `{}`.\n"  # behind a card
MANIFEST_LIMIT = 4 * 2**20  # bytes
MOST_DELIMITERS = 200_000  # commas and opening brackets, those in texts too: 100,000 classes are three quarters of it
MOST_VALUES = 10_000  # class names not counted; each one that is wrong costs a kilobyte until it is reported
LARGEST_SIDE = 4_096  # pixels
MANIFEST_FORMAT = 2
PLAIN_FORMAT = 1  # without a delta; what was published before there were any
TOO_MANY_VALUES = "holds more values than filters need."

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,95}$")]  # no path, as in a registry
Package = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?$")]  # for pip
Prose = Annotated[str, StringConstraints(max_length=10_000)]
Count = Annotated[int, Field(gt=0, lt=2**31)]
Colour = tuple[float, float, float]


_COPY_NOTE = re.compile(rb"%b\Z" % re.escape(COPY_NOTE).replace(r"\{\}", r"[^`\n]*").encode())


class _ManifestModel(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class CutEntry(_ManifestModel):
    """Where the backbone stops."""

    name: Text  # "block4"
    node: Text  # "features.22"
    channels: Count
    stride: Count  # input pixels per output cell
    layout: Literal["NCHW", "NHWC", "NLC"] = "NCHW"


class InputEntry(_ManifestModel):
    """The size and normalisation of the filters' input."""

    size: Annotated[int, Field(gt=0, le=LARGEST_SIDE)]  # pixels
    mean: Colour
    std: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]


class ShapeEntry(_ManifestModel):
    """The features of one picture, as a head is given them."""

    channels: Count
    height: Count
    width: Count


class TargetEntry(_ManifestModel):
    """What a head predicts: its kind, with the class names or the unit."""

    kind: Literal["categories", "box", "number", "multilabel"]
    names: Annotated[tuple[Text, ...], FailFast()] = ()
    unit: Prose = ""

    @model_validator(mode="after")
    def _names_where_needed(self) -> TargetEntry:
        if (self.kind in ("categories", "multilabel")) != bool(self.names):
            raise ValueError(f"a target of the kind {self.kind} with {len(self.names)} class names")
        return self


class SideNumber(_ManifestModel):
    """A number beside the features: a column of the pictures' table, `width` or `height`; log scale, standardised."""

    name: Text
    mean: float = 0.0
    std: Annotated[float, Field(gt=0)] = 1.0


class HeadEntry(_ManifestModel):
    """A published head."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,96}$")]  # "species", which its tensors begin with
    plugin: Text  # "classify", looked up among the installed plugins
    package: Package  # that brings it, "filterzoo"
    target_name: Text  # in the dataset
    target: TargetEntry
    options: dict[str, JsonValue] = {}
    weight: float = 1.0  # of its loss
    shape: ShapeEntry  # the numbers beside them included
    numbers: tuple[SideNumber, ...] = ()
    temperature: Annotated[float, Field(gt=0)] | None = None  # what its logits are divided by


class Lineage(_ManifestModel):
    """Where the filters come from."""

    base: Prose | None = None  # the filters that this one started from, as text
    base_manifest: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None
    base_license: Prose | None = None
    weights: Text = "random"  # "random", "imagenet hf://…", or a name
    dataset: Prose | None = None
    dataset_fingerprint: Prose | None = None
    dataset_license: Prose | None = None


class CropEntry(_ManifestModel):
    """How pictures are cropped before the heads."""

    locator: Annotated[str, StringConstraints(pattern=LOCATOR_PATTERN)] | None = None
    """The published filters that say where; None: the true boxes, which new pictures have not."""
    manifest: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None  # of the locator
    head: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,96}$")] | None = None  # of the locator
    margin: Annotated[float, Field(ge=0, le=2)] = 0.1  # on every side, a share of the box's longer one

    @model_validator(mode="after")
    def _whole(self) -> CropEntry:
        if len({self.locator is None, self.manifest is None, self.head is None}) > 1:
            raise ValueError("locator, manifest and head come together or not at all")
        return self


class DeltaEntry(_ManifestModel):
    """What `model.safetensors` is an update of, where it holds factors of weights and not weights.

    A weight is that of the base plus `lora_B @ lora_A`.
    """

    base: Annotated[str, StringConstraints(pattern=r"^(hf://|package:)[^\x00-\x20]{1,400}$")]  # at one commit
    tensors: dict[Text, Sha256]  # of the base's tensors, the bytes as its file has them


class FileEntry(_ManifestModel):
    """Another file of the folder."""

    size: Annotated[int, Field(ge=0, lt=2**63)]  # bytes
    sha256: Sha256


class Manifest(_ManifestModel):
    """All of `config.json`."""

    # A Literal would take `true` for 1.
    format_version: Annotated[int, Field(ge=PLAIN_FORMAT, le=MANIFEST_FORMAT)] = PLAIN_FORMAT
    library: Literal["zoo"] = "zoo"
    name: Name
    about: Prose = ""
    license: Prose = ""
    citation: Prose | None = None
    backbone: Text  # the full name, "torchvision/vgg16"
    backbone_package: Package  # that brings it
    cut: CutEntry
    input: InputEntry
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    heads: Annotated[tuple[HeadEntry, ...], FailFast()] = ()
    crop: CropEntry | None = None  # before the heads; features are of whole pictures
    lineage: Lineage = Lineage()
    delta: DeltaEntry | None = None  # format 2
    header_sha256: Sha256  # of the header of model.safetensors, its 8 length bytes included
    heads_header_sha256: Sha256 | None = None
    files: dict[str, FileEntry]  # by relative path: every file but this one
    created_with: dict[str, Prose] = {}  # package: version

    @model_validator(mode="after")
    def _whole(self) -> Manifest:
        for name in self.files:
            try:
                check_file_name(name, MANIFEST_FILE)
            except ZooError as error:
                raise ValueError(str(error)) from error
        folders = {name[: found.start()] for name in self.files for found in re.finditer("/", name)}
        faults = []
        if MANIFEST_FILE in self.files:
            faults.append(f"files names {MANIFEST_FILE} itself")
        if MODEL_FILE not in self.files:
            faults.append(f"files does not name {MODEL_FILE}")
        if folders & {MANIFEST_FILE, *self.files}:
            faults.append("a name in files is a file and a folder")
        if len({HEADS_FILE in self.files, self.heads_header_sha256 is not None, bool(self.heads)}) > 1:
            faults.append(f"heads, heads_header_sha256 and {HEADS_FILE} come together or not at all")
        if (self.delta is not None) != (self.format_version == MANIFEST_FORMAT):
            faults.append(f"a delta has the format {MANIFEST_FORMAT}, and all else {PLAIN_FORMAT}")
        if len({head.name for head in self.heads}) != len(self.heads):
            faults.append("two heads have one name")
        if faults:
            raise ValueError("; ".join(faults))
        return self


def read_manifest(raw: bytes, where: str) -> Manifest:
    """Read and check a `config.json`.

    What it holds is counted before and after it is parsed, so that a small hostile one does not grow large.

    Raises:
        IntegrityError: too large, no JSON, made by a newer zoo, or with fields that are wrong; all are named.
    """
    if len(raw) > MANIFEST_LIMIT:
        said = f"has {len(raw)} bytes, where {MANIFEST_LIMIT} are allowed."
        raise _refusal(where, said, "Do not use these files.")
    if raw.count(b",") + raw.count(b"{") + raw.count(b"[") > MOST_DELIMITERS:
        raise _refusal(where, TOO_MANY_VALUES, "Do not use these files.")
    try:
        said = parse_json(raw)
    except ValueError as error:
        raise _refusal(where, f"is no JSON ({_short(str(error))}).", "Fetch it again.") from error
    version = said.get("format_version") if isinstance(said, dict) else None
    if type(version) is int and version > MANIFEST_FORMAT:
        found = f"has the format {_short(str(version))}, made by a newer zoo."
        raise _refusal(where, found, "Run `pip install --upgrade filterzoo`.")
    if not isinstance(said, dict) or said.get("library") != "zoo":
        raise _refusal(where, "is not of filters that zoo has published.", "Name others: `zoo list`.")
    if _count_values(said) > MOST_VALUES:
        raise _refusal(where, TOO_MANY_VALUES, "Do not use these files.")
    try:
        return Manifest.model_validate_json(raw)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)
        faults = [_describe_fault(one["loc"], one["msg"]) for one in wrong]
        more = f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
        listed = f"is wrong: {'; '.join(faults[:5])}{more}."
        raise _refusal(where, listed, "Fetch it again, or tell its publisher.") from error


def bare_card(card: bytes) -> bytes:
    """A card as the manifest pins it, without the note that `zoo push` puts behind that of a copy."""
    return _COPY_NOTE.sub(b"", card)


def manifest_to_bytes(manifest: Manifest) -> bytes:
    """The manifest as `config.json` holds it; one manifest always gives the same bytes."""
    said = manifest.model_dump(mode="json")
    if manifest.delta is None:
        del said["delta"]  # as before there were any: who copies filters gets the same bytes
    for head in said["heads"]:
        if not head["numbers"]:
            del head["numbers"]
    for key in ("files", "created_with"):
        said[key] = dict(sorted(said[key].items()))
    return (json.dumps(said, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _count_values(said: Any) -> int:
    """How many values there are; class names, of which there may be many, are one."""
    total, waiting = 0, [said]
    while waiting:
        one = waiting.pop()
        total += 1
        if isinstance(one, dict):
            waiting += [value for key, value in one.items() if key != "names" or not _are_texts(value)]
        elif isinstance(one, list):
            waiting += one
    return total


def _are_texts(said: Any) -> bool:
    return isinstance(said, list) and all(isinstance(one, str) for one in said)


def _refusal(where: str, problem: str, remedy: str) -> IntegrityError:
    return IntegrityError(f"{where}: {MANIFEST_FILE} {problem}", remedy)


def _describe_fault(place: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    field = ".".join(str(part) for part in place)
    return _short(f"{field}: {message}" if field else message)


def _short(text: str) -> str:
    """One line without control characters, at most 300 characters."""
    line = one_line(" ".join(text[:1_000].split()))
    return line if len(line) <= 300 else f"{line[:140]} … {line[-140:]}"
