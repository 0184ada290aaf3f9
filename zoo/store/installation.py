"""Packages of plugins as an installer names them: what is installed, written down as pip's requirements, and read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from zoo.errors import UsageError
from zoo.files import parse_json
from zoo.plugins import CORE, GROUPS, PACKAGE_PATTERN, find_plugins, normalize

_NAME, _VERSION = PACKAGE_PATTERN.pattern, r"[0-9A-Za-z][0-9A-Za-z.!+_-]{0,63}"
_LINE = re.compile(rf"(?:(?:(-e)|{_NAME} @) ([a-z]+(?:\+[a-z]+)?:\S+)  # )?({_NAME})==({_VERSION})")
_ASKED = re.compile(rf"({_NAME})(?:[<>=!~]=?={_VERSION}|[<>]{_VERSION})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenPackage:
    """An installed package, and where the installer had it from."""

    name: str  # "zoo-whales"
    version: str  # "0.1.0"
    url: str = ""  # as pip takes it: file:///…, git+https://…@commit; empty: it came from an index
    editable: bool = False

    @property
    def line(self) -> str:
        """It as a line of a file of requirements."""
        pinned = f"{self.name}=={self.version}"
        return f"{'-e' if self.editable else f'{self.name} @'} {self.url}  # {pinned}" if self.url else pinned

    @property
    def path(self) -> Path | None:
        """The folder or file of this machine that it came from."""
        url = urlsplit(self.url)
        place = url.path.rpartition("@")[0] if url.scheme == "git+file" else url.path
        return Path(unquote(place)) if url.scheme in ("file", "git+file") else None

    def words(self, *, newest: bool) -> list[str]:
        """What the installer is given: this version, or the newest that fits, where an index has it."""
        if not self.url:
            return [self.name if newest else self.line]
        return ["-e", self.url] if self.editable else [self.url]


def freeze_plugins() -> tuple[list[FrozenPackage], dict[str, str]]:
    """Every installed package that announces a plugin, but the core; and of those that cannot be kept why, by name."""
    from importlib.metadata import distribution  # a long import

    kept, lost = [], {}
    for package in sorted({plugin.package for kind in GROUPS for plugin in find_plugins(kind)} - {CORE, "unknown"}):
        found = distribution(package)
        if found.read_text("METADATA") is None:
            lost[package] = "setup.py linked it"
            continue
        try:
            told = found.read_text("direct_url.json")
            direct = {} if told is None else _direct(parse_json(told))
            frozen = FrozenPackage(name=package, version=found.version, **direct)
            if parse_frozen(frozen.line) != [frozen]:
                raise ValueError(frozen.line)
            kept.append(frozen)
        except (ValueError, KeyError, TypeError, AttributeError, UsageError):
            lost[package] = "its direct_url.json says no place that could be written down"
    return kept, lost


def _direct(told: dict[str, Any]) -> dict[str, Any]:
    """What an installer left in `direct_url.json` of a package that came from no index."""
    url, tail = told["url"], f"#subdirectory={quote(told['subdirectory'])}" if "subdirectory" in told else ""
    if "vcs_info" in told:
        url = f"{told['vcs_info']['vcs']}+{url}@{told['vcs_info']['commit_id']}"
    if digest := told.get("archive_info", {}).get("hashes", {}).get("sha256"):
        tail = f"#sha256={digest}"
    return {"url": url + tail, "editable": bool(told.get("dir_info", {}).get("editable"))}


def parse_frozen(text: str) -> list[FrozenPackage]:
    """Read lines as `FrozenPackage.line` writes them; comments are passed over, and no option of pip's is taken.

    Raises:
        UsageError: a line is of another form; it is named.
    """
    found = []
    for number, line in enumerate(map(str.strip, text.split("\n")), 1):
        if match := _LINE.fullmatch(line):
            editable, url, name, version = match.groups(default="")
            found.append(FrozenPackage(name=name, version=version, url=url, editable=bool(editable)))
        elif line and not line.startswith("#"):
            problem = f"Line {number} is {line[:100]!r}, which `zoo plugins freeze` does not write."
            raise UsageError(problem, "Write zoo-whales==0.1.0, or install by pip what it means.")
    return found


def package_of(word: str) -> str | None:
    """The normalized name in `zoo-whales>=0.2`; None for a folder or wheel of this machine, such as `./zoo-whales`.

    Raises:
        UsageError: it is something else, an option of the installer perhaps.
    """
    if match := _ASKED.fullmatch(word):
        return normalize(match[1])
    if not word or word.startswith("-") or not Path(word).exists():
        raise UsageError(f"{word!r} names no package.", "Say zoo-whales, zoo-whales==0.1.0 or ./FOLDER.")
    return None
