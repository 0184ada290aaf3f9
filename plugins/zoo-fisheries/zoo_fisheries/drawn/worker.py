"""`python -m zoo_fisheries.drawn.worker ROOT OPTIONS SHARE SHARES`: draw one share of a set (see `making.py`)."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from zoo_fisheries.drawn.making import draw_share
from zoo_fisheries.drawn.plan import Options


def main(words: list[str]) -> None:
    """Draw; write a line a picture to standard output: its number, and its box where it has one."""
    root, options = Path(words[0]), Options(**json.loads(words[1]))
    for number, box in draw_share(root, options, int(words[2]), int(words[3])):
        line = " ".join(map(str, (number, *(box or ()))))
        os.write(sys.stdout.fileno(), f"{line}\n".encode())  # one call: lines of several processes do not mix


if __name__ == "__main__":
    main(sys.argv[1:])
