"""Search of the Hub, and the metadata of one repository.

The requests are our own: the client's `list_models` has no timeout, tries a dead server for 23 s, and takes what the
server says as it comes. Here an answer is bounded, and read field by field; what is of another type is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from zoo.errors import FetchError
from zoo.files import parse_json
from zoo.hub.card_metadata import ZOO_METADATA_KEY
from zoo.hub.client import endpoint, stream_request, translate_error, with_retries

SEARCH_TAG = "feature-filters"  # the tag in every card that zoo writes
SORTS = {
    "downloads": "downloads",
    "likes": "likes",
    "updated": "lastModified",
    "created": "createdAt",
    "trending": "trendingScore",
}
PAGE = 100  # repositories asked for at once
PAGES = 10  # at most
LARGEST = 32 * 2**20  # bytes of one answer
LONGEST = 300  # characters of one text

_REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubModel:
    """A repository, as the Hub describes it; None and "" for what it does not say."""

    repo: str  # "owner/name"
    commit: str = ""
    updated: str = ""  # ISO 8601
    created: str = ""
    downloads: int | None = None  # in the last month
    likes: int | None = None
    private: bool = False
    gated: str = ""  # "auto" or "manual" where access must be asked for
    license: str = ""
    base_model: str = ""
    backbone: str = ""  # of filters that `zoo push` published
    cut: str = ""
    library: str = ""
    task: str = ""  # the pipeline tag
    datasets: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    files: Mapping[str, int | None]  # name -> bytes
    parameters: int | None = None  # of its safetensors files together
    dtypes: Mapping[str, int]  # "F32" -> how many parameters

    @property
    def size(self) -> int | None:
        """Bytes of all files, None where one is not known."""
        sizes = [size for size in self.files.values() if size is not None]
        return sum(sizes) if self.files and len(sizes) == len(self.files) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class HubRefs:
    """The revisions of a repository that have names: name -> commit."""

    branches: Mapping[str, str]
    tags: Mapping[str, str]


def search_hub(
    words: Sequence[str] = (),
    *,
    author: str | None = None,
    sort: str = "downloads",
    limit: int = 20,
    token: str | None = None,
) -> list[HubModel]:
    """Repositories that hold feature filters.

    The Hub looks for the longest word in their names; the other words may also be in their tags.

    Args:
        words: all must be found, in upper or lower case.
        author: a user or an organisation.
        sort: a key of `SORTS`; the most, or the newest, first.
        limit: how many at most.
        token: for private repositories; `HF_TOKEN` or the stored login where not given.

    Raises:
        FetchError: the Hub could not be reached, or answered with something else.
    """
    wanted = sorted({word.lower() for word in words}, key=lambda word: (len(word), word))
    query = {"filter": SEARCH_TAG, "sort": SORTS[sort], "full": "true", "cardData": "true"}
    query |= {"author": author} if author else {}
    query |= {"search": wanted.pop()} if wanted else {}
    query["limit"] = str(PAGE if wanted else min(limit, PAGE))
    url, found = f"{endpoint()}/api/models?{urlencode(query)}", dict[str, HubModel]()
    for _ in range(PAGES):
        said, following = _request_json(url, token=token, where=endpoint())
        if not isinstance(said, list):
            raise _unexpected_answer_error(endpoint())
        for one in map(_model, said):
            if one is not None and all(word in _searchable_text(one) for word in wanted):
                found.setdefault(one.repo, one)
        if len(found) >= limit or not following:
            break
        url = following
    return list(found.values())[:limit]


def fetch_model_info(repo: str, revision: str, *, token: str | None = None) -> HubModel:
    """What the Hub says of a repository at a revision; none of its files is read.

    Raises:
        FetchError: there is no such repository or revision, or the Hub could not be reached.
    """
    where = f"hf://{repo}@{revision}"
    url = f"{endpoint()}/api/models/{repo}/revision/{quote(revision, safe='')}?blobs=true"
    model = _model(_request_json(url, token=token, where=where)[0])
    if model is None:
        raise _unexpected_answer_error(where)
    return model


def list_refs(repo: str, *, token: str | None = None) -> HubRefs:
    """The branches and tags of a repository. Raises FetchError."""
    where = f"hf://{repo}"
    said, _ = _request_json(f"{endpoint()}/api/models/{repo}/refs", token=token, where=where)
    if not isinstance(said, dict):
        raise _unexpected_answer_error(where)
    return HubRefs(branches=_commits(said.get("branches")), tags=_commits(said.get("tags")))


# ------------------------------------------------------------------------------------------------ helpers


def _request_json(url: str, *, token: str | None, where: str) -> tuple[Any, str]:
    """The answer's JSON, and the address of the next page if there is one."""

    def receive() -> tuple[bytes, str]:
        with stream_request(url, token=token, headers={}) as response:
            content = bytearray()
            for piece in response.iter_bytes():
                content += piece
                if len(content) > LARGEST:
                    raise FetchError(f"{where}: the answer has over {LARGEST:,} bytes.", "Check HF_ENDPOINT.")
            return bytes(content), response.links.get("next", {}).get("url", "")

    raw, following = with_retries(receive, explain=lambda error: translate_error(where, error))
    if urlsplit(following)[:2] != urlsplit(url)[:2]:  # the token is for this server only
        following = ""
    try:
        return parse_json(raw), following
    except ValueError as error:
        raise _unexpected_answer_error(where) from error


