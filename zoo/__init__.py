"""A plugin-based model zoo of feature filters: truncate, fine-tune, share and fetch them by name.

    import zoo
    filters = zoo.load("vgg16-plankton")
    vectors = filters.embed("photos/").vectors

The public names are imported when they are first used, so that `import zoo` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

_PUBLIC = {
    "FileError": "zoo.errors",
    "UsageError": "zoo.errors",
    "ZooError": "zoo.errors",
    "Progress": "zoo.progress",
    "silent": "zoo.progress",
    "Backbones": "zoo.contracts",
    "Balancer": "zoo.contracts",
    "Box": "zoo.contracts",
    "Categories": "zoo.contracts",
    "Cut": "zoo.contracts",
    "Dataset": "zoo.contracts",
    "FeatureShape": "zoo.contracts",
    "Format": "zoo.contracts",
    "Head": "zoo.contracts",
    "Input": "zoo.contracts",
    "Multilabel": "zoo.contracts",
    "Number": "zoo.contracts",
    "PredictionTable": "zoo.contracts",
    "Sample": "zoo.contracts",
    "find_images": "zoo.data.image_files",
    "read_image": "zoo.images",
    "fetch": "zoo.fetching",
    "truncate": "zoo.truncation",
    "cuts": "zoo.families",
    "Filters": "zoo.filters",
    "load": "zoo.filters",
    "Model": "zoo.model",
    "assemble": "zoo.model",
    "load_model": "zoo.loading",
    "embed": "zoo.filters",
    "read_embeddings": "zoo.embedding",
    "similar": "zoo.embedding",
    "open_dataset": "zoo.data.datasets",
    "resume": "zoo.training.finetune",
    "train": "zoo.training.finetune",
    "open_run": "zoo.training.runs",
    "ablate": "zoo.evaluation.ablation",
    "predict": "zoo.evaluation.predictions",
    "probe": "zoo.probing.choice",
    "rank": "zoo.probing.ranking",
    "push": "zoo.pushing",
    "backbones": "zoo.families:list_backbones",
    "find": "zoo.registry:find_entry",
    "saliency": "zoo.looking.saliency:compare_saliency",
}

if TYPE_CHECKING:
    from zoo.contracts import (
        Backbones,
        Balancer,
        Box,
        Categories,
        Cut,
        Dataset,
        FeatureShape,
        Format,
        Head,
        Input,
        Multilabel,
        Number,
        PredictionTable,
        Sample,
    )
    from zoo.data.datasets import open_dataset
    from zoo.data.image_files import find_images
    from zoo.embedding import read_embeddings, similar
    from zoo.errors import FileError, UsageError, ZooError
    from zoo.evaluation.ablation import ablate
    from zoo.evaluation.predictions import predict
    from zoo.families import cuts
    from zoo.families import list_backbones as backbones
    from zoo.fetching import fetch
    from zoo.filters import Filters, embed, load
    from zoo.images import read_image
    from zoo.loading import load_model
    from zoo.looking.saliency import compare_saliency as saliency
    from zoo.model import Model, assemble
    from zoo.probing.choice import probe
    from zoo.probing.ranking import rank
    from zoo.progress import Progress, silent
    from zoo.pushing import push
    from zoo.registry import find_entry as find
    from zoo.training.finetune import resume, train
    from zoo.training.runs import open_run
    from zoo.truncation import truncate

__all__ = [
    "Backbones",
    "Balancer",
    "Box",
    "Categories",
    "Cut",
    "Dataset",
    "FeatureShape",
    "FileError",
    "Filters",
    "Format",
    "Head",
    "Input",
    "Model",
    "Multilabel",
    "Number",
    "PredictionTable",
    "Progress",
    "Sample",
    "UsageError",
    "ZooError",
    "__version__",
    "ablate",
    "assemble",
    "backbones",
    "cuts",
    "embed",
    "fetch",
    "find",
    "find_images",
    "load",
    "load_model",
    "open_dataset",
    "open_run",
    "predict",
    "probe",
    "push",
    "rank",
    "read_embeddings",
    "read_image",
    "resume",
    "saliency",
    "silent",
    "similar",
    "train",
    "truncate",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    value = getattr(import_module(module), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*_PUBLIC, "__version__"])
