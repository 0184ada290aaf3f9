"""What an ablation found: every arm's figures, what was compared, and the verdict in plain sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from zoo.errors import UsageError
from zoo.evaluation.paired import FEWEST_PAIRS, MOST_PAIRS, Better, Comparison, compare
from zoo.evaluation.wording import (
    Units,
    capital,
    markdown_table,
    needed_in_words,
    p_in_words,
    p_told,
    place_in_words,
    seeds_in_words,
)

CONTROL, TREATED, PLACEBO, RIVAL = "without", "with", "placebo", "two-stage"
BETWEEN = {"helps": "better", "harms": "worse"}  # of two arms that both have the head or its rival
HEADER = ("arm", "{figure}, mean ± sd", "difference{unit} [95% interval]", "p", "seeds needed", "verdict")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmFigures:
    """One arm on one split."""

    key: str  # "without", "with", "placebo", "two-stage", "oracle"
    title: str  # "classify + locate"
    values: tuple[float, ...]  # a seed each, in the metric's own unit
    against: Comparison | None  # with the arm `without`; None of that arm itself

    @property
    def mean(self) -> float:
        """Of all seeds."""
        return float(np.mean(self.values))

    @property
    def sd(self) -> float | None:
        """The standard deviation over the seeds; None of one seed."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitFigures:
    """All arms on one split."""

    split: str  # "seen", "unseen", "test"
    arms: tuple[ArmFigures, ...]  # in the order in which they were given
    against_placebo: Comparison | None  # the arm `with` against `placebo`, where there are both
    against_rival: Comparison | None = None  # the arm `with` against `two-stage`, where there are both

    def arm(self, key: str) -> ArmFigures | None:
        """The arm of that key, where it was run."""
        return next((arm for arm in self.arms if arm.key == key), None)

    def differences(self, arm: ArmFigures) -> list[float]:
        """Of an arm to the arm `without`, seed by seed."""
        control = next(other.values for other in self.arms if other.against is None)
        return [one - other for one, other in zip(arm.values, control, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AblationReport:
    """An ablation's figures and what they say."""

    head: str  # the judged one, "classify"
    metric: str  # "accuracy"
    better: Better
    share: bool  # the metric lies in 0 to 1 and is said in percent, its differences in points
    left_out: str  # the head that is in question, "locate"
    groups: str  # what a group is, in the plural
    seeds: tuple[int, ...]
    splits: tuple[SplitFigures, ...]

    @property
    def units(self) -> Units:
        """How its figures are said."""
        return Units(metric=self.metric, share=self.share)

    def sentences(self) -> list[str]:
        """A plain sentence for each split."""
        return [self.sentence(one) for one in self.splits]

    def sentence(self, split: SplitFigures) -> str:
        """What a split says of the head; of the first other arm where the arm `with` was not run."""
        main = split.arm(TREATED) or next((arm for arm in split.arms if arm.against), None)
        where = place_in_words(split.split, self.groups)
        if main is None or main.against is None:
            return f"Nothing was compared {where}: there is one arm."
        subject = f"`{self.left_out}`" if main.key == TREATED else f"“{main.title}”"
        found = main.against
        change = self.units.full_change(found.difference)
        if found.low is None or found.high is None:
            return (
                f"Nothing can be concluded {where} from {seeds_in_words(found.pairs)}: at least six are needed; "
                f"the mean difference so far is {change}."
            )
        between = f"{self.units.number(found.low)} to {self.units.number(found.high)}"
        known = f"{change} (95% interval {between}, {p_told(found.p)}, {seeds_in_words(found.pairs)})"
        if not found.clear:
            told = where if main.key == TREATED else f"{where} with {subject}"
            return f"No difference found {told}: {known}; {self._left_open(found)}.{self._rival(split)}"
        rest = self._placebo(split, found) if main.key == TREATED else ""
        return f"{capital(where)} {subject} {found.verdict}: {known}{rest}.{self._rival(split)}"

    def as_json(self) -> dict[str, Any]:
        """Plain types, for JSON. Figures are in the metric's own unit; `seeds_needed` of 1,001 is more than 1,000."""
        return {
            "head": self.head,
            "metric": self.metric,
            "better": self.better,
            "share": self.share,
            "left_out": self.left_out,
            "control": CONTROL,
            "seeds": list(self.seeds),
            "splits": [
                {
                    "split": split.split,
                    "sentence": self.sentence(split),
                    "arms": [
                        {
                            "key": arm.key,
                            "title": arm.title,
                            "mean": arm.mean,
                            "sd": arm.sd,
                            "values": list(arm.values),
                            "against_control": asdict(arm.against) if arm.against else None,
                        }
                        for arm in split.arms
                    ],
                    "with_against_placebo": asdict(split.against_placebo) if split.against_placebo else None,
                    "with_against_two_stage": asdict(split.against_rival) if split.against_rival else None,
                }
                for split in self.splits
            ],
        }

    def as_markdown(self) -> str:
        """For every split a table of the arms, its sentence and a table of all seeds; below them how to read it."""
        parts: list[str] = []
        for split in self.splits:
            parts.append(f"### {capital(place_in_words(split.split, self.groups))}")
            parts.append(markdown_table(self.rows(split), columns="lrrrrl"))
            parts.append(self.sentence(split))
            parts.append(markdown_table(self._seed_rows(split), columns="l" + "r" * len(self.seeds)))
        return "\n\n".join([*parts, self.note()]) + "\n"

    def note(self) -> str:
        """What a reader of the figures must know."""
        return (
            f"Differences are to the arm without `{self.left_out}`, seed by seed, with BCa bootstrap intervals, "
            "sign-flip tests and the seeds for 80% power. Each comparison stands for itself: where nothing differs, up "
            "to one in twenty shows something by chance. They tell of other seeds on these pictures, not of others. "
            "Say how many seeds before you look: who adds seeds until something shows finds what is not there."
        )

    def rows(self, split: SplitFigures) -> list[list[str]]:
        """A split's table in words: the headings, then a row an arm."""
        unit = ", points" if self.share else ""
        rows = [[word.format(figure=self.units.heading, unit=unit) for word in HEADER]]
        for arm in split.arms:
            level = self.units.level(arm.mean) + ("" if arm.sd is None else f" ± {self.units.level(arm.sd)}")
            rows.append([arm.title, level, *(self._compared(arm.against) if arm.against else [""] * 4)])
            if arm.key == PLACEBO and split.against_placebo and (treated := split.arm(TREATED)):
                title = f"{treated.title}, against shuffled targets"
                rows.append([title, "", *self._compared(split.against_placebo, words=BETWEEN)])
            if arm.key == RIVAL and split.against_rival and (treated := split.arm(TREATED)):
                rows.append(
                    [f"{treated.title}, against two stages", "", *self._compared(split.against_rival, words=BETWEEN)]
                )
        return rows

    def _seed_rows(self, split: SplitFigures) -> list[list[str]]:
        head = [f"{self.units.heading} of seed", *map(str, self.seeds)]
        return [head, *([arm.title, *map(self.units.level, arm.values)] for arm in split.arms)]

    def _compared(self, found: Comparison, *, words: Mapping[str, str] = MappingProxyType({})) -> list[str]:
        told = self.units.signed(found.difference)
        if found.low is not None and found.high is not None:
            told += f" [{self.units.number(found.low)}, {self.units.number(found.high)}]"
        needed = None if found.pairs < FEWEST_PAIRS else found.seeds_needed  # so few say nothing of the spread
        verdict = words.get(found.verdict, found.verdict)
        return [told, p_in_words(found.p), needed_in_words(needed), verdict]

    def _placebo(self, split: SplitFigures, found: Comparison) -> str:
        """Whether it is what the head learns, or any second task: the rest of a sentence."""
        placebo, between = split.arm(PLACEBO), split.against_placebo
        if placebo is None or placebo.against is None or between is None:
            return ""
        alone = self.units.change(placebo.against.difference)
        told = f"{self.units.change(between.difference)}, {p_told(between.p)}"
        if found.verdict == "harms":
            return f"; shuffled targets harm as well ({alone})" if placebo.against.verdict == "harms" else ""
        if between.verdict == "helps":
            return f"; it does better than with shuffled targets ({told}): it is what the head learns"
        if between.verdict == "harms":
            return f"; but shuffled targets do better still ({told} against them): it is not what the head learns"
        if placebo.against.verdict == "helps":
            return f"; but shuffled targets do as well ({alone}): nothing says that it is what the head learns"
        return f"; but no difference is found to shuffled targets ({told}): it may not be what the head learns"

    def _rival(self, split: SplitFigures) -> str:
        """Whether to crop first would do better or worse: a sentence of its own, where that can be said."""
        found = split.against_rival
        if found is None or not found.clear:
            return ""
        told = f"{self.units.change(found.difference)}, {p_told(found.p)}"
        way = "better" if found.verdict == "helps" else "worse"
        return f" It does {way} than two stages, to crop first and then to name ({told})."

    def _left_open(self, found: Comparison) -> str:
        if not found.not_excluded:
            return "every seed gave the same in both arms"
        told = f"a difference under {self.units.size(found.not_excluded)} cannot be excluded"
        if found.seeds_needed is None or found.seeds_needed <= found.pairs:
            return told
        count = "" if found.seeds_needed > MOST_PAIRS else "some "
        count += needed_in_words(found.seeds_needed)
        return f"{told}; to find one of the size seen, {count} seeds would be needed"


def report_ablation(
    values: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    arms: Mapping[str, str],
    seeds: Sequence[int],
    head: str,
    left_out: str,
    metric: str = "accuracy",
    better: Better = "higher",
    share: bool = True,
    groups: str = "groups",
    seed: int = 0,
) -> AblationReport:
    """Compare the arms of an ablation.

    Args:
        values: figures by split ("seen", "unseen", "test"), then by the arm's key, a figure a seed.
        arms: title by key, in the order to show; "without" is what the others are compared with, "with" has the head
            in question, "placebo" has it with shuffled targets.
        seeds: in the order of the figures.
        head: the one that is judged.
        left_out: the one in question.
        metric: of the judged head.
        better: whether its higher or its lower figures are the better ones.
        share: the metric lies in 0 to 1 and is said in percent and points.
        groups: what a group is, in the plural ("boats").
        seed: of the bootstrap.

    Raises:
        UsageError: no arm "without", no split, an arm without figures for each seed, or a figure that is not finite.
    """
    _check(values, arms, seeds)
    told = []
    for split, by_arm in values.items():
        control = by_arm[CONTROL]
        figures = tuple(
            ArmFigures(
                key=key,
                title=title,
                values=tuple(float(one) for one in by_arm[key]),
                against=None if key == CONTROL else compare(by_arm[key], control, better=better, seed=seed),
            )
            for key, title in arms.items()
        )
        between = {
            other: compare(by_arm[TREATED], by_arm[other], better=better, seed=seed)
            for other in (PLACEBO, RIVAL)
            if TREATED in arms and other in arms
        }
        told.append(
            SplitFigures(
                split=split, arms=figures, against_placebo=between.get(PLACEBO), against_rival=between.get(RIVAL)
            )
        )
    return AblationReport(
        head=head,
        metric=metric,
        better=better,
        share=share,
        left_out=left_out,
        groups=groups,
        seeds=tuple(int(one) for one in seeds),
        splits=tuple(told),
    )


def _check(values: Mapping[str, Mapping[str, Sequence[float]]], arms: Mapping[str, str], seeds: Sequence[int]) -> None:
    """Raises UsageError with all that is wrong."""
    faults = [] if values else ["there is no split"]
    if CONTROL not in arms:
        faults.append(f"there is no arm {CONTROL!r} to compare with")
    if not seeds or len(set(seeds)) < len(seeds):
        faults.append(f"the seeds are {list(seeds)}, and not one or more different ones")
    for split, by_arm in values.items():
        for key in arms:
            count = len(by_arm.get(key, ()))
            if count != len(seeds):
                faults.append(f"the arm {key!r} on {split!r} has {count} figures for {len(seeds)} seeds")
            bad = [seed for seed, one in zip(seeds, by_arm.get(key, ()), strict=False) if not np.isfinite(one)]
            if bad:
                faults.append(f"the arm {key!r} on {split!r} has no finite figure of the seeds {bad}")
    if faults:
        raise UsageError(
            f"The ablation cannot be judged: {'; '.join(faults)}.",
            "Give every arm one finite figure for every seed, or leave a seed out of all arms.",
        )
