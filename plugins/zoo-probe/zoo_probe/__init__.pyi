from .candidates import CandidateScore as CandidateScore, ScoreDifference as ScoreDifference
from .evidence import logme as logme
from .plot import draw_probe as draw_probe
from .probing import Probe as Probe, choose_cut as choose_cut, probe as probe
from .ranking import RankedFilters as RankedFilters, Ranking as Ranking, rank as rank
from .rivals import HAND_FEATURES as HAND_FEATURES, hand_features as hand_features
