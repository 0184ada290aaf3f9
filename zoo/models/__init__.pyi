from .building import build_filters as build_filters
from .deltas import hash_tensors as hash_tensors
from .fetching import fetch as fetch
from .filters import Filters as Filters, as_filters as as_filters, embed as embed, load as load
from .golden import (
    GOLDEN_FILE as GOLDEN_FILE,
    check_golden as check_golden,
    compute_golden_features as compute_golden_features,
)
from .initialization import read_initial_weights as read_initial_weights
from .loading import add_heads as add_heads, keep_heads as keep_heads, load_model as load_model
from .low_rank import (
    add_updates as add_updates,
    base_state as base_state,
    factors_of as factors_of,
    linear_weights as linear_weights,
    merge_factors as merge_factors,
    merge_updates as merge_updates,
    restore_factors as restore_factors,
)
from .meta_models import assign_tensors as assign_tensors, find_required_backbone as find_required_backbone
from .model import (
    Cropper as Cropper,
    HeadSpec as HeadSpec,
    Model as Model,
    assemble as assemble,
    describe_head as describe_head,
    find_heads as find_heads,
    pick_head as pick_head,
)
from .queries import read_embeddings as read_embeddings, similar as similar
from .side_numbers import fit_side_numbers as fit_side_numbers, join_side_maps as join_side_maps
