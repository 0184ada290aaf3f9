"""Filters are searched here and on the Hub; what the Hub says of a repository is shown without its weights."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from fcntl import ioctl
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import torch
from command_line import CommandLine
from hub_server import HubServer
from published_folder import write_published

from zoo.errors import FetchError
from zoo.hub.search import fetch_model_info, search_hub
from zoo.store.registry_editing import add_entry
from zoo.store.registry_file import RegistryEntry
from zoo.store.safetensors import write_tensors

MODEL = "model.safetensors"
TENSORS = {f"features.{number}.weight": torch.full((200, 200), float(number)) for number in range(3)}
CARD = """---
library_name: zoo
pipeline_tag: image-feature-extraction
license: {license}
base_model: {base}
tags: [zoo, feature-filters]
datasets: [{data}]
---
# Filters
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("zoo.hub.client.BACK_OFF", 0.02)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with HubServer(tmp_path / "hub", page=3) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(monkeypatch, capsys)


def card(hub: HubServer, repo: str, *, license: str = "mit", base: str = "timm/vgg16", data: str = "minnows") -> None:
    """A repository of which only the card matters."""
    hub.add(repo, {"README.md": CARD.format(license=license, base=base, data=data).encode()})


def publish(hub: HubServer, repo: str = "owner/vgg16-minnows") -> str:
    """Whole filters; gives back their commit."""
    write_published(hub.root / repo, TENSORS)
    card(hub, repo)
    manifest = json.loads((hub.root / repo / "config.json").read_text())
    del manifest["files"]["README.md"]
    (hub.root / repo / "config.json").write_text(json.dumps(manifest))
    return hub.commit(repo)


def local(name: str = "vgg16-pond", **facts: str) -> None:
    known = {"backbone": "vgg16", "cut": "block4", "about": "Newts in ponds.", "license": "cc0-1.0", **facts}
    add_entry(RegistryEntry(name=name, sources=("/nowhere/filters",), **known))


def names(command: CommandLine, *words: str) -> list[str]:
    """What a search finds on the Hub and among the names of the test's own."""
    answer = command("search", *words, "--json")
    assert answer.status == 0, answer.err
    found = json.loads(answer.out)
    return [one["name"] for one in found if one["where"] == "Hub" or "home" in (one["registry"] or "")]


def on_terminal(*words: str, columns: int) -> str:
    """What a command prints on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen([sys.executable, "-m", "zoo", *words], stdout=theirs, stderr=subprocess.DEVNULL)
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 10_000):
            seen += piece
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    process.wait(timeout=60)
    return seen.decode()


@contextlib.contextmanager
def answering(said: object) -> Iterator[str]:
    """A server that says the same whatever it is asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


# ------------------------------------------------------------------------------------------------ what is found


def test_only_feature_filters_are_found(hub: HubServer, command: CommandLine) -> None:
    card(hub, "owner/minnows")
    hub.add("owner/minnows-chat", {"README.md": b"---\nlicense: mit\ntags: [chat]\n---\n"})
    assert names(command, "minnows") == ["owner/minnows"]


def test_a_row_has_what_is_known(hub: HubServer, command: CommandLine) -> None:
    card(hub, "owner/minnows", license="cc-by-4.0")
    hub.set("owner/minnows", downloads=12345, likes=7)
    answer = command("search", "minnows")
    head, row = answer.out.splitlines()[0], answer.out.splitlines()[-1]
    assert head.split() == ["name", "where", "backbone", "licence", "downloads", "likes", "updated"]
    today = time.strftime("%Y-%m-%d", time.gmtime())
    assert row.split() == ["owner/minnows", "Hub", "timm/vgg16", "cc-by-4.0", "12,345", "7", today]


def test_names_of_the_registries_come_first(hub: HubServer, command: CommandLine) -> None:
    local()
    card(hub, "owner/pond")
    assert names(command, "pond") == ["vgg16-pond", "owner/pond"]


@pytest.mark.parametrize("words", [["NEWTS"], ["cc0", "block4"], ["newts vgg16"], ["pond", "ponds"]])
def test_all_words_must_be_said_of_a_local_name(hub: HubServer, command: CommandLine, words: list[str]) -> None:
    local()
    local("vgg16-sea", about="Squid.", license="mit")
    assert names(command, *words) == ["vgg16-pond"]


def test_of_the_hub_too_all_words_must_match(hub: HubServer, command: CommandLine) -> None:
    card(hub, "owner/minnows-deep", data="sonar")
    card(hub, "owner/minnows-wide", data="lidar")
    assert names(command, "minnows", "SONAR") == ["owner/minnows-deep"]
    assert names(command, "minnows", "sonar", "radar") == []


