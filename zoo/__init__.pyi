__version__: str

from .contracts import (
    Backbones as Backbones,
)
from .contracts import (
    Balancer as Balancer,
)
from .contracts import (
    Box as Box,
)
from .contracts import (
    Categories as Categories,
)
from .contracts import (
    Cut as Cut,
)
from .contracts import (
    Dataset as Dataset,
)
from .contracts import (
    FeatureShape as FeatureShape,
)
from .contracts import (
    Format as Format,
)
from .contracts import (
    Head as Head,
)
from .contracts import (
    Input as Input,
)
from .contracts import (
    Multilabel as Multilabel,
)
from .contracts import (
    Number as Number,
)
from .contracts import (
    PredictionTable as PredictionTable,
)
from .contracts import (
    Sample as Sample,
)
from .data import find_images as find_images
from .data import open_dataset as open_dataset
from .data import read_image as read_image
from .errors import FileError as FileError
from .errors import UsageError as UsageError
from .errors import ZooError as ZooError
from .evaluation import ablate as ablate
from .evaluation import predict as predict
from .evaluation import probe as probe
from .evaluation import rank as rank
from .models import (
    Filters as Filters,
)
from .models import (
    Model as Model,
)
from .models import (
    assemble as assemble,
)
from .models import (
    embed as embed,
)
from .models import (
    fetch as fetch,
)
from .models import (
    load as load,
)
from .models import (
    load_model as load_model,
)
from .models import (
    read_embeddings as read_embeddings,
)
from .models import (
    similar as similar,
)
from .networks import backbones as backbones
from .networks import cuts as cuts
from .networks import truncate as truncate
from .progress import Progress as Progress
from .progress import silent as silent
from .publish import push as push
from .saliency import saliency as saliency
from .store import find as find
from .training import open_run as open_run
from .training import resume as resume
from .training import train as train
