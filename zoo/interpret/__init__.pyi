from .activations import LayerActivations as LayerActivations, compute_activations as compute_activations
from .colours import Palette as Palette
from .drift import Drift as Drift, measure_drift as measure_drift
from .feature_visualisation import (
    STEPS as STEPS,
    FeatureVisualisations as FeatureVisualisations,
    visualise_channels as visualise_channels,
)
from .layers import Layer as Layer, find_layers as find_layers
from .noise import draw_noise as draw_noise
from .patches import TopPatches as TopPatches, find_top_patches as find_top_patches
