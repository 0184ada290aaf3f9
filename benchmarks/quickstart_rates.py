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
from zoo_quickstart.comparison import COMPARED_NETWORKS, EPOCHS, PICTURES, make_recipe

from zoo.data import open_dataset
from zoo.training import FeatureCachePool, train_recipe

RATES = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
WIDTH = 5  # rates a network: the quickstart's own and two on either side


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
            frozen = network.retrain == "none"
            for retrain in ("none",) if frozen else ("auto", "block4") if not network.filters.is_random else ("auto",):
                for rate in (network.rate,) if frozen else tried_rates(network.rate):
                    recipe = make_recipe(
                        replace(network, rate=rate, retrain=retrain), data.root, options, seed=seed, epochs=EPOCHS
                    )
                    run = train_recipe(recipe, Path(place, f"{network.folder}-{retrain}-{rate:g}"), cache_pool=pool)
                    found = run.metrics["validation"]["classify"]
                    scores = f"{found['log_loss']:.3f} | {100 * found['accuracy']:.1f}%"
                    print(f"| {network.title} | {retrain} | {rate:g} | {scores} |", flush=True)


def tried_rates(chosen: float) -> tuple[float, ...]:
    """The rate that was chosen and its neighbours in the list."""
    at = RATES.index(chosen)
    return RATES[max(0, at - WIDTH // 2) : at + WIDTH // 2 + 1]


if __name__ == "__main__":
    main()
