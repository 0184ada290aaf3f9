"""The errors: what was received, and what to do next.

Every error that a user can cause is a `ZooError`; its message is one line that names the file or the
value and the remedy. `cli/` prints that line and exits 1; Python code catches one class.

A message names an argument of the call as Python does, in backticks: `out=`, `device='cpu'`, `offline=True`. The
command line prints its flag instead; nowhere else are flags spoken of, but in whole commands, `zoo …`.

Names of classes and files, answers of servers and what plugins raise are other people's: what is printed of them, or
written into a text for people, goes through `one_line` or `printable`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

LONGEST = 2_000  # characters of a problem: what a damaged file holds may stand in it

_SHORTEST = 4  # characters of an access token; a shorter one would be found in every text
_ENOUGH = 16  # characters to know a longer one by
_SECRET = re.compile(r"(?<=Bearer )[^'\"\n]+|\bhf_[A-Za-z0-9]{16,}")
_sent: set[str] = set()  # every access token that a server was sent, and may quote


def remember_secret(token: str | None) -> None:
    """Have an access token masked from now on, before a server sees it."""
    if token and len(token) >= _SHORTEST:
        _sent.add(token)


def mask_secrets(text: str) -> str:
    """A text without the access tokens in it, whole or cut short."""
    for token in sorted(_sent, key=len, reverse=True):
        text = text.replace(token, "…")
        if len(token) > _ENOUGH:
            text = re.sub(re.escape(token[:_ENOUGH]) + r"[\w.~+/=-]*", "…", text)
    return _SECRET.sub("…", text)


UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What steers a terminal or turns text around: control characters, bidi overrides, halves of surrogate pairs."""


def printable(text: object) -> str:
    """A text that steers no terminal, hides nothing from a reader and has no access token; its lines and tabs stay."""
    said = mask_secrets(str(text))
    return said if said.isprintable() else UNSAFE.sub("\N{REPLACEMENT CHARACTER}", said)


def one_line(text: object) -> str:
    """As `printable`, in one line."""
    said = mask_secrets(str(text))
    if said.isprintable():
        return said
    first, *more = said.replace("\t", " ").splitlines() or [""]
    return printable(" ".join([first, *(line.strip() for line in more)]))


class ZooError(Exception):
    """Anything that a user, a file or a network did wrong; the message says what to do.

    Args:
        problem: what was received and what is wrong with it, a sentence or two.
        remedy: what to do, a sentence; "" where there is nothing.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        problem, self.remedy = one_line(problem), one_line(remedy)
        if len(problem) > LONGEST:
            problem = f"{problem[: LONGEST // 2]} … {problem[-LONGEST // 2 :]}"
        super().__init__(f"{problem} {self.remedy}".rstrip())
        self.problem = problem


class ZooWarning(UserWarning):
    """Something that does not stop the work, and that a user should know; the command line prints it as one line."""

    def __init__(self, text: str) -> None:
        super().__init__(one_line(text))


class UsageError(ZooError):
    """The call itself is wrong (an unknown option, a value of the wrong type): exit status 2."""


class UnknownNameError(ZooError):
    """A name that does not exist.

    Args:
        kind: what was looked up, in the singular (`dataset`, `cut`).
        name: what the user gave.
        known: the names that exist; the nearest is offered.
        listing: the command that lists them.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], *, listing: str | None = None) -> None:
        known = sorted(known)
        near = get_close_matches(name, known, n=1)
        if near:
            hint = f"Did you mean {near[0]!r}?"
        elif listing:
            hint = f"Run `{listing}`."
        elif known:
            hint = f"There is {', '.join(known[:12])}{', …' if len(known) > 12 else ''}."
        else:
            hint = "There are none."
        super().__init__(f"No {kind} is called {name!r}.", hint)
        self.kind, self.name = kind, name


class AmbiguousNameError(ZooError):
    """One short name, several packages."""

    def __init__(self, kind: str, name: str, choices: Iterable[str]) -> None:
        listed = " or ".join(repr(choice) for choice in sorted(choices))
        super().__init__(f"Several packages have a {kind} called {name!r}.", f"Say which: {listed}.")


def describe_cause(error: BaseException) -> str:
    """What a plugin raised, in one line of at most 300 characters without a full stop."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300].rstrip(".")


class PluginError(ZooError):
    """A plugin that does not import, or breaks its contract."""


class MissingPluginError(ZooError):
    """Something needs a plugin that is not installed.

    Args:
        kind: `head`, `dataset`, `backbone`.
        name: the plugin's name.
        package: the distribution that brings it, where known.
        needed_by: what asked for it.
    """

    def __init__(self, kind: str, name: str, *, package: str | None, needed_by: str) -> None:
        remedy = f"Run `pip install {package}`." if package else "Install the package that brings it."
        super().__init__(f"{needed_by} needs the {kind} {name!r}, which is not installed.", remedy)


class FileError(ZooError):
    """A file or folder that is missing, damaged or not what it should be."""

    def __init__(self, path: Path | str, problem: str, remedy: str) -> None:
        super().__init__(f"{path}: {problem}.", remedy)
        self.path = path


class IntegrityError(ZooError):
    """Bytes whose size or hash is not the expected one."""


class FetchError(ZooError):
    """A source that could not be reached or read."""


class MissingFileError(FetchError):
    """A source that was reached, and has no such file."""

    def __init__(self, where: str, name: str) -> None:
        super().__init__(f"{where} has no file {name!r}.", "Check the name, and the revision.")