def _model(said: Any) -> HubModel | None:
    """One repository of an answer, None where it has no name that could be fetched."""
    repo = said.get("id") if isinstance(said, dict) else None
    if not isinstance(repo, str) or not _REPO.fullmatch(repo) or ".." in repo or "--" in repo:
        return None
    tags = _texts(said.get("tags"))
    card, weights = _table(said.get("cardData")), _table(said.get("safetensors"))
    own = _table(card.get(ZOO_METADATA_KEY))
    gated = said.get("gated")
    return HubModel(
        repo=repo,
        commit=_text(said.get("sha")),
        updated=_text(said.get("lastModified")),
        created=_text(said.get("createdAt")),
        downloads=_count(said.get("downloads")),
        likes=_count(said.get("likes")),
        private=said.get("private") is True,
        gated=_text(gated) or ("auto" if gated is True else ""),
        license=_text(card.get("license")) or _find_tag_value(tags, "license:"),
        base_model=", ".join(_texts(card.get("base_model"))) or _find_tag_value(tags, "base_model:"),
        backbone=_text(own.get("backbone")),
        cut=_text(own.get("cut")),
        library=_text(said.get("library_name")),
        task=_text(said.get("pipeline_tag")),
        datasets=_texts(card.get("datasets")),
        tags=tags,
        files={name: _count(one.get("size")) for name, one in _by_name(said.get("siblings"), "rfilename").items()},
        parameters=_count(weights.get("total")),
        dtypes={_text(key): n for key, n in _table(weights.get("parameters")).items() if _count(n)},
    )


def _searchable_text(model: HubModel) -> str:
    own = (model.repo, model.license, model.base_model, model.backbone, model.cut, model.library, model.task)
    return "\n".join((*own, *model.datasets, *model.tags)).lower()


def _find_tag_value(tags: Sequence[str], start: str) -> str:
    """What follows `license:` among the tags; `base_model:finetune:…` says nothing new."""
    rest = (tag.removeprefix(start) for tag in tags if tag.startswith(start))
    return next((one for one in rest if ":" not in one), "")


def _by_name(said: Any, key: str) -> dict[str, dict[Any, Any]]:
    """The tables of a list by the text that each has under a key."""
    return {
        _text(one.get(key)): one for one in map(_table, said if isinstance(said, list) else ()) if _text(one.get(key))
    }


def _commits(said: Any) -> dict[str, str]:
    return {name: _text(one.get("targetCommit")) for name, one in _by_name(said, "name").items()}


def _table(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return " ".join(value.split())[:LONGEST] if isinstance(value, str) else ""


def _texts(value: Any) -> tuple[str, ...]:
    """One text or a list of them: cards have both."""
    listed = value if isinstance(value, list) else [value]
    return tuple(text for text in map(_text, listed[:LONGEST]) if text)


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 2**63 else None


def _unexpected_answer_error(where: str) -> FetchError:
    return FetchError(f"{where}: the server does not answer as the Hub does.", "Check HF_ENDPOINT.")
