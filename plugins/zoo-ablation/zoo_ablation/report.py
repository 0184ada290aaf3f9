"""The report of an ablation: every variant's metrics, the comparisons, and the verdict in plain sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from zoo.errors import UsageError
from zoo_ablation.formatting import (
    MetricUnits,
    capitalise,
    format_p,
    format_p_equation,
    format_seeds,
    format_seeds_needed,
    format_split,
    markdown_table,
)
from zoo_ablation.statistics import FEWEST_PAIRS, MOST_PAIRS, Better, PairedComparison, compare_paired

CONTROL, TREATED, PLACEBO, TWO_STAGE = "without", "with", "placebo", "two-stage"
COMPARED_WORDS = {"helps": "better", "harms": "worse"}  # where both variants have the head or its alternative
TABLE_HEADER = ("variant", "{figure}, mean ± sd", "difference{unit} [95% interval]", "p", "seeds needed", "verdict")


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantMetrics:
    """One variant on one split."""

    key: str  # "without", "with", "placebo", "two-stage", "oracle"
    title: str  # "classify + locate"
    values: tuple[float, ...]  # one for each seed, in the metric's own unit
    against: PairedComparison | None  # against the variant `without`; None for `without` itself

    @property
    def mean(self) -> float:
        """Of all seeds."""
        return float(np.mean(self.values))

    @property
    def sd(self) -> float | None:
        """The standard deviation over the seeds; None of one seed."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitMetrics:
    """All variants on one split."""

    split: str  # "seen", "unseen", "test"
    variants: tuple[VariantMetrics, ...]  # in the order in which they were given
    against_placebo: PairedComparison | None  # `with` against `placebo`, where there are both
    against_rival: PairedComparison | None = None  # `with` against `two-stage`, where there are both

    def variant(self, key: str) -> VariantMetrics | None:
        """The variant of that key, where it was run."""
        return next((variant for variant in self.variants if variant.key == key), None)

    def differences(self, variant: VariantMetrics) -> list[float]:
        """Of a variant to the variant `without`, seed by seed."""
        control = next(other.values for other in self.variants if other.against is None)
        return [one - other for one, other in zip(variant.values, control, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AblationReport:
    """An ablation's metrics and what they show."""

    head: str  # the scored one, "classify"
    metric: str  # "accuracy"
    better: Better
    share: bool  # the metric lies in 0 to 1 and is said in percent, its differences in points
    left_out: str  # the head that is in question, "locate"
    groups: str  # what a group is, in the plural
    seeds: tuple[int, ...]
    splits: tuple[SplitMetrics, ...]

    @property
    def units(self) -> MetricUnits:
        """How its values are formatted."""
        return MetricUnits(metric=self.metric, share=self.share)

    def sentences(self) -> list[str]:
        """A plain sentence for each split."""
        return [self.sentence(one) for one in self.splits]

    def sentence(self, split: SplitMetrics) -> str:
        """The result of a split in a sentence: for `with`, or the first other variant where that was not run."""
        main = split.variant(TREATED) or next((variant for variant in split.variants if variant.against), None)
        where = format_split(split.split, self.groups)
        if main is None or main.against is None:
            return f"Nothing was compared {where}: there is one variant."
        subject = f"`{self.left_out}`" if main.key == TREATED else f"“{main.title}”"
        found = main.against
        change = self.units.full_change(found.difference)
        if found.low is None or found.high is None:
            return (
                f"Nothing can be concluded {where} from {format_seeds(found.pairs)}: at least six are needed; "
                f"the mean difference so far is {change}."
            )
        between = f"{self.units.number(found.low)} to {self.units.number(found.high)}"
        known = f"{change} (95% interval {between}, {format_p_equation(found.p)}, {format_seeds(found.pairs)})"
        if not found.clear:
            told = where if main.key == TREATED else f"{where} with {subject}"
            return f"No difference found {told}: {known}; {self._left_open(found)}.{self._rival(split)}"
        rest = self._placebo(split, found) if main.key == TREATED else ""
        return f"{capitalise(where)} {subject} {found.verdict}: {known}{rest}.{self._rival(split)}"

    def as_json(self) -> dict[str, Any]:
        """Plain types, for JSON. Values are in the metric's own unit; `seeds_needed` of 1,001 is more than 1,000."""
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
                            "key": variant.key,
                            "title": variant.title,
                            "mean": variant.mean,
                            "sd": variant.sd,
                            "values": list(variant.values),
                            "against_control": asdict(variant.against) if variant.against else None,
                        }
                        for variant in split.variants
                    ],
                    "with_against_placebo": asdict(split.against_placebo) if split.against_placebo else None,
                    "with_against_two_stage": asdict(split.against_rival) if split.against_rival else None,
                }
                for split in self.splits
            ],
        }

    def as_markdown(self) -> str:
        """For every split a table of the variants, its sentence and a table of all seeds; below them how to read it."""
        parts: list[str] = []
        for split in self.splits:
            parts.append(f"### {capitalise(format_split(split.split, self.groups))}")
            parts.append(markdown_table(self.rows(split), columns="lrrrrl"))
            parts.append(self.sentence(split))
            parts.append(markdown_table(self._seed_rows(split), columns="l" + "r" * len(self.seeds)))
        return "\n\n".join([*parts, self.note()]) + "\n"

    def note(self) -> str:
        """What a reader of the results must know."""
        return (
            f"Differences are to the variant without `{self.left_out}`, seed by seed, with 95% intervals, "
            "sign-flip tests and the seeds for 80% power. Each comparison stands for itself: where nothing differs, up "
            "to one in twenty shows something by chance. They hold for other seeds on these pictures, not of others. "
            "Say how many seeds before you look: who adds seeds until something shows finds what is not there."
        )

    def rows(self, split: SplitMetrics) -> list[list[str]]:
        """A split's table in words: the headings, then a row a variant."""
        unit = ", points" if self.share else ""
        rows = [[word.format(figure=self.units.heading, unit=unit) for word in TABLE_HEADER]]
        for variant in split.variants:
            level = self.units.level(variant.mean) + (
                "" if variant.sd is None else f" ± {self.units.level(variant.sd)}"
            )
            rows.append([variant.title, level, *(self._compared(variant.against) if variant.against else [""] * 4)])
            if variant.key == PLACEBO and split.against_placebo and (treated := split.variant(TREATED)):
                title = f"{treated.title}, against shuffled targets"
                rows.append([title, "", *self._compared(split.against_placebo, words=COMPARED_WORDS)])
            if variant.key == TWO_STAGE and split.against_rival and (treated := split.variant(TREATED)):
                rows.append(
                    [
                        f"{treated.title}, against two stages",
                        "",
                        *self._compared(split.against_rival, words=COMPARED_WORDS),
                    ]
                )
        return rows

    def _seed_rows(self, split: SplitMetrics) -> list[list[str]]:
        head = [f"{self.units.heading} of seed", *map(str, self.seeds)]
        return [head, *([variant.title, *map(self.units.level, variant.values)] for variant in split.variants)]

    def _compared(self, found: PairedComparison, *, words: Mapping[str, str] = MappingProxyType({})) -> list[str]:
        told = self.units.signed(found.difference)
        if found.low is not None and found.high is not None:
            told += f" [{self.units.number(found.low)}, {self.units.number(found.high)}]"
        needed = None if found.pairs < FEWEST_PAIRS else found.seeds_needed  # too few seeds to estimate the spread
        verdict = words.get(found.verdict, found.verdict)
        return [told, format_p(found.p), format_seeds_needed(needed), verdict]

    def _placebo(self, split: SplitMetrics, found: PairedComparison) -> str:
        """Whether the head's target matters or any second task would do: the rest of a sentence."""
        placebo, between = split.variant(PLACEBO), split.against_placebo
        if placebo is None or placebo.against is None or between is None:
            return ""
        alone = self.units.change(placebo.against.difference)
        told = f"{self.units.change(between.difference)}, {format_p_equation(between.p)}"
        if found.verdict == "harms":
            return f"; shuffled targets harm as well ({alone})" if placebo.against.verdict == "harms" else ""
        if between.verdict == "helps":
            return f"; it does better than with shuffled targets ({told}): it is what the head learns"
        if between.verdict == "harms":
            return f"; but shuffled targets do better still ({told} against them): it is not what the head learns"
        if placebo.against.verdict == "helps":
            return f"; but shuffled targets do as well ({alone}): nothing says that it is what the head learns"
        return f"; but no difference is found to shuffled targets ({told}): it may not be what the head learns"

    def _rival(self, split: SplitMetrics) -> str:
        """Whether to crop first would do better or worse: a sentence of its own, where that can be said."""
        found = split.against_rival
        if found is None or not found.clear:
            return ""
        told = f"{self.units.change(found.difference)}, {format_p_equation(found.p)}"
        way = "better" if found.verdict == "helps" else "worse"
        return f" It does {way} than two stages, to crop first and then to name ({told})."

    def _left_open(self, found: PairedComparison) -> str:
        if not found.not_excluded:
            return "every seed gave the same in both variants"
        told = f"a difference under {self.units.size(found.not_excluded)} cannot be excluded"
        if found.seeds_needed is None or found.seeds_needed <= found.pairs:
            return told
        count = "" if found.seeds_needed > MOST_PAIRS else "some "
        count += format_seeds_needed(found.seeds_needed)
        return f"{told}; to find one of the size seen, {count} seeds would be needed"


