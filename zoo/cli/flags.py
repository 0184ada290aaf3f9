"""Arguments of Python in a message -> flags of the command line."""

from __future__ import annotations

import re

_ARGUMENT = re.compile(r"`([a-z_]+)=([^`]*)`")
_HEAD = re.compile(r"HeadSpec\(plugin='([^']*)', target=…(?:, called='([^']*)')?\)")

_FLAGS = {
    "root": "data",
    "folder": "out",
    "heads": "head",
    "variants": "variant",
    "options": "set",
    "repeats": "repeat",
}
_WHOLE = {
    "heads=False": "--no-heads",
    "pictures='none'": "--no-pictures",
    "pictures='all'": "--show-pictures",
    r"separator=b'\0'": "--null",
}


def in_flags(message: object) -> str:
    """Rewrite the Python arguments in a message as flags: `device='cpu'` -> --device cpu, `offline=True` -> --offline.

    Args:
        message: a text, an error or a warning; only arguments in backticks are rewritten.
    """
    return _ARGUMENT.sub(_as_flag, str(message))


def _as_flag(found: re.Match[str]) -> str:
    name, value = found.groups()
    flag = f"--{_FLAGS.get(name, name).replace('_', '-')}"
    if f"{name}={value}" in _WHOLE:
        return _WHOLE[f"{name}={value}"]
    if heads := _HEAD.findall(value):
        return " ".join(f"{flag} {called + '=' if called else ''}{plugin}:target=…" for plugin, called in heads)
    if name == "options":  # {'labels': 'FILE.csv'}
        value = value.replace("': ", "=").replace("'", "").strip("{}")
    value = value.strip("[]").strip("'\"")
    return flag if value in ("", "True") else f"{flag} {value}"
