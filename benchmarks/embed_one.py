"""One photograph's vector from the shell, whole processes: `zoo embed` beside a timm and a torchvision script.

A JPEG of 1280 x 720 pixels goes through VGG16 up to block3 at 224 pixels on the CPU, and a vector of 256 numbers is
written to a file. Ours reads published filters (block3's tensors, 7 MB) and verifies them; the scripts read the whole
checkpoint (553 MB, in the page cache), as they usually do; `timm_cut` reads block3's tensors alone.
"""

from __future__ import annotations

import os
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from common import PEERS, Promise, Table, describe_machine, interleave, median, parser, ratio, seconds_of, tell
from fixtures import publish_block3, write_checkpoints, write_photograph


def main() -> None:
    """Measure and tell."""
    arguments = parser(__doc__, rounds=7).parse_args()
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        env = {**os.environ, "ZOO_HOME": str(folder / "home"), "HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1"}
        os.environ.update(env)
        files = write_checkpoints(folder)
        filters = publish_block3(folder / "made", files["torchvision"])
        picture = str(write_photograph(folder / "photograph.jpg"))
        zoo = [str(Path(sys.executable).parent / "zoo"), "embed", picture, "--filters", str(filters)]
        commands = {"ours": [*zoo, "-o", str(folder / "ours.npy"), "--device", "cpu", "--overwrite"]}
        for name, file in files.items():
            script = str(PEERS / f"embed_{name}.py")
            commands[name] = [sys.executable, script, picture, str(file), str(folder / f"{name}.npy")]
        contenders = {name: partial(seconds_of, words, env=env) for name, words in commands.items()}
        runs = interleave(contenders, rounds=arguments.rounds)
        shapes = {name: "x".join(map(str, np.load(folder / f"{name}.npy").shape)) for name in commands}
    rows = [
        (name, median(seconds), min(seconds), ratio(seconds, runs["ours"]), shapes[name])
        for name, seconds in runs.items()
    ]
    table = Table(
        title="One picture's vector, whole process",
        columns=("", "median s", "fastest s", "peer / ours", "vectors"),
        rows=tuple(rows),
    )
    promises = [
        Promise(text=f"{name} over ours", wanted=2, measured=ratio(runs[name], runs["ours"]))
        for name in ("timm", "torchvision")
    ]
    tell([table], promises, machine=machine, raw=runs, path=arguments.json)


if __name__ == "__main__":
    main()
