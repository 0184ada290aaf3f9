"""The plugins that come with the core: datasets, heads, backbones, balancers and formats.

They are announced through the same entry points as those of other packages.
"""
