from .comparison import (
    MeanEstimate as MeanEstimate,
)
from .comparison import (
    RunSaliency as RunSaliency,
)
from .comparison import (
    Saliency as Saliency,
)
from .comparison import (
    saliency as saliency,
)
from .plot import HeatColumn as HeatColumn
from .plot import HeatRow as HeatRow
from .plot import draw_saliency as draw_saliency
