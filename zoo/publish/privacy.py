"""What must not be published: paths of the author's machine, names of the author and the machine, secrets."""

from __future__ import annotations

import getpass
import os
import re
import socket
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from zoo.errors import FileError, ZooError

MOST_SHOWN = 20
LARGEST_TEXT = 2**26  # bytes of a text that are searched

_TOP_FOLDERS = (
    "home|Users|root|mnt|media|data|scratch|work|workspace|projects?|export|storage|nfs|lustre|gpfs|Volumes|tmp"
)
_PATHS = (
    re.compile(rf"(?:(?<=file://)|(?<![\w.:/~\\-]))/(?:{_TOP_FOLDERS})/[^\s\"'`<>()\[\]{{}}|,;*]+"),
    re.compile(r"(?<![A-Za-z0-9])[A-Za-z]:(?:\\{1,2}|/)[\w .-]+(?:\\{1,2}|/)[^\s\"'`<>()\[\]|,;*]+"),
)
_SECRETS = {
    "a Hugging Face token": r"\bhf_[A-Za-z0-9]{20,}",
    "a GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{22,})",
    "a GitLab token": r"\bglpat-[\w-]{20,}",
    "an AWS key": r"\bA[KS]IA[0-9A-Z]{16}\b",
    "an API key": r"\bsk-[A-Za-z0-9_-]{20,}",
    "a Google key": r"\bAIza[\w-]{35}",
    "a Slack token": r"\bxox[abprs]-[\w-]{10,}",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
}
_COMMON_NAMES = """
    root user users admin administrator ubuntu debian centos fedora docker runner jovyan vagrant guest test
    tester nobody ec2-user worker node home data zoo python localhost default developer
    server desktop laptop host build main cluster
"""
_GENERIC_NAMES = frozenset(_COMMON_NAMES.split())  # names too common to identify anybody


