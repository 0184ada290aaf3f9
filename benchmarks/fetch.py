"""Fetching block3 of a whole VGG16 checkpoint over a link of 100 Mbit/s: ours beside the Hub's own client.

The server is the one of our tests, on loopback and in a process of its own, with all its answers throttled together.
It writes down every request, so that bytes on the wire are counted where they are sent. Every run has an empty cache.
Then the whole file, broken off by SIGKILL half-way and begun again.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import PEERS, Promise, Table, describe_machine, interleave, median, parser, ratio, tell, told_by
from fixtures import write_checkpoints

SERVER = Path(__file__).parent.parent / "tests" / "hub_server.py"
REPO = "bench/vgg16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """The running server."""

    url: str
    log: Path

    def sent(self) -> tuple[int, int]:
        """Bytes of all bodies and the number of requests since the last call."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        self.log.write_text("")
        return sum(line["sent"] for line in lines), len(lines)


@contextlib.contextmanager
def serving(root: Path, rate: float) -> Iterator[Hub]:
    """The tests' Hub server, its bodies throttled to `rate` bytes a second."""
    log = root / "requests.jsonl"
    log.write_text("")
    command = [sys.executable, str(SERVER), str(root / "hub"), "--storage", "--rate", str(rate), "--log", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield Hub(url=server.stdout.readline().strip() if server.stdout else "", log=log)
        finally:
            server.terminate()


def environment(hub: Hub, place: Path) -> dict[str, str]:
    """An empty cache, and the server in the Hub's place."""
    return {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(place / "hf"), "ZOO_HOME": str(place / "zoo")}


def run_once(hub: Hub, script: str) -> dict[str, Any]:
    """One fetch in a fresh process with an empty cache."""
    hub.sent()
    with tempfile.TemporaryDirectory() as place:
        told = told_by([sys.executable, str(PEERS / script), REPO], env=environment(hub, Path(place)))
    sent, requests = hub.sent()
    return {**told, "bytes": sent, "requests": requests}


def run_broken_off(hub: Hub, script: str, size: int, rate: float) -> dict[str, Any]:
    """Killed when half the file has come, then begun again with the same cache."""
    hub.sent()
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        command = [sys.executable, str(PEERS / script), REPO]
        with subprocess.Popen(command, env=environment(hub, place), stdout=subprocess.DEVNULL) as first:
            while not any(part.stat().st_size for part in place.rglob("*.incomplete")):
                time.sleep(0.01)
            time.sleep(size / rate / 2)
            first.send_signal(signal.SIGKILL)
        time.sleep(0.5)
        told = told_by(command, env=environment(hub, place))
    sent, requests = hub.sent()
    return {**told, "bytes": sent, "requests": requests}


def main() -> None:
    """Measure and tell."""
    made = parser(__doc__, rounds=2)
    made.add_argument("--mbit", type=float, default=100, help="the link, Mbit/s (default %(default)s)")
    arguments = made.parse_args()
    machine, rate = describe_machine(), arguments.mbit * 1e6 / 8
    sys.path.insert(0, str(SERVER.parent))
    from hub_server import HubServer

    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        checkpoint = write_checkpoints(root)["torchvision"]
        HubServer(root / "hub").add_file(REPO, "model.safetensors", checkpoint)
        size = checkpoint.stat().st_size
        with serving(root, rate) as hub:
            runs = interleave(
                {
                    "zoo": lambda: run_once(hub, "fetch_ours.py"),
                    "hf_hub_download": lambda: run_once(hub, "fetch_hub.py"),
                },
                rounds=arguments.rounds,
                warm_up=0,
            )
            broken = interleave(
                {
                    "zoo": lambda: run_broken_off(hub, "whole_ours.py", size, rate),
                    "hf_hub_download": lambda: run_broken_off(hub, "whole_hub.py", size, rate),
                },
                rounds=1,
                warm_up=0,
            )
    seconds = {name: [run["seconds"] for run in found] for name, found in runs.items()}
    weights = runs["zoo"][0]["weights"]
    rows = tuple(
        (
            name,
            median(seconds[name]),
            f"{found[0]['bytes']:,}",
            found[0]["requests"],
            ratio(seconds[name], seconds["zoo"]),
        )
        for name, found in runs.items()
    )
    again = tuple(
        (name, found[0]["seconds"], f"{found[0]['bytes']:,}", found[0]["bytes"] / size)
        for name, found in broken.items()
    )
    tables = [
        Table(
            title=f"Block3, {weights:,} bytes of a checkpoint of {size:,}, at {arguments.mbit:g} Mbit/s",
            columns=("", "s", "bytes on the wire", "requests", "s / ours"),
            rows=rows,
        ),
        Table(
            title="The whole file, killed half-way and begun again",
            columns=("", "s of the second run", "bytes on the wire, both", "of the file's size"),
            rows=again,
        ),
    ]
    promises = [
        Promise(
            text="hf_hub_download over ours",
            wanted=50,
            measured=ratio(seconds["hf_hub_download"], seconds["zoo"]),
        ),
        Promise(
            text="bytes on the wire over the tensors' bytes",
            wanted=1.01,
            measured=max(run["bytes"] for run in runs["zoo"]) / weights,
            most=True,
        ),
    ]
    tell(tables, promises, machine=machine, raw={"block3": runs, "broken off": broken}, path=arguments.json)


if __name__ == "__main__":
    main()
