"""Do nets that also learn the box look at it more? The runs `with` and `without` of an ablation, seed by seed.

    python benchmarks/saliency.py ablations/fisheries-locate --out docs/back-pressure-saliency

The ablation must have been made with `--keep`, so that all weights are there. Prints a table; writes OUT.json, OUT.png.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import zoo
from zoo.evaluation.paired import Comparison, compare
from zoo.evaluation.wording import p_told, seeds_in_words


def main() -> None:
    """Compare, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ablation", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="without a suffix")
    parser.add_argument("--pictures", type=int, default=200, help="of the test split, the same for both runs of a seed")
    options = parser.parse_args()
    seeds = sorted(int(folder.name) for folder in (options.ablation / "with").iterdir() if folder.name.isdecimal())
    shares: dict[str, list[float]] = {"without": [], "with": []}
    points: dict[str, list[float]] = {"without": [], "with": []}
    even = []
    for seed in seeds:
        found = zoo.saliency([options.ablation / arm / str(seed) for arm in shares], pictures=options.pictures)
        even.append(found.even)
        for arm, look in zip(shares, found.looks, strict=True):
            if look.share is None or look.pointing is None:
                sys.exit(f"{look.folder}: every map is blank.")
            shares[arm].append(look.share.mean)
            points[arm].append(look.pointing.mean)
        print(f"seed {seed}: in the box {shares['without'][-1]:.3f} without, {shares['with'][-1]:.3f} with", flush=True)
    told = {"in the box": shares, "points into it": points}
    compared = {name: compare(both["with"], both["without"], better="higher") for name, both in told.items()}
    print(_table(told, compared, sum(even) / len(even)))
    content = {"seeds": seeds, "pictures": options.pictures, "even": even, "shares": shares, "points": points}
    options.out.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")
    pair = [str(options.ablation / arm / str(seeds[0])) for arm in shares]
    sheet = str(options.out.with_suffix(".png"))
    subprocess.run([sys.executable, "-m", "zoo", "saliency", *pair, "--show", "8", "-q", "-o", sheet], check=True)


def _table(told: dict[str, dict[str, list[float]]], compared: dict[str, Comparison], even: float) -> str:
    lines = ["| | without | with | difference [95% interval] | |", "|---|---:|---:|---:|---|"]
    for name, both in told.items():
        one = compared[name]
        between = "" if one.low is None or one.high is None else f" [{100 * one.low:.1f}, {100 * one.high:.1f}]"
        levels = " | ".join(f"{100 * sum(values) / len(values):.1f}%" for values in both.values())
        lines.append(f"| {name} | {levels} | {100 * one.difference:+.1f} points{between} | {p_told(one.p)} |")
    count = seeds_in_words(compared["in the box"].pairs)
    return "\n".join([*lines, "", f"{count}; an even map has {100 * even:.1f}% of its heat in the box."])


if __name__ == "__main__":
    main()
