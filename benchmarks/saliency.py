"""Does the saliency of networks that also learn the box lie in it more? `with` and `without` of an ablation.

    python benchmarks/saliency.py ablations/fisheries-locate --out docs/back-pressure-saliency

The ablation must have been made with `--keep`, so that all weights are there. Prints a table; writes OUT.json, OUT.png.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from zoo_ablation import PairedComparison, compare_paired, format_p_equation, format_seeds
from zoo_saliency import saliency


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
        found = saliency([options.ablation / variant / str(seed) for variant in shares], pictures=options.pictures)
        even.append(found.even)
        for variant, result in zip(shares, found.results, strict=True):
            if result.share is None or result.pointing is None:
                sys.exit(f"{result.folder}: every map is blank.")
            shares[variant].append(result.share.mean)
            points[variant].append(result.pointing.mean)
        print(f"seed {seed}: in the box {shares['without'][-1]:.3f} without, {shares['with'][-1]:.3f} with", flush=True)
    told = {"in the box": shares, "points into it": points}
    compared = {name: compare_paired(both["with"], both["without"], better="higher") for name, both in told.items()}
    print(_table(told, compared, sum(even) / len(even)))
    content = {"seeds": seeds, "pictures": options.pictures, "even": even, "shares": shares, "points": points}
    options.out.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")
    pair = [str(options.ablation / variant / str(seeds[0])) for variant in shares]
    sheet = str(options.out.with_suffix(".png"))
    subprocess.run([sys.executable, "-m", "zoo", "saliency", *pair, "--show", "8", "-q", "-o", sheet], check=True)


def _table(told: dict[str, dict[str, list[float]]], compared: dict[str, PairedComparison], even: float) -> str:
    lines = ["| | without | with | difference [95% interval] | |", "|---|---:|---:|---:|---|"]
    for name, both in told.items():
        one = compared[name]
        between = "" if one.low is None or one.high is None else f" [{100 * one.low:.1f}, {100 * one.high:.1f}]"
        levels = " | ".join(f"{100 * sum(values) / len(values):.1f}%" for values in both.values())
        lines.append(
            f"| {name} | {levels} | {100 * one.difference:+.1f} points{between} | {format_p_equation(one.p)} |"
        )
    count = format_seeds(compared["in the box"].pairs)
    return "\n".join([*lines, "", f"{count}; an even map has {100 * even:.1f}% of its heat in the box."])


if __name__ == "__main__":
    main()