class PrivacyError(ZooError):
    """Something private would have been published; nothing was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalData:
    """What is known of the author and the machine."""

    user: str = ""
    host: str = ""
    folders: tuple[str, ...] = ()  # the home and the current folder
    secrets: tuple[str, ...] = ()  # the logins that are known here
    owner: str = ""  # of the repository, whose name may be read by all


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyFinding:
    """Something private in a file."""

    file: str
    line: str  # "line 12", "metadata", "name"
    kind: str  # "a path", "the user's name", "a Hugging Face token"
    text: str  # what was found; a secret's is empty


def collect_personal_data(*, owner: str = "", secrets: Iterable[str] = ()) -> PersonalData:
    """What this machine and its user are called.

    Args:
        owner: of the repository; where the user has the same name it is no secret.
        secrets: tokens that are known here.
    """
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = ""
    folders = [str(folder) for folder in (Path.home(), Path.cwd()) if len(folder.parts) > 1]
    known = (*secrets, *(os.environ.get(name, "") for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")))
    return PersonalData(
        user=user,
        host=socket.gethostname(),
        folders=tuple(dict.fromkeys(folders)),
        secrets=tuple(dict.fromkeys(secret for secret in known if len(secret) >= 8)),
        owner=owner,
    )


def check_privacy(
    files: Mapping[str, Path], known: PersonalData, *, allow: Iterable[str] = (), texts: Mapping[str, str] | None = None
) -> None:
    """Refuse to publish files in which something private is found.

    Args:
        files: by their published names.
        allow: texts that may be published all the same.
        texts: that are published too and lie in no file, by what they are ("the commit's message").

    Raises:
        PrivacyError: all findings, each with its file, line and kind; a secret's value is never printed.
    """
    findings = find_private_texts(files, known, allow=allow, texts=texts)
    if not findings:
        return
    lines = [f"{one.file}, {one.line}: {one.kind}" + (f" {one.text!r}" if one.text else "") for one in findings]
    more = f"; and {len(lines) - MOST_SHOWN} more" if len(lines) > MOST_SHOWN else ""
    raise PrivacyError(
        f"Nothing was sent, because something private would be published: {'; '.join(lines[:MOST_SHOWN])}{more}.",
        "Take it out of the run's recipe, options and texts, or let it through: `allow=['TEXT']`.",
    )


def find_private_texts(
    files: Mapping[str, Path], known: PersonalData, *, allow: Iterable[str] = (), texts: Mapping[str, str] | None = None
) -> list[PrivacyFinding]:
    """All that is private in files: texts, the headers of safetensors and the texts in PNG pictures; and in `texts`.

    Raises:
        FileError: a file cannot be read.
    """
    patterns, allowed = _patterns(known), tuple(text for text in allow if text)
    findings: dict[PrivacyFinding, None] = {}
    places = [(name, "text", text) for name, text in (texts or {}).items()]
    in_files = ((name, *one) for name, path in sorted(files.items()) for one in (("name", name), *_read_texts(path)))
    for name, line, text in chain(places, in_files):
        for kind, found, secret in _search(text, patterns):
            if not any(found == one or found.startswith(one.rstrip("/") + "/") for one in allowed):
                findings[PrivacyFinding(file=name, line=line, kind=kind, text="" if secret else found)] = None
    return list(findings)


# ------------------------------------------------------------------------------------------------ searching


@dataclass(frozen=True, slots=True)
class _Pattern:
    kind: str
    regex: re.Pattern[str]
    secret: bool = False


def _patterns(known: PersonalData) -> list[_Pattern]:
    patterns = [_Pattern("a login of this machine", re.compile(re.escape(one)), True) for one in known.secrets]
    patterns += [_Pattern(kind, re.compile(regex), True) for kind, regex in _SECRETS.items()]
    patterns += [_Pattern("a path of this machine", regex) for regex in _PATHS]
    patterns += [
        _Pattern(
            "a path of this machine", re.compile(rf"(?<![\w.~-]){re.escape(folder)}(?![\w-])[^\s\"'`<>()\[\]|,;*]*")
        )
        for folder in known.folders
    ]
    names = {"the user's name": known.user}
    names |= {"this machine's name": known.host, "this machine's name ": known.host.partition(".")[0]}
    patterns += [
        _Pattern(kind.strip(), re.compile(rf"(?<!\w){re.escape(name)}(?!\w)"))
        for kind, name in names.items()
        if len(name) >= 4 and name.lower() not in _GENERIC_NAMES | {known.owner.lower()}
    ]
    return patterns


def _search(text: str, patterns: Iterable[_Pattern]) -> Iterator[tuple[str, str, bool]]:
    """(kind, what was found, whether it is a secret); what one pattern has found the next ones do not see."""
    for pattern in patterns:
        for found in pattern.regex.findall(text):
            yield pattern.kind, found.rstrip(".:\\/"), pattern.secret
        text = pattern.regex.sub(" ", text)


# ------------------------------------------------------------------------------------------------ reading


def _read_texts(path: Path) -> Iterator[tuple[str, str]]:
    """(where, text): each line of a text, the header of safetensors, the texts in a PNG."""
    try:
        with path.open("rb") as opened:
            start = opened.read(8)
            if path.suffix == ".safetensors":
                raw = opened.read(min(int.from_bytes(start, "little"), LARGEST_TEXT))
                yield from (("metadata", line) for line in raw.decode("utf-8", "replace").splitlines())
                return
            content = start + opened.read(LARGEST_TEXT)
    except OSError as error:
        raise FileError(path, f"it cannot be read ({error.strerror or error})", "Check the path.") from error
    if start == b"\x89PNG\r\n\x1a\n":
        yield from (("metadata", text) for text in _read_png_texts(content))
        return
    text = content.decode("latin-1" if b"\0" in content else "utf-8", "replace")
    yield from ((f"line {number}", line) for number, line in enumerate(text.splitlines(), 1))


# Ours and not Pillow's, which drops all but the last text of one keyword, and whatever follows the end.
def _read_png_texts(content: bytes) -> Iterator[str]:
    """The texts of a PNG: tEXt, zTXt, iTXt and eXIf, and whatever follows its end."""
    at = 8
    while at + 8 <= len(content):
        size, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        body = content[at + 8 : at + 8 + size]
        at += size + 12
        if kind in (b"zTXt", b"iTXt"):
            yield " ".join(_decompress(part).decode("utf-8", "replace") for part in _split_text_chunk(kind, body))
        elif kind in (b"tEXt", b"eXIf"):
            yield body.replace(b"\0", b" ").decode("latin-1")
        elif kind == b"IEND":
            yield content[at:].decode("latin-1")
            return


def _split_text_chunk(kind: bytes, body: bytes) -> list[bytes]:
    keyword, _, rest = body.partition(b"\0")
    return [keyword, rest[1:]] if kind == b"zTXt" else [keyword, *rest[2:].split(b"\0", 2)]


def _decompress(part: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(part, LARGEST_TEXT)
    except zlib.error:
        return part