def test_an_author_narrows_both(hub: HubServer, command: CommandLine) -> None:
    local()
    add_entry(RegistryEntry(name="mine", sources=("hf://owner/minnows@main",)))
    card(hub, "owner/minnows")
    card(hub, "other/minnows")
    answer = command("search", "--author", "owner", "--json")
    assert [(one["name"], one["where"]) for one in json.loads(answer.out)] == [("mine", "registry, Hub")]


def test_a_repository_with_a_local_name_is_not_listed_twice(hub: HubServer, command: CommandLine) -> None:
    card(hub, "owner/minnows")
    hub.set("owner/minnows", downloads=5)
    add_entry(RegistryEntry(name="minnows", sources=("hf://owner/minnows@main",)))
    (one,) = [one for one in json.loads(command("search", "minnows", "--json").out) if one["repo"]]
    assert (one["name"], one["where"], one["downloads"]) == ("minnows", "registry, Hub", 5)


def test_the_hubs_come_by_downloads_or_as_asked(hub: HubServer, command: CommandLine) -> None:
    for number, (downloads, likes) in enumerate([(5, 1), (9, 2), (7, 3)]):
        card(hub, f"owner/minnows-{number}")
        hub.set(f"owner/minnows-{number}", downloads=downloads, likes=likes)
    assert [name[-1] for name in names(command, "minnows")] == ["1", "2", "0"]
    assert [name[-1] for name in names(command, "minnows", "--sort", "likes")] == ["2", "1", "0"]
    for sort in ("updated", "created", "trending"):
        assert len(names(command, "minnows", "--sort", sort)) == 3


def test_pages_are_asked_for_up_to_the_limit_only(hub: HubServer, command: CommandLine) -> None:
    for number in range(10):
        card(hub, f"owner/minnows-{number}")
    assert len(search_hub(["minnows"], limit=200)) == 10  # the server gives three at once
    hub.forget()
    assert len(names(command, "minnows", "--limit", "2")) == 2
    assert hub.count("GET", "/api/models") == 1


def test_a_page_on_another_server_is_not_asked_for(hub: HubServer, command: CommandLine, tmp_path: Path) -> None:
    for number in range(5):
        card(hub, f"owner/minnows-{number}")
    with HubServer(tmp_path / "other") as other:
        real, hub.url = hub.url, other.url  # the next page is said to lie there
        try:
            assert len(search_hub(["minnows"], limit=200, token="hf_secret")) == 3
        finally:
            hub.url = real
        assert other.requests == []


def test_a_private_repository_is_found_with_a_token(hub: HubServer, command: CommandLine) -> None:
    card(hub, "owner/minnows")
    hub.set("owner/minnows", private=True)
    assert names(command, "minnows") == []
    assert names(command, "minnows", "--token", "hf_secret") == ["owner/minnows"]


def test_a_folder_of_the_same_name_does_not_stand_in_the_way(
    hub: HubServer, command: CommandLine, tmp_path: Path
) -> None:
    publish(hub, "owner/minnows")
    (tmp_path / "owner" / "minnows").mkdir(parents=True)
    assert names(command, "minnows") == ["hf://owner/minnows"]
    assert command("info", "hf://owner/minnows").status == 0


def test_every_name_found_is_one_for_info_and_fetch(hub: HubServer, command: CommandLine) -> None:
    publish(hub)
    (name,) = names(command, "minnows")
    assert command("info", name).status == 0
    assert command("fetch", name).status == 0


# ------------------------------------------------------------------------------------------------ what is not


def test_nothing_found_says_what_was_searched(hub: HubServer, command: CommandLine) -> None:
    answer = command("search", "xyzzy", "--author", "owner")
    assert answer.status == 0
    assert answer.out == ""
    expected = f"Nothing was found for 'xyzzy' of owner in the registries of this machine and {hub.url}."
    assert answer.err.startswith(f"{expected} Run `zoo list`")
    assert command("search", "xyzzy", "--json").out == "[]\n"


