from .fetching import fetch as fetch
from .filters import Filters as Filters
from .filters import build_filters as build_filters
from .filters import embed as embed
from .filters import load as load
from .golden import (
    GOLDEN_FILE as GOLDEN_FILE,
)
from .golden import (
    check_golden as check_golden,
)
from .golden import (
    compute_golden_features as compute_golden_features,
)
from .loading import add_heads as add_heads
from .loading import load_model as load_model
from .meta_models import assign_tensors as assign_tensors
from .meta_models import find_required_backbone as find_required_backbone
from .model import (
    Cropper as Cropper,
)
from .model import (
    HeadSpec as HeadSpec,
)
from .model import (
    Model as Model,
)
from .model import (
    assemble as assemble,
)
from .model import (
    describe_head as describe_head,
)
from .queries import read_embeddings as read_embeddings
from .queries import similar as similar
