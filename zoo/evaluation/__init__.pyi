from .formats import for_spreadsheet as for_spreadsheet, open_format as open_format
from .metrics import category_metrics as category_metrics
from .predictions import predict as predict
from .run_metrics import evaluate as evaluate
from .selection.candidates import CandidateScore as CandidateScore
from .selection.probing import Probe as Probe, probe as probe
from .selection.ranking import Ranking as Ranking, rank as rank
from .selection.rivals import hand_features as hand_features
from .selection.summary import describe_leak as describe_leak
