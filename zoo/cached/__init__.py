"""The caches on this disk: what of them is zoo's own, whether it is whole and right, and how it is taken away."""
