"""How the quickstart's rates, and how much it retrains, were chosen: by log loss on one seed's validation pictures.

    python benchmarks/quickstart_rates.py

The same drawn pictures, epochs and sizes as `zoo quickstart` has; its test pictures are not scored.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from zoo_plankton import Plankton
from zoo_quickstart.comparison import COMPARED_NETWORKS, EPOCHS, PICTURES, ComparedNetwork, make_recipe

from zoo.data import open_dataset
from zoo.training import FeatureCachePool, train_recipe

LEARNT_RATES = (3e-5, 1e-4, 3e-4, 1e-3)  # of weights that know something
RANDOM_RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    options = {"kinds": "other", "pictures": PICTURES, "seed": seed}
    pool = FeatureCachePool(2)
    with tempfile.TemporaryDirectory() as place:
        root = Path(place, "plankton")
        Plankton(**options).prepare(root)
        data = open_dataset("plankton", root, options=options)
        print("| network | retrained | rate | log loss, validation | accuracy |\n|---|---|---:|---:|---:|")
        for network in COMPARED_NETWORKS:
            for retrain, rates in variants(network).items():
                for rate in rates:
                    recipe = make_recipe(
                        replace(network, rate=rate, retrain=retrain), data.root, options, seed=seed, epochs=EPOCHS
                    )
                    run = train_recipe(recipe, Path(place, f"{network.folder}-{retrain}-{rate:g}"), cache_pool=pool)
                    found = run.metrics["validation"]["classify"]
                    scores = f"{found['log_loss']:.3f} | {100 * found['accuracy']:.1f}%"
                    print(f"| {network.title} | {retrain} | {rate:g} | {scores} |", flush=True)


def variants(network: ComparedNetwork) -> dict[str, tuple[float, ...]]:
    """What may be retrained of it, and at which rates."""
    if network.retrain == "none":
        return {"none": (network.rate,)}
    if network.filters.is_random:
        return {"auto": RANDOM_RATES}
    return {"auto": LEARNT_RATES, "block4": LEARNT_RATES}


if __name__ == "__main__":
    main()
