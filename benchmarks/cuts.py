"""Experiment E2: is the cut that `zoo probe` recommends as good as the best cut after true fine-tuning of every cut?

    python benchmarks/cuts.py --seeds 3 --epochs 15 --json docs/choosing-a-cut.json --page docs/choosing-a-cut.md

Every cut is fine-tuned on the same pictures, seed after seed, for a fixed number of epochs, the best of which is kept;
the test pictures are never seen by the probe. A cut is within one standard error of the best where the mean accuracy
over the seeds is below the best's by no more than the standard error of that difference, over the test pictures (each
picture's share of right answers over the seeds, in pairs). With --weights FILE VGG16's five blocks are tried too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import zoo
from zoo.data.datasets import OpenDataset
from zoo.devices import describe_device, pick_device, pick_precision
from zoo.evaluation.selection.intervals import standard_error
from zoo.evaluation.selection.probing import Probe
from zoo.training.finetune import train_recipe
from zoo.training.inputs import Arithmetic
from zoo.training.recipe import DataPart, FiltersPart, Recipe, TrainingPart
from zoo.training.runs import Run
from zoo.training.scoring import model_outputs

FILTERS = "vgg16-plankton"
SIDE = 64
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A dataset and what is cut for it."""

    title: str
    dataset: str
    options: dict[str, object]
    weights: str | None = None  # None: the filters vgg16-plankton; else VGG16 with these weights

    def filters(self, cut: str) -> FiltersPart:
        if self.weights is None:
            return FiltersPart(name=FILTERS, cut=cut)
        return FiltersPart(backbone="vgg16", weights=self.weights, cut=cut)

    def probe(self, data: OpenDataset, seed: int, **how: Any) -> Probe:
        what: dict[str, Any] = {"filters": FILTERS}
        if self.weights is not None:
            what = {"backbone": "vgg16", "weights": self.weights}
        return zoo.probe(data, size=SIDE, seed=seed, **what, **how)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutFigures:
    """One cut: what the probe says, and what fine-tuning gives."""

    cut: str
    score: float
    low: float
    high: float
    knn: float
    lda: float
    logme: float
    gflop: float
    accuracy: list[float]  # on the test pictures, a value a seed
    below: float  # the best's mean accuracy less this one's
    error: float  # the standard error of that difference, over the test pictures
    seconds: list[float]  # of fine-tuning, a value a seed

    @property
    def mean(self) -> float:
        return float(np.mean(self.accuracy))

    @property
    def over_seeds(self) -> float:
        """The standard error of the mean over the seeds."""
        count = len(self.accuracy)
        return float(np.std(self.accuracy, ddof=1) / count**0.5) if count > 1 else 0.0

    @property
    def within(self) -> bool:
        return self.below <= self.error


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One case, done."""

    title: str
    pictures: int
    test_pictures: int
    recommended: list[str]  # a cut a seed of the probe
    probe_seconds: list[float]
    cuts: list[CutFigures]
    verdict: str

    def share_of(self, cut: str) -> float:
        """The probe's seconds over those of fine-tuning that cut, medians."""
        chosen = next(one for one in self.cuts if one.cut == cut)
        return float(np.median(self.probe_seconds) / np.median(chosen.seconds))

    @property
    def shares(self) -> dict[str, float]:
        """That of the cut recommended with the first seed, and of the deepest, which the probe runs through."""
        return {cut: self.share_of(cut) for cut in dict.fromkeys((self.recommended[0], self.cuts[-1].cut))}


