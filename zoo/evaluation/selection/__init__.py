"""Where to cut, and which filters to take: scored on a dataset without any training."""
