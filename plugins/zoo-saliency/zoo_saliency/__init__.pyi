from .comparison import (
    MeanEstimate as MeanEstimate,
    RunSaliency as RunSaliency,
    Saliency as Saliency,
    saliency as saliency,
)
from .plot import HeatColumn as HeatColumn, HeatRow as HeatRow, draw_saliency as draw_saliency
