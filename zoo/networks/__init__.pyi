from .blocks import NodeProfile as NodeProfile, profile_nodes as profile_nodes
from .lookup import Backbone as Backbone, backbones as backbones, cuts as cuts, find_backbone as find_backbone
from .tracing import Trace as Trace, on_meta as on_meta, trace as trace
from .truncation import (
    SequentialFeatures as SequentialFeatures,
    describe_cut as describe_cut,
    find_cuts as find_cuts,
    freeze as freeze,
    split_after_pooling as split_after_pooling,
    to_feature_map as to_feature_map,
    truncate as truncate,
)
