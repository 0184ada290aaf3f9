"""A plugin-based model zoo of feature filters: truncate, fine-tune, share and fetch them by name.

    import zoo
    filters = zoo.load("vgg16-plankton")
    vectors = filters.embed("photos/").vectors

The public names are imported when they are first used, so that `import zoo` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "ZooError": "zoo.errors",
    "Dataset": "zoo.contracts",
    "Head": "zoo.contracts",
    "Backbones": "zoo.contracts",
    "Sample": "zoo.contracts",
    "Categories": "zoo.contracts",
    "Box": "zoo.contracts",
    "FeatureShape": "zoo.contracts",
    "Input": "zoo.contracts",
    "read_image": "zoo.images",
    "find_images": "zoo.images",
}

if TYPE_CHECKING:
    from zoo.contracts import Backbones, Box, Categories, Dataset, FeatureShape, Head, Input, Sample
    from zoo.errors import ZooError
    from zoo.images import find_images, read_image


__all__ = [
    "Backbones", "Box", "Categories", "Dataset", "FeatureShape", "Head", "Input", "Sample", "ZooError",
    "__version__", "find_images", "read_image",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*_PUBLIC, "__version__"])