def main() -> None:
    options = parse()
    pick = [case for case in cases(options) if options.only in (None, case.dataset)]
    outcomes = []
    for case in pick:
        outcomes.append(study(case, options))
        print(f"\n{as_table(outcomes[-1])}\n", flush=True)
    said = how(options)
    print(said)
    if options.json:
        content = {"how": said, "cases": [{**asdict(one), "probe_over_finetuning": one.shares} for one in outcomes]}
        options.json.write_text(json.dumps(content, indent=1) + "\n")
    if options.page:
        fill_page(options.page, "\n\n".join([*map(as_table, outcomes), said]))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=15, help="of fine-tuning, at most (default %(default)s)")
    parser.add_argument("--pictures", type=int, default=660, help="drawn plankton (default %(default)s)")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--weights", help="VGG16's, a safetensors file or folder: then its five blocks are tried too")
    parser.add_argument("--only", choices=["digits", "plankton"])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path, help="a page with the figures' markers, which are filled")
    return parser.parse_args()


def cases(options: argparse.Namespace) -> Iterator[Case]:
    plankton: dict[str, object] = {"kinds": "other", "pictures": options.pictures}
    for weights in (None, options.weights) if options.weights else (None,):
        whose = FILTERS if weights is None else "VGG16"
        yield Case(title=f"Real digits, {whose}", dataset="digits", options={}, weights=weights)
        yield Case(
            title=f"Drawn plankton of other kinds, {whose}", dataset="plankton", options=plankton, weights=weights
        )


def study(case: Case, options: argparse.Namespace) -> Outcome:
    data = zoo.open_dataset(case.dataset, options=case.options)
    data.decode(SIDE)  # once for all: neither the probe nor the fine-tuning is charged for it
    case.probe(data, 0, per_class=8)  # imports are charged to neither, too
    probes, taken = [], []
    for seed in range(options.seeds):
        begun = clock()
        probes.append(case.probe(data, seed))
        taken.append(clock() - begun)
    rights: dict[str, list[np.ndarray]] = {}
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.seeds):
            for one in probes[0].cuts:
                begun = clock()
                run = train_recipe(recipe(case, one.title, seed, options), Path(folder, f"{one.title}-{seed}"))
                seconds.setdefault(one.title, []).append(clock() - begun)
                rights.setdefault(one.title, []).append(right_answers(run, data))
                print(
                    f"{case.title}, seed {seed}, {one.title}: {rights[one.title][-1].mean():.4f}, "
                    f"{seconds[one.title][-1]:.0f} s; probe {taken[seed]:.1f} s",
                    flush=True,
                )
    return summarise(case, probes, taken, rights, seconds)


def clock() -> float:
    """Seconds of the processor, which a busy machine does not stretch; of the wall where a GPU does the work."""
    return time.process_time() if pick_device().type == "cpu" else time.perf_counter()


def recipe(case: Case, cut: str, seed: int, options: argparse.Namespace) -> Recipe:
    """What `zoo train` would do with `--rate 1e-3 --batch 32 --epochs 15 --patience 15` by default."""
    return Recipe(
        seed=seed,
        size=SIDE,
        data=DataPart(dataset=case.dataset, options=dict(case.options)),
        filters=case.filters(cut),
        training=TrainingPart(epochs=options.epochs, patience=options.epochs, rate=options.rate, batch=32),
    )


def right_answers(run: Run, data: OpenDataset) -> np.ndarray:
    """Which test pictures the trained model names right. Float (N,) of zeros and ones."""
    model = run.load_model()
    decoded = data.decode(SIDE)
    rows = data.split(decoded, seed=run.recipe.seed).test
    where = pick_device()
    arithmetic = Arithmetic(device=where, dtype=pick_precision(where))
    outputs = model_outputs(model.to(where), decoded, rows, arithmetic=arithmetic)["classify"]
    right: torch.Tensor = outputs.argmax(dim=1) == decoded.targets["label"][rows]
    return right.double().numpy()


