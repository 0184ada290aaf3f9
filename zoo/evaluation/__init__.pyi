from .ablation import ablate as ablate
from .ablation_report import (
    AblationReport as AblationReport,
    SplitMetrics as SplitMetrics,
    VariantMetrics as VariantMetrics,
)
from .formats import for_spreadsheet as for_spreadsheet, open_format as open_format
from .formatting import (
    capitalise as capitalise,
    escape_markdown as escape_markdown,
    format_p_equation as format_p_equation,
    format_seeds as format_seeds,
    format_split as format_split,
    markdown_code as markdown_code,
)
from .metrics import category_metrics as category_metrics
from .predictions import predict as predict
from .run_metrics import evaluate as evaluate
from .selection.candidates import CandidateScore as CandidateScore
from .selection.probing import Probe as Probe, probe as probe
from .selection.ranking import Ranking as Ranking, rank as rank
from .statistics import FEWEST_PAIRS as FEWEST_PAIRS, PairedComparison as PairedComparison
