"""What the benchmarks share: interleaved runs, medians, the machine, tables.

Contenders take turns, and the order turns from round to round, so that a noisy minute harms all of them alike.
A claim is a ratio taken in one run on one machine; the absolute figures are there to make sense of it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

PACKAGES = ("filterzoo", "torch", "torchvision", "timm", "huggingface-hub", "click", "pillow")
PEERS = Path(__file__).parent / "peers"
CPU = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Some rows under headings, and what they are."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What is promised, what was measured, and whether it holds."""

    text: str  # "times faster than `hf --help`, at least"
    wanted: float
    measured: float
    most: bool = False  # True: `wanted` is the most that is allowed; False: the least

    @property
    def kept(self) -> bool:
        """Whether it held in this run."""
        return self.measured <= self.wanted if self.most else self.measured >= self.wanted


# ------------------------------------------------------------------------------------------------ measuring


def interleave(contenders: Mapping[str, Callable[[], T]], *, rounds: int, warm_up: int = 1) -> dict[str, list[T]]:
    """Run every contender once a round, each round in another order; the warm-up rounds are thrown away.

    Args:
        contenders: by name.
        rounds: that count.
        warm_up: rounds before them, which fill the page cache and write the bytecode.

    Returns:
        What each contender gave, a value a round.
    """
    names = list(contenders)
    results: dict[str, list[T]] = {name: [] for name in names}
    for number in range(-warm_up, rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            _show(f"round {number + 1}/{rounds}: {name}")
            result = contenders[name]()
            if number >= 0:
                results[name].append(result)
    _show("")
    return results


def _show(text: str) -> None:
    """A line on stderr that the next one overwrites; nothing where stderr is no terminal."""
    if sys.stderr.isatty():
        print(f"\r{text:<70}\r{text}", end="", file=sys.stderr, flush=True)


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def ratio(peer: Sequence[float], ours: Sequence[float]) -> float:
    """The peer's median over ours: how many times faster (or smaller) we are."""
    return median(peer) / max(median(ours), 1e-12)


def seconds_of(command: Sequence[str], *, env: Mapping[str, str] | None = None) -> float:
    """Whole wall seconds of a program, its start included. Raises SystemExit with its stderr where it fails."""
    begun = time.perf_counter()
    done = subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    taken = time.perf_counter() - begun
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return taken


def told_by(command: Sequence[str], *, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What a program says on its last line of stdout, JSON. Raises SystemExit with its stderr where it fails."""
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


# ------------------------------------------------------------------------------------------------ saying


def describe_machine(*, device: str = "cpu") -> dict[str, str]:
    """The processor (or GPU), cores, load, and the versions that figures depend on."""
    lines = CPU.read_text().splitlines() if CPU.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    facts = {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "cores": str(cores),
        "threads": os.environ.get("OMP_NUM_THREADS", "as torch chooses"),
        "load": f"{os.getloadavg()[0]:.1f} when begun",
        "python": platform.python_version(),
    }
    if device.startswith("cuda"):
        import torch

        facts["gpu"] = torch.cuda.get_device_name(device)
    for package in PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    return facts


def parser(text: str | None, *, rounds: int) -> argparse.ArgumentParser:
    """The arguments that every benchmark has."""
    made = argparse.ArgumentParser(description=(text or "").splitlines()[0])
    made.add_argument("--json", type=Path, metavar="FILE", help="also write everything as JSON")
    made.add_argument("--rounds", type=int, default=rounds, help="interleaved runs that count (default %(default)s)")
    return made


def tell(
    tables: Sequence[Table],
    promises: Sequence[Promise],
    *,
    machine: Mapping[str, str],
    raw: Mapping[str, Any],
    path: Path | None,
) -> None:
    """Print the machine, the tables and the promises; write all of it, with every single run, as JSON where asked."""
    print("  ".join(f"{key} {value}" if key != "processor" else value for key, value in machine.items()))
    for table in tables:
        print(f"\n{table.title}")
        for line in _aligned(table):
            print(f"  {line}")
    if promises:
        print("\nPromised")
    for promise in promises:
        word = "kept" if promise.kept else "MISSED"
        bound = "at most" if promise.most else "at least"
        print(f"  {word:<6}  {promise.text}: {promise.measured:.3g} ({bound} {promise.wanted:g})")
    if path:
        kept = [{**asdict(promise), "kept": promise.kept} for promise in promises]
        content = {"machine": machine, "tables": [asdict(one) for one in tables], "promises": kept, "runs": raw}
        path.write_text(json.dumps(content, indent=1) + "\n")


def _aligned(table: Table) -> list[str]:
    cells = [table.columns, *[tuple(map(_text, row)) for row in table.rows]]
    widths = [max(len(line[column]) for line in cells) for column in range(len(table.columns))]
    return [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]


def _text(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
