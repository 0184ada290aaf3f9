from .activations import LayerActivations as LayerActivations
from .activations import compute_activations as compute_activations
from .colours import Palette as Palette
from .drift import Drift as Drift
from .drift import measure_drift as measure_drift
from .feature_visualisation import (
    STEPS as STEPS,
)
from .feature_visualisation import (
    FeatureVisualisations as FeatureVisualisations,
)
from .feature_visualisation import (
    visualise_channels as visualise_channels,
)
from .layers import Layer as Layer
from .layers import find_layers as find_layers
from .noise import draw_noise as draw_noise
from .patches import TopPatches as TopPatches
from .patches import find_top_patches as find_top_patches
