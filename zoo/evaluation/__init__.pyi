from .ablation import ablate as ablate
from .ablation_report import (
    AblationReport as AblationReport,
)
from .ablation_report import (
    SplitMetrics as SplitMetrics,
)
from .ablation_report import (
    VariantMetrics as VariantMetrics,
)
from .formats import open_format as open_format
from .formatting import (
    capitalise as capitalise,
)
from .formatting import (
    format_p_equation as format_p_equation,
)
from .formatting import (
    format_seeds as format_seeds,
)
from .formatting import (
    format_split as format_split,
)
from .metrics import category_metrics as category_metrics
from .predictions import predict as predict
from .run_metrics import evaluate as evaluate
from .selection.candidates import CandidateScore as CandidateScore
from .selection.probing import Probe as Probe
from .selection.probing import probe as probe
from .selection.ranking import Ranking as Ranking
from .selection.ranking import rank as rank
from .statistics import FEWEST_PAIRS as FEWEST_PAIRS
from .statistics import PairedComparison as PairedComparison
