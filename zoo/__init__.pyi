__version__: str

from .contracts import (
    Backbones as Backbones,
    Balancer as Balancer,
    Box as Box,
    Categories as Categories,
    Cut as Cut,
    Dataset as Dataset,
    FeatureShape as FeatureShape,
    Format as Format,
    Head as Head,
    Input as Input,
    Multilabel as Multilabel,
    Number as Number,
    PredictionTable as PredictionTable,
    Sample as Sample,
    Target as Target,
)
from .data import find_images as find_images, open_dataset as open_dataset, read_image as read_image
from .embedding import pooled as pooled
from .errors import FileError as FileError, UsageError as UsageError, ZooError as ZooError
from .evaluation import predict as predict
from .models import (
    Filters as Filters,
    Model as Model,
    assemble as assemble,
    embed as embed,
    fetch as fetch,
    load as load,
    load_model as load_model,
    read_embeddings as read_embeddings,
    similar as similar,
)
from .networks import backbones as backbones, cuts as cuts, truncate as truncate
from .progress import Progress as Progress, silent as silent
from .publish import push as push
from .store import find as find
from .training import open_run as open_run, resume as resume, train as train
