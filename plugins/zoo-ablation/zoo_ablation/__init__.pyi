from .ablation import ablate as ablate
from .formatting import format_p_equation as format_p_equation, format_seeds as format_seeds
from .plot import draw_ablation as draw_ablation
from .report import AblationReport as AblationReport, SplitMetrics as SplitMetrics, VariantMetrics as VariantMetrics
from .statistics import PairedComparison as PairedComparison, compare_paired as compare_paired