def summarise(
    case: Case,
    probes: list[Probe],
    taken: list[float],
    rights: dict[str, list[np.ndarray]],
    seconds: dict[str, list[float]],
) -> Outcome:
    shares = {cut: np.mean(found, axis=0) for cut, found in rights.items()}  # of the seeds, picture by picture
    best = max(shares, key=lambda cut: shares[cut].mean())
    alone = np.arange(len(shares[best]))
    cuts = []
    for one in probes[0].cuts:
        lead = shares[best] - shares[one.title]
        cuts.append(
            CutFigures(
                cut=one.title,
                score=one.score,
                low=one.low,
                high=one.high,
                knn=one.knn or 0.0,
                lda=one.lda or 0.0,
                logme=one.logme,
                gflop=one.cut.gflop if one.cut else 0.0,
                accuracy=[float(found.mean()) for found in rights[one.title]],
                below=float(lead.mean()),
                error=standard_error(lead, alone),
                seconds=seconds[one.title],
            )
        )
    recommended = [one.recommended for one in probes]
    good = [next(one for one in cuts if one.cut == cut).within for cut in recommended]
    verdict = (
        f"The probe recommends {', '.join(dict.fromkeys(recommended))}; fine-tuned, {best} is best. The recommended "
        f"cut is within one standard error of it for {sum(good)} of {len(good)} seeds of the probe."
    )
    return Outcome(
        title=case.title,
        pictures=probes[0].pictures,
        test_pictures=len(alone),
        recommended=recommended,
        probe_seconds=taken,
        cuts=cuts,
        verdict=verdict,
    )


def as_table(outcome: Outcome) -> str:
    """Markdown."""
    lines = [
        f"### {outcome.title}",
        "",
        "| cut | probe | 95% interval | k-NN | LDA | LogME | GFLOP | fine-tuned | each seed | below the best | "
        "within one SE | seconds |",
        "|---|---:|---|---:|---:|---:|---:|---:|---|---:|---|---:|",
    ]
    for one in outcome.cuts:
        mark = " (recommended)" if one.cut == outcome.recommended[0] else ""
        seeds = " ".join(f"{100 * value:.1f}" for value in one.accuracy)
        lines.append(
            f"| {one.cut}{mark} | {100 * one.score:.1f} | {100 * one.low:.1f} to {100 * one.high:.1f} | "
            f"{100 * one.knn:.1f} | {100 * one.lda:.1f} | {one.logme:.3f} | {one.gflop:.2f} | "
            f"{100 * one.mean:.2f} ± {100 * one.over_seeds:.2f} | {seeds} | "
            f"{100 * one.below:.2f} (SE {100 * one.error:.2f}) | {'yes' if one.within else 'no'} | "
            f"{np.median(one.seconds):.0f} |"
        )
    probe = float(np.median(outcome.probe_seconds))
    shares = " and ".join(f"{share:.3f} of one fine-tuning of {cut}" for cut, share in outcome.shares.items())
    lines += [
        "",
        f"{outcome.verdict} The probe took {probe:.1f} s, {shares}. "
        f"{outcome.pictures:,} pictures to learn from and validate with, {outcome.test_pictures:,} to test.",
    ]
    return "\n".join(lines)


def how(options: argparse.Namespace) -> str:
    tried = "VGG16's five blocks with the weights of a file were tried too." if options.weights else (
        "VGG16's five blocks with ImageNet's weights were not tried, for want of the weights: `--weights FILE` does it."
    )  # fmt: skip
    return (
        f"{SIDE} x {SIDE} pixels, seeds 0 to {options.seeds - 1} on the same test pictures, heads first, then "
        f"{options.epochs} epochs of fine-tuning of the upper half at a rate of {options.rate:g}; "
        f"{describe_device(pick_device())}, OMP_NUM_THREADS {os.environ.get('OMP_NUM_THREADS', 'not set')}, "
        f"torch {torch.__version__}, Python {platform.python_version()}. Accuracy in percent; fine-tuned: the mean and "
        f"the standard error over the seeds; seconds are medians, of the "
        f"processor on a CPU, pictures decoded before. {tried}"
    )


def fill_page(page: Path, figures: str) -> None:
    """Put the figures between the page's markers. Raises SystemExit where it has none."""
    text = page.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{page} has no {BEGIN} and {END}.")
    page.write_text(f"{before}{begin}\n{figures}\n{end}{after}")


if __name__ == "__main__":
    main()
