"""Where to chop, and which filters to take: cuts and filters scored on a dataset without any training."""
