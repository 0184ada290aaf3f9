"""Are fine-tuned filters better than what they began as, on groups and on kinds that they never saw?

    python plugins/zoo-filters/recipes/hold_out.py DIR --kinds … --share 0.3 --out DIR     # as the recipe says
    python benchmarks/held_out.py vgg16-fish --data DIR --json docs/held-out.json

Both sets of filters, random filters, hand features and raw pixels are scored as `zoo rank` scores: the mean of k-NN and
LDA on pooled features, five folds, groups apart, each at its best cut, with the paired difference's 95% interval over
groups. The classifiers are fitted anew on held-out pictures only; the filters have seen none of them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from common import describe_machine
from zoo_probe import rank

import zoo

TABLES = {"new-groups.csv": "groups never seen", "new-kinds.csv": "kinds never seen"}


def judge(names: list[str], folder: Path, table: str, *, size: int, seed: int, device: str | None) -> dict[str, Any]:
    """Filters and their base on one table of `hold_out.py`, as JSON has it."""
    data = zoo.open_dataset("image-folder", folder, options={"labels": table})
    found = rank(data, names, size=size, seed=seed, device=device).as_dict()
    for place in found["places"]:
        place["filters"] = Path(place["filters"]).name  # a run's, without the folders above it
    return found


def rows(found: dict[str, Any]) -> list[str]:
    """Lines of a Markdown table: what, at which cut, its score and how far it lies behind the first."""
    lines = ["| features | cut | k-NN and LDA, mean | behind the first |", "|---|---|---:|---:|"]
    for place in found["places"]:
        low, high = (100 * value for value in place["interval"])
        gap = ""
        if place["behind"]:
            ends = [100 * value for value in place["behind"]["interval"]]
            gap = f"{100 * place['behind']['difference']:.1f} [{ends[0]:.1f}, {ends[1]:.1f}]"
        lines.append(
            f"| `{place['filters']}` | {place['cut']} | {100 * place['score']:.1f} [{low:.1f}, {high:.1f}] | {gap} |"
        )
    for one in found["floor"]:
        low, high = (100 * value for value in one["interval"])
        lines.append(f"| {one['title']} | | {100 * one['score']:.1f} [{low:.1f}, {high:.1f}] | |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", help="the fine-tuned filters, by name or folder")
    parser.add_argument("--base", default="vgg16-imagenet")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--size", type=int, default=96, help="pixels, for all (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device")
    parser.add_argument("--json", type=Path, required=True, help="what stands there of other filters stays")
    options = parser.parse_args()
    content = json.loads(options.json.read_text()) if options.json.is_file() else {}
    found = {}
    for table, title in TABLES.items():
        names = [options.base, options.name]
        one = judge(names, options.data, table, size=options.size, seed=options.seed, device=options.device)
        print(f"\n{title}: {one['pictures']} pictures, {one['classes']} kinds, {one['folds']}\n", flush=True)
        print("\n".join(rows(one)), flush=True)
        found[table] = one
    machine = describe_machine(device=options.device or "cpu")
    content[Path(options.name).name] = {"data": options.data.name, "machine": machine, "tables": found}
    options.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
