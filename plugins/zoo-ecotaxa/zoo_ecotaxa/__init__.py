"""EcoTaxa: its exports as a dataset, predictions as a table that it imports."""

from zoo_ecotaxa.dataset import EcoTaxa
from zoo_ecotaxa.format import EcoTaxaTable

__all__ = ["EcoTaxa", "EcoTaxaTable"]
