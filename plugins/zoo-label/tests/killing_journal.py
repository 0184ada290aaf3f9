"""A process that names pictures until it is killed, and writes a line for each name that was acknowledged.

python killing_journal.py JOURNAL ACKNOWLEDGED WINDOW
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from zoo_label.actions import Action
from zoo_label.journal import Journal

PICTURES = 50


def name_until_killed(path: Path, acknowledged: Path, window: str) -> None:
    """Never returns."""
    journal = Journal(path)
    line = os.open(acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    turn = len(journal.actions)
    while True:
        turn += 1
        key = f"{window}-{os.getpid()}-{turn}"
        action = Action(verb="label", person=window, window=window, pictures=(turn % PICTURES,), name=key, key=key)
        journal.append(action)
        os.write(line, f"{key}\n".encode())


if __name__ == "__main__":
    name_until_killed(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
