"""Datasets of the Hugging Face Hub: `hf/OWNER/NAME`, through the library `datasets`."""

from zoo_hf.dataset import HubDataset

__all__ = ["HubDataset"]
