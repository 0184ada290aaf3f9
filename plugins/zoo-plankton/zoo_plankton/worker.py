"""`python -m zoo_plankton.worker ROOT KINDS PICTURES SEED SHARE SHARES`: draw one share of a set (see `drawn.py`)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

from zoo_plankton.drawn import KindSet, Options, draw_share


def main(words: list[str]) -> None:
    """Draw; write one byte to standard output a picture."""
    root, kinds = words[:2]
    pictures, seed, share, shares = map(int, words[2:])
    options = Options(kinds=cast(KindSet, kinds), pictures=pictures, seed=seed)
    for _ in draw_share(Path(root), options, share, shares):
        sys.stdout.buffer.write(b".")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