def make_ablation_report(
    values: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    variants: Mapping[str, str],
    seeds: Sequence[int],
    head: str,
    left_out: str,
    metric: str = "accuracy",
    better: Better = "higher",
    share: bool = True,
    groups: str = "groups",
    seed: int = 0,
) -> AblationReport:
    """Compare the variants of an ablation.

    Args:
        values: metric values by split ("seen", "unseen", "test"), then by the variant's key, one for every seed.
        variants: titles by key, in order to show; "without" is what the others are compared with, "with" has the head
            in question, "placebo" has it with shuffled targets.
        seeds: in the order of the values.
        head: the one with the primary metric.
        left_out: the one in question.
        metric: of the scored head.
        better: whether higher or lower values are better.
        share: the metric lies in 0 to 1 and is said in percent and points.
        groups: what a group is, in the plural ("boats").
        seed: of the sign flips beyond 16 pairs.

    Raises:
        UsageError: no "without", no split, a variant without values for each seed, or a value that is not finite.
    """
    _check_values(values, variants, seeds)
    compare = partial(compare_paired, better=better, seed=seed)
    return AblationReport(
        head=head,
        metric=metric,
        better=better,
        share=share,
        left_out=left_out,
        groups=groups,
        seeds=tuple(int(one) for one in seeds),
        splits=tuple(_compare_variants(split, by_variant, variants, compare) for split, by_variant in values.items()),
    )


