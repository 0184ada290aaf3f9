"""JSON of strangers: what is no JSON, or says one thing twice, is refused and not guessed at."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """Parse JSON.

    Raises:
        ValueError: it is none; a key stands twice in one object; a number is too large, or none.
        RecursionError: it is nested too deeply.
    """
    return json.loads(
        text, object_pairs_hook=_refuse_duplicate_names, parse_constant=_refuse_constant, parse_float=_finite
    )


def _refuse_duplicate_names(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return made


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} stands in it")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number in it is too large")
    return value
