"""Which pictures filters learn from, and which they never see: whole groups and whole kinds are held out.

    python plugins/zoo-filters/recipes/hold_out.py DIR --kinds Spiral Limacina --share 0.3 --out tables/

DIR holds pictures and groups.csv (image,label,group). Three tables of the same form are written, with paths relative
to DIR, for `zoo train image-folder --data DIR --set labels=TABLE`:

    learn.csv        to learn from: the kinds that are kept; the held-out groups are its split `test`
    new-groups.csv   the kept kinds, from held-out groups alone
    new-kinds.csv    the held-out kinds, from all groups: filters that learnt from learn.csv have seen none of them
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
from pathlib import Path

COLUMNS = ("image", "label", "group")


def hold_out(rows: list[dict[str, str]], kinds: set[str], share: float, seed: int) -> dict[str, list[dict[str, str]]]:
    """The three tables.

    Args:
        rows: with `image`, `label` and `group`.
        kinds: that are held out whole.
        share: of the groups that are held out, 0 to 1; drawn by the seed from their sorted names.

    Raises:
        ValueError: a kind that is in no row.
    """
    if unknown := kinds - {row["label"] for row in rows}:
        raise ValueError(f"no picture is called {', '.join(sorted(unknown))}")
    groups = sorted({row["group"] for row in rows})
    held = set(random.Random(seed).sample(groups, round(share * len(groups))))
    kept = [row for row in rows if row["label"] not in kinds]
    return {
        "learn.csv": [row | {"split": "test" if row["group"] in held else "train"} for row in kept],
        "new-groups.csv": [row for row in kept if row["group"] in held],
        "new-kinds.csv": [row for row in rows if row["label"] in kinds],
    }


def main(arguments: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kinds", nargs="+", required=True, help="held out whole")
    parser.add_argument("--share", type=float, default=0.3, help="of the groups, held out (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="the folder of the tables")
    options = parser.parse_args(arguments)
    with (options.folder / "groups.csv").open(newline="") as file:
        rows = [{name: row[name] for name in COLUMNS} for row in csv.DictReader(file)]
    try:
        tables = hold_out(rows, set(options.kinds), options.share, options.seed)
    except ValueError as error:
        print(f"{error}; check --kinds.", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    for name, found in tables.items():
        with (options.out / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(found[0]))
            writer.writeheader()
            writer.writerows(found)
        groups = {row["group"] for row in found}
        kinds = {row["label"] for row in found}
        print(f"{options.out / name}: {len(found)} pictures, {len(kinds)} kinds, {len(groups)} groups")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