def _compare_variants(
    split: str,
    values: Mapping[str, Sequence[float]],
    variants: Mapping[str, str],
    compare: Callable[[Sequence[float], Sequence[float]], PairedComparison],
) -> SplitMetrics:
    """Every variant with the control, and the head in question with its rivals, where they were run."""
    rivals = {
        other: compare(values[TREATED], values[other])
        for other in (PLACEBO, TWO_STAGE)
        if TREATED in variants and other in variants
    }
    return SplitMetrics(
        split=split,
        variants=tuple(
            VariantMetrics(
                key=key,
                title=title,
                values=tuple(float(one) for one in values[key]),
                against=None if key == CONTROL else compare(values[key], values[CONTROL]),
            )
            for key, title in variants.items()
        ),
        against_placebo=rivals.get(PLACEBO),
        against_rival=rivals.get(TWO_STAGE),
    )


def _check_values(
    values: Mapping[str, Mapping[str, Sequence[float]]], variants: Mapping[str, str], seeds: Sequence[int]
) -> None:
    """Raises UsageError with all that is wrong."""
    faults = [] if values else ["there is no split"]
    if CONTROL not in variants:
        faults.append(f"there is no variant {CONTROL!r} to compare with")
    if not seeds or len(set(seeds)) < len(seeds):
        faults.append(f"the seeds are {list(seeds)}, and not one or more different ones")
    for split, by_arm in values.items():
        for key in variants:
            count = len(by_arm.get(key, ()))
            if count != len(seeds):
                faults.append(f"the variant {key!r} on {split!r} has {count} values for {len(seeds)} seeds")
            bad = [seed for seed, one in zip(seeds, by_arm.get(key, ()), strict=False) if not np.isfinite(one)]
            if bad:
                faults.append(f"the variant {key!r} on {split!r} has no finite value of the seeds {bad}")
    if faults:
        raise UsageError(
            f"The ablation cannot be evaluated: {'; '.join(faults)}.",
            "Give every variant one finite value for every seed, or leave a seed out of all variants.",
        )
