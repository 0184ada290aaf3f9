"""Formatting of a comparison: percentage points, p values, counts of seeds, Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zoo_ablation.statistics import MOST_PAIRS


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricUnits:
    """How a metric is written: a share in percent and points, anything else with three digits."""

    metric: str  # "log_loss"
    share: bool

    @property
    def name(self) -> str:
        """`log loss`."""
        return self.metric.replace("_", " ")

    @property
    def heading(self) -> str:
        """`accuracy (%)`, `log loss`."""
        return f"{self.name} (%)" if self.share else self.name

    def level(self, value: float) -> str:
        """A value itself: `71.3` of the share 0.7131."""
        return f"{100 * value:.1f}" if self.share else _format_three_digits(value)

    def number(self, value: float) -> str:
        """A difference without its plus: `2.3`, `-0.4`, `0.04` where one digit would say 0."""
        if not self.share:
            return _format_three_digits(value)
        text = f"{100 * value:.1f}"
        if float(text) == 0:
            text = f"{100 * value:.2f}"
        return text if float(text) else "0.0"

    def signed(self, value: float) -> str:
        """A difference with its sign; 0 has none."""
        text = self.number(value)
        return text if text.startswith("-") or text in ("0", "0.0") else f"+{text}"

    def size(self, value: float) -> str:
        """`1.9 points`, `0.12`."""
        return self.number(value) + self._points

    def change(self, value: float) -> str:
        """`+1.9 points`, `-0.12`."""
        return self.signed(value) + self._points

    def full_change(self, value: float) -> str:
        """`+2.3 points of accuracy`, `-0.12 in log loss`."""
        return f"{self.change(value)} {'of' if self.share else 'in'} {self.name}"

    @property
    def _points(self) -> str:
        return " points" if self.share else ""


def format_p(p: float) -> str:
    """`0.002`, `0.59`, `< 0.001`."""
    if p < 0.001:
        return "< 0.001"
    text = f"{p:.3f}" if p < 0.0995 else f"{p:.2f}"
    return f"{p:.4f}" if text == "0.050" else text  # 0.0498 and 0.0502 are on different sides


def format_p_equation(p: float) -> str:
    """`p = 0.002`, `p < 0.001`."""
    text = format_p(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def format_seeds_needed(count: int | None) -> str:
    """`85`, `more than 1,000`, a dash where nothing is to be found."""
    if count is None:
        return "–"
    return f"more than {MOST_PAIRS:,}" if count > MOST_PAIRS else f"{count:,}"


def format_seeds(count: int) -> str:
    """`1 seed`, `10 seeds`."""
    return "1 seed" if count == 1 else f"{count:,} seeds"


def format_split(split: str, groups: str = "groups") -> str:
    """`on unseen boats` of "unseen", `on test pictures` of "test"."""
    return f"on {split} {groups if split in ('seen', 'unseen') else 'pictures'}"


def capitalise(text: str) -> str:
    """Its first letter large, the others as they are."""
    return text[:1].upper() + text[1:]


def markdown_table(rows: Sequence[Sequence[str]], *, columns: str) -> str:
    """A table, the first row as its head.

    Args:
        rows: of as many cells each as there are columns.
        columns: a letter each, `l` or `r`, for where its text stands.
    """
    lines = ["| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in row) + " |" for row in rows]
    rule = "|" + "".join("---:|" if side == "r" else "---|" for side in columns)
    return "\n".join([lines[0], rule, *lines[1:]])


def _format_three_digits(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value else "0"
