"""Columns of a table that say which pictures belong together, or when they were taken."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache

_WORDS = (
    "seq|sequence|track|burst|shot|event|episode|deployment|location|locality|site|station|camera|cam|haul|cast|dive|tow|"
    "sample|day|date|night|cruise|vessel|boat|ship|trip|transect|plot|quadrat|individual|animal|specimen|subject|patient|"
    "plate|slide|video|clip|batch|session"
)
GROUPING = re.compile(rf"(?:.*[_ .-])?(?:{_WORDS})s?(?:[_ .-]?(?:id|name|no|nr|number))?", re.IGNORECASE)
_TIMES = "date[_ .-]?time(?:[_ .-]?original)?|time[_ .-]?stamp|taken|captured(?:[_ .-]?at)?|photo[_ .-]?time"
TIME = re.compile(rf"(?:.*[_ .-])?(?:{_TIMES})", re.IGNORECASE)
_EXIF = re.compile(r"(\d{4}):(\d\d):(\d\d) ")


@cache
def is_grouping(title: str) -> bool:
    """Whether a column by its title says which pictures belong together, or when they were taken."""
    return bool(GROUPING.fullmatch(title) or TIME.fullmatch(title))


def read_time(text: str) -> float:
    """Seconds since 1970 of a date with a time of day, as ISO 8601 or EXIF write it; NaN where it is none."""
    text = _EXIF.sub(r"\1-\2-\3 ", text.strip())
    if ":" not in text:
        return float("nan")
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return float("nan")
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
