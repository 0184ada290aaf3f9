from .actions import Action as Action
from .agreement import Agreement as Agreement, measure_agreement as measure_agreement
from .checking import Estimate as Estimate, estimate_rest as estimate_rest
from .clusters import find_clusters as find_clusters, standardise as standardise
from .head import FittedHead as FittedHead, fit_head as fit_head
from .journal import Journal as Journal
from .simulation import Simulation as Simulation, simulate as simulate, summarise as summarise
from .tables import import_csv as import_csv, write_csv as write_csv, write_format as write_format
