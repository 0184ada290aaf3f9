from .blocks import NodeProfile as NodeProfile
from .blocks import profile_nodes as profile_nodes
from .lookup import Backbone as Backbone
from .lookup import backbones as backbones
from .lookup import cuts as cuts
from .lookup import find_backbone as find_backbone
from .tracing import Trace as Trace
from .tracing import on_meta as on_meta
from .tracing import trace as trace
from .truncation import (
    SequentialFeatures as SequentialFeatures,
)
from .truncation import (
    describe_cut as describe_cut,
)
from .truncation import (
    find_cuts as find_cuts,
)
from .truncation import (
    freeze as freeze,
)
from .truncation import (
    split_after_pooling as split_after_pooling,
)
from .truncation import (
    to_feature_map as to_feature_map,
)
from .truncation import (
    truncate as truncate,
)