def test_without_a_network_the_local_names_are_shown(
    hub: HubServer, command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    local()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    answer = command("search", "newts")
    assert answer.status == 0
    assert "vgg16-pond" in answer.out
    assert answer.err.splitlines()[0].startswith("Only the registries were searched. http://127.0.0.1:9 could not be")


def test_without_a_network_and_local_names_it_fails(
    hub: HubServer, command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert command("search", "xyzzy").fault.startswith("http://127.0.0.1:9 could not be fetched")


def test_a_hub_that_is_busy_once_is_asked_again(hub: HubServer, command: CommandLine) -> None:
    card(hub, "owner/minnows")
    hub.fail("status", 503)
    assert names(command, "minnows") == ["owner/minnows"]


@pytest.mark.parametrize("how", ["flag", "environment"])
def test_offline_nothing_is_asked(
    hub: HubServer, command: CommandLine, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    local()
    card(hub, "owner/newts")
    if how == "environment":
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    answer = command("search", "newts", *(["--offline"] if how == "flag" else []))
    assert "vgg16-pond" in answer.out
    assert "owner/newts" not in answer.out
    assert hub.requests == []


def test_offline_and_nothing_found_names_no_server(hub: HubServer, command: CommandLine) -> None:
    answer = command("search", "xyzzy", "--offline")
    assert answer.err.startswith("Nothing was found for 'xyzzy' in the registries of this machine. Run `zoo list`")


def test_offline_the_hubs_client_is_not_imported(hub: HubServer) -> None:
    code = (
        "import sys; sys.argv = ['zoo', 'search', 'vgg', '--offline']\nfrom zoo.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(*{'torch', 'pydantic', 'huggingface_hub', 'rich', 'numpy'} & sys.modules.keys(), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == ""


# ------------------------------------------------------------------------------------------------ strangers


def test_strangers_texts_cannot_steer_the_terminal(hub: HubServer, command: CommandLine) -> None:
    card(hub, "owner/minnows", base='"evil\\e[2J\\u202Ename"', license='"mit\\nowner/fake  Hub"')
    out = command("search", "minnows").out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert len(out.splitlines()) == 2


def test_long_texts_are_cut_to_the_terminals_width(hub: HubServer) -> None:
    card(hub, "owner/minnows", base="b" * 250, license="l" * 250)
    lines = on_terminal("search", "minnows", columns=90).splitlines()
    assert len(lines) == 2
    assert all(len(line.replace("\x1b[1m", "").replace("\x1b[0m", "")) <= 90 for line in lines)
    assert "owner/minnows" in lines[1]
    assert "bbb…" in lines[1]


@pytest.mark.parametrize(
    "said",
    [
        [{"id": "../../etc"}, {"id": "a/b\x1b[2J"}, {"id": "-rf/x"}, {"id": 5}, {}, None, {"id": "n" * 200 + "/x"}],
        [{"id": "o/x", "tags": 5, "cardData": [], "downloads": "many", "siblings": {}, "safetensors": 3}],
        [{"id": "o/x", "cardData": {"license": {}, "base_model": [None, 3]}, "gated": {}, "lastModified": 12}],
    ],
)
def test_what_is_no_repository_is_passed_over(monkeypatch: pytest.MonkeyPatch, said: list[object]) -> None:
    with answering(said) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        found = search_hub(["x"])
    assert all((one.repo, one.license, one.downloads, one.parameters) == ("o/x", "", None, None) for one in found)


def test_an_answer_that_is_no_list_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering({"error": "no"}) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        with pytest.raises(FetchError, match=r"the server does not answer as the Hub does\. Check HF_ENDPOINT"):
            search_hub()


def test_an_answer_without_an_end_is_not_taken(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    card(hub, "owner/minnows")
    monkeypatch.setattr("zoo.hub.client.LARGEST", 100)
    with pytest.raises(FetchError, match="the answer has over 100 bytes"):
        search_hub()


# ------------------------------------------------------------------------------------------------ info


def test_info_shows_what_the_hub_says_without_the_weights(hub: HubServer, command: CommandLine) -> None:
    commit = publish(hub)
    hub.set("owner/vgg16-minnows", downloads=4321, likes=9)
    answer = command("info", "owner/vgg16-minnows")
    lines = {line.split("  ")[0]: line.split("  ")[-1].strip() for line in answer.out.splitlines()}
    assert lines["commit"] == commit
    assert lines["downloads"] == "4,321 in the last month"
    assert lines["likes"] == "9"
    assert lines["access"] == "public"
    assert lines["task"] == "image-feature-extraction"
    assert lines["parameters"] == "120,000 (F32)"
    assert lines["branches"] == "main"
    assert lines["all files"].startswith("4, ")
    assert hub.sent_of(MODEL) == 0
    assert hub.sent_of() < 20_000


def test_infos_json_has_all_of_it(hub: HubServer, command: CommandLine) -> None:
    commit = publish(hub)
    said = json.loads(command("info", "owner/vgg16-minnows", "--json").out)
    assert said["name"] == "vgg16-minnows"
    assert said["hub"]["commit"] == commit
    assert said["hub"]["parameters"] == 120_000
    assert said["hub"]["bytes"] == sum(said["hub"]["files"].values())
    assert said["hub"]["branches"] == {"main": commit}


def test_info_of_a_folder_asks_no_hub(hub: HubServer, command: CommandLine, tmp_path: Path) -> None:
    write_published(tmp_path / "filters", TENSORS)
    said = json.loads(command("info", "./filters", "--json").out)
    assert said["hub"] is None
    assert hub.requests == []


def test_info_offline_shows_what_is_cached(hub: HubServer, command: CommandLine) -> None:
    publish(hub)
    command("fetch", "owner/vgg16-minnows")
    hub.forget()
    answer = command("info", "owner/vgg16-minnows", "--offline")
    assert answer.status == 0
    assert "likes" not in answer.out
    assert hub.requests == []


def test_info_without_a_network_shows_what_is_cached(
    hub: HubServer, command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(hub)
    command("fetch", "owner/vgg16-minnows")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    answer = command("info", "owner/vgg16-minnows")
    assert answer.status == 0
    assert "vgg16-minnows" in answer.out
    assert "Only what is on this disk is shown." in answer.err


def test_info_of_other_weights_says_how_they_may_be_a_start(
    hub: HubServer, command: CommandLine, tmp_path: Path
) -> None:
    write_tensors(tmp_path / MODEL, {"features.0.weight": torch.ones(300, 300)})
    readme = b"---\nlicense: apache-2.0\nlibrary_name: timm\nbase_model: timm/vgg16\ntags: [image]\n---\n"
    files = {MODEL: (tmp_path / MODEL).read_bytes(), "README.md": readme, "config.json": b'{"architecture": "vgg16"}'}
    hub.add("other/net", files)
    answer = command("info", "other/net")
    assert answer.status == 0
    for text in ("apache-2.0", "timm", "timm/vgg16", "image, ", f"{MODEL}", "90,000 parameters"):
        assert text in answer.out
    assert "zoo train … --backbone NAME --weights hf://other/net" in answer.err
    assert hub.sent_of(MODEL) == 0


def test_several_weight_files_are_counted_by_their_headers(
    hub: HubServer, command: CommandLine, tmp_path: Path
) -> None:
    for name, side in (("a", 100), ("b", 300)):
        write_tensors(tmp_path / name, {"features.0.weight": torch.ones(side, side)})
        hub.add("other/net", {f"{name}.safetensors": (tmp_path / name).read_bytes()})
    said = json.loads(command("info", "other/net", "--json").out)
    assert said["manifest"] is None
    assert said["weights"] == {"a.safetensors": 10_000, "b.safetensors": 90_000}
    assert hub.sent_of("b.safetensors") <= 16 * 1024


def test_info_of_a_repository_without_weights_says_so(hub: HubServer, command: CommandLine) -> None:
    hub.add("other/text", {"README.md": b"---\nlicense: mit\n---\n"})
    assert "It has no safetensors file to start from either." in command("info", "other/text").err


def test_info_of_a_wrong_manifest_of_ours_is_an_error(hub: HubServer, command: CommandLine) -> None:
    hub.add("owner/broken", {"config.json": b'{"library": "zoo", "format_version": 1}'})
    assert "config.json is wrong" in command("info", "owner/broken").fault


def test_info_of_a_gated_repository_says_what_to_do(hub: HubServer, command: CommandLine) -> None:
    hub.add("other/net", {"config.json": b"{}"})
    hub.set("other/net", gated="manual")
    assert "ask its owner for access" in command("info", "other/net").fault


def test_info_without_a_network_asks_no_longer_than_it_must(
    hub: HubServer, command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering({}) as url:  # a server that is gone
        monkeypatch.setenv("HF_ENDPOINT", url)
    began = time.monotonic()
    assert "could not be fetched" in command("info", "owner/vgg16-minnows").fault
    assert time.monotonic() - began < 2


def test_info_of_no_repository_is_an_error(hub: HubServer, command: CommandLine) -> None:
    assert "there is no such repository, or it is private" in command("info", "other/nothing").fault


def test_strangers_tags_cannot_steer_the_terminal_either(hub: HubServer, command: CommandLine) -> None:
    hub.add("other/net", {"README.md": b'---\nlicense: "x\\e[2Jy"\ntags: ["a\\nlicence  fake"]\n---\n'})
    out = command("info", "other/net").out
    assert "\x1b" not in out
    assert not any(line.startswith("licence  fake") for line in out.splitlines())


def test_a_tag_is_described_by_its_commit(hub: HubServer) -> None:
    commit = publish(hub)
    assert fetch_model_info("owner/vgg16-minnows", commit).commit == commit
    with pytest.raises(FetchError, match="there is no such revision"):
        fetch_model_info("owner/vgg16-minnows", "v9")
