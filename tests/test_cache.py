"""What lies in the caches is listed, verified and removed; nothing else is ever touched."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from command_line import Answer, CommandLine
from hub_server import HubServer
from published_folder import write_published

from zoo.errors import ZooWarning
from zoo.files import temporary_folder
from zoo.models.fetching import fetch
from zoo.store.artifact import open_artifact, read_backbone_tensors
from zoo.store.cache.contents import CacheContents, list_caches
from zoo.store.registry_editing import add_entry
from zoo.store.registry_file import RegistryEntry
from zoo.store.safetensors import write_tensors
from zoo.store.source_parsing import parse_source

MODEL = "model.safetensors"
TENSORS = {f"features.{number}.weight": torch.full((50, 100), float(number)) for number in range(4)}
MINNOWS = "owner/minnows"


class Caches:
    """A Hub with filters, and the caches of one who fetches from it."""

    def __init__(self, hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hub, self.cache, self.home = hub, tmp_path / "cache", tmp_path / "home"
        self._monkeypatch, self.scratch = monkeypatch, tmp_path / "scratch"

    def publish(self, repo: str = MINNOWS, *, more: float = 0.0, **changes: object) -> str:
        """Filters on the Hub; gives back their commit."""
        folder = self.hub.root / repo
        write_published(folder, {name: tensor + more for name, tensor in TENSORS.items()}, **changes)
        return self.hub.commit(repo)

    def fetched(self, repo: str = MINNOWS, **changes: object) -> str:
        """Filters on the Hub that are fetched; gives back their commit."""
        commit = self.publish(repo, **changes)  # type: ignore[arg-type]
        fetch(f"hf://{repo}")
        return commit

    def weights(self, repo: str = "other/net") -> str:
        """Somebody's weights, in the cache as another library leaves them; gives back their commit."""
        self.scratch.mkdir(exist_ok=True)
        write_tensors(self.scratch / MODEL, {"weight": torch.ones(30, 30)})
        self.hub.add(repo, {MODEL: (self.scratch / MODEL).read_bytes(), "config.json": b'{"model_type": "net"}'})
        for name in (MODEL, "config.json"):
            parse_source(f"hf://{repo}").fetch(name)
        return self.hub.commit(repo)

    def folder(self, repo: str = MINNOWS) -> Path:
        return self.cache / f"models--{repo.replace('/', '--')}"

    def blob(self, name: str, repo: str = MINNOWS) -> Path:
        """Where the newest snapshot's file has its bytes."""
        return (self.folder(repo) / "snapshots" / self.hub.commit(repo) / name).resolve()

    def look(self) -> CacheContents:
        return list_caches()


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Caches]:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("zoo.hub.client.BACK_OFF", 0.02)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with HubServer(tmp_path / "hub") as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield Caches(hub, tmp_path, monkeypatch)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(monkeypatch, capsys)


def listed(command: CommandLine) -> dict[str, object]:
    answer = command("cache", "list", "--json")
    assert answer.status == 0, answer.err
    said = json.loads(answer.out)
    assert isinstance(said, dict)
    return said


def failed(answer: Answer) -> str:
    """The last line on stderr of a command that failed after it had told something."""
    assert answer.status == 1, answer
    assert "Traceback" not in answer.err
    return answer.err.splitlines()[-1].removeprefix("Error: ")


def flip(path: Path, at: int = -10) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)


def break_off(caches: Caches, repo: str = MINNOWS, size: int = 1000) -> Path:
    """What a killed download leaves."""
    path = caches.folder(repo) / "blobs" / f"{'a' * 64}.incomplete"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    return path


def keep_parts(caches: Caches) -> Path:
    """Filters of which one tensor was read by ranges."""
    caches.publish()
    read_backbone_tensors(open_artifact(f"hf://{MINNOWS}"), ["features.2.weight"])
    (path,) = (caches.home / "parts").rglob(MODEL)
    return path


def decode(caches: Caches, name: str = "0123456789abcdef0123456789abcdef-64") -> Path:
    folder = caches.home / "decoded" / name
    folder.mkdir(parents=True)
    (folder / "images.raw").write_bytes(bytes(5000))
    (folder / "table.json").write_text("{}")
    return folder


# ------------------------------------------------------------------------------------------------ list


def test_an_empty_cache_says_so(caches: Caches, command: CommandLine) -> None:
    answer = command("cache", "list")
    assert answer.status == 0
    assert answer.out == ""
    assert "Run `zoo list` for what can be fetched." in answer.err


def test_fetched_filters_are_listed_whole(caches: Caches, command: CommandLine) -> None:
    commit = caches.fetched()
    answer = command("cache", "list")
    line = next(line for line in answer.out.splitlines() if line.startswith(MINNOWS))
    assert line.split()[:5] == [MINNOWS, "filters", "main", commit[:7], "4"]
    assert line.endswith("kB  yes")
    assert str(caches.cache) in answer.out


def test_the_json_has_bytes_files_and_folders(caches: Caches, command: CommandLine) -> None:
    commit = caches.fetched()
    said = listed(command)
    (one,) = said["stored"]  # type: ignore[misc]
    assert (one["repo"], one["commit"], one["refs"], one["whole"]) == (MINNOWS, commit, ["main"], True)
    assert one["bytes"] == sum(one["files"].values()) == said["bytes"]
    assert Path(one["folder"], MODEL).is_file()


def test_a_registrys_name_stands_beside_its_repository(caches: Caches, command: CommandLine) -> None:
    commit = caches.fetched()
    add_entry(RegistryEntry(name="minnows", sources=(f"hf://{MINNOWS}@{commit}",)))
    assert f"{MINNOWS} (minnows)" in command("cache", "list").out


def test_a_manifest_alone_is_not_whole(caches: Caches, command: CommandLine) -> None:
    caches.publish()
    open_artifact(f"hf://{MINNOWS}")
    assert "no: 3 files were not fetched" in command("cache", "list").out


def test_a_file_of_the_wrong_size_is_not_whole(caches: Caches, command: CommandLine) -> None:
    caches.fetched()
    with caches.blob(MODEL).open("r+b") as opened:
        opened.truncate(100)
    assert "no: model.safetensors: 100 bytes, where the manifest promises" in command("cache", "list").out


def test_a_link_without_its_blob_is_listed_not_whole(caches: Caches, command: CommandLine) -> None:
    caches.fetched()
    caches.blob(MODEL).unlink()
    assert "no: model.safetensors: its bytes are not in the cache" in command("cache", "list").out


def test_other_libraries_weights_are_listed_as_weights(caches: Caches, command: CommandLine) -> None:
    commit = caches.weights()
    (one,) = caches.look().stored
    assert (one.kind, one.revision.repo, one.revision.commit, one.whole) == ("weights", "other/net", commit, True)


def test_repositories_without_weights_are_none_of_ours(caches: Caches) -> None:
    caches.hub.add("other/text", {"config.json": b'{"model_type": "net"}'})
    parse_source("hf://other/text").fetch("config.json")
    assert caches.look().stored == ()


def test_kept_parts_say_how_much_of_how_much(caches: Caches, command: CommandLine) -> None:
    path = keep_parts(caches)
    (one,) = listed(command)["parts"]  # type: ignore[misc]
    assert one["file"] == MODEL
    assert one["of"] == path.stat().st_size
    assert 20_000 < one["bytes"] < one["of"]
    assert " of 8" in command("cache", "list").out


def test_broken_off_downloads_are_listed(caches: Caches, command: CommandLine) -> None:
    caches.fetched()
    path = break_off(caches)
    assert listed(command)["broken_off"] == [{"repo": MINNOWS, "path": str(path), "bytes": 1000, "running": False}]
    assert "Unfinished downloads" in command("cache", "list").out


def test_decoded_pictures_and_datasets_are_listed_with_their_last_use(caches: Caches, command: CommandLine) -> None:
    decode(caches)
    drawn = caches.home / "datasets" / "digits"
    drawn.mkdir(parents=True)
    (drawn / "digits.npz").write_bytes(bytes(300))
    said = listed(command)
    assert [one["bytes"] for one in said["decoded"]] == [5002]  # type: ignore[attr-defined]
    assert [one["folder"] for one in said["datasets"]] == [str(drawn)]  # type: ignore[attr-defined]
    out = command("cache", "list").out
    assert time.strftime("%Y-%m-%d") in out
    assert "5.3 kB together" in out


def test_bytes_that_two_revisions_share_count_once(caches: Caches, command: CommandLine) -> None:
    caches.fetched()
    once = listed(command)["bytes"]
    caches.fetched(about="With a text.")
    said = listed(command)
    assert len(said["stored"]) == 2  # type: ignore[arg-type]
    config = caches.blob("config.json").stat().st_size
    assert said["bytes"] == once + config  # type: ignore[operator]


def test_a_folder_that_cannot_be_read_is_a_warning(caches: Caches, command: CommandLine) -> None:
    caches.fetched()
    bad = caches.cache / "models--bad--one"
    (bad / "refs").mkdir(parents=True)
    (bad / "refs" / "main").symlink_to(bad / "nowhere")
    answer = command("cache", "list")
    assert answer.status == 0
    assert MINNOWS in answer.out
    assert f"Passed over: {bad}: it cannot be read" in answer.err


def test_a_manifest_of_nonsense_is_named_and_harms_no_other(caches: Caches, command: CommandLine) -> None:
    caches.fetched()
    caches.fetched("owner/sound")
    caches.blob("config.json").write_text('{"library": "zoo", "files": []}')
    out = command("cache", "list").out
    assert "no: config.json: owner/minnows@" in out
    assert "yes" in next(line for line in out.splitlines() if line.startswith("owner/sound"))


def test_listing_asks_the_hub_nothing(caches: Caches, command: CommandLine) -> None:
    caches.fetched()
    caches.hub.forget()
    command("cache", "list")
    command("cache", "verify")
    assert caches.hub.requests == []


def test_another_cache_may_be_named(caches: Caches, command: CommandLine, tmp_path: Path) -> None:
    caches.publish()
    fetch(f"hf://{MINNOWS}", cache_dir=tmp_path / "elsewhere")
    assert command("cache", "list").out == ""
    assert MINNOWS in command("cache", "list", "--cache-dir", tmp_path / "elsewhere").out
    assert command("cache", "remove", MINNOWS, "--yes", "--cache-dir", tmp_path / "elsewhere").status == 0
    assert command("cache", "list", "--cache-dir", tmp_path / "elsewhere").out == ""


# ------------------------------------------------------------------------------------------------ verify


def test_sound_filters_verify(caches: Caches, command: CommandLine) -> None:
    commit = caches.fetched()
    answer = command("cache", "verify")
    assert answer.status == 0
    assert answer.out.startswith(f"{MINNOWS}@{commit[:7]}: ")
    assert "every hash is right" in answer.out


def test_a_flipped_byte_is_found_and_the_remedy_heals_it(caches: Caches, command: CommandLine) -> None:
    commit = caches.fetched()
    flip(caches.blob(MODEL))
    answer = command("cache", "verify")
    assert "damaged. model.safetensors: its hash is" in answer.out
    heal = f"zoo fetch {MINNOWS}@{commit}"
    assert failed(answer) == f"1 of 1 are damaged. Run `{heal}`."
    assert command(*heal.split()[1:]).status == 0
    assert command("cache", "verify").status == 0


def test_a_lost_blob_is_found_and_the_remedy_heals_it(caches: Caches, command: CommandLine) -> None:
    commit = caches.fetched()
    caches.blob(MODEL).unlink()
    assert failed(command("cache", "verify")) == f"1 of 1 are damaged. Run `zoo fetch {MINNOWS}@{commit}`."
    assert command("fetch", f"{MINNOWS}@{commit}").status == 0
    assert command("cache", "verify").status == 0


def test_the_remedy_names_the_registrys_name(caches: Caches, command: CommandLine) -> None:
    commit = caches.fetched()
    add_entry(RegistryEntry(name="minnows", sources=(f"hf://{MINNOWS}@{commit}",)))
    flip(caches.blob(MODEL))
    assert failed(command("cache", "verify")).endswith("Run `zoo fetch minnows`.")


def test_a_manifest_that_was_changed_is_found_by_its_blobs_name(caches: Caches, command: CommandLine) -> None:
    commit = caches.fetched()
    blob = caches.blob("config.json")
    blob.write_text(blob.read_text().replace("vgg16-minnows", "vgg16-sharks!"))
    answer = command("cache", "verify")
    assert "config.json: its hash is" in answer.out
    assert failed(answer).endswith(f"Run `zoo cache remove {MINNOWS}@{commit[:7]}`.")


def test_other_weights_are_compared_with_their_etag(caches: Caches, command: CommandLine) -> None:
    commit = caches.weights()
    assert command("cache", "verify").status == 0
    flip(caches.blob(MODEL, "other/net"))
    answer = command("cache", "verify", "other/net")
    assert "model.safetensors: its hash is" in answer.out
    assert failed(answer).endswith(f"Run `zoo cache remove other/net@{commit[:7]}`.")


def test_kept_parts_are_compared_with_their_index(caches: Caches, command: CommandLine) -> None:
    path = keep_parts(caches)
    assert command("cache", "verify").status == 0
    (kept,) = caches.look().parts
    flip(path, kept.ranges[-1][0])
    answer = command("cache", "verify")
    assert f"1 of {len(kept.ranges)} parts are not what was kept" in answer.out
    assert failed(answer).endswith("Run `zoo cache remove --parts`.")


def test_an_index_of_nonsense_is_damage(caches: Caches, command: CommandLine) -> None:
    path = keep_parts(caches)
    path.with_name(f"{MODEL}.ranges.json").write_text("{")
    assert "its index cannot be read" in command("cache", "verify").out


def test_the_remedy_for_damaged_parts_leaves_whole_files_alone(caches: Caches, command: CommandLine) -> None:
    path = keep_parts(caches)
    path.write_bytes(bytes(path.stat().st_size))
    remedy = failed(command("cache", "verify")).partition("Run `zoo ")[2].rstrip("`.").split()
    assert command(*remedy, "--yes").status == 0
    assert not path.exists()
    assert command("cache", "verify").status == 0
    assert len(caches.look().stored) == 1


def test_a_card_that_was_edited_on_the_hub_is_no_damage(caches: Caches, command: CommandLine) -> None:
    caches.publish()
    caches.hub.add(MINNOWS, {"README.md": b"# Edited by hand\n"})
    with pytest.warns(ZooWarning, match=r"its README\.md was edited"):
        fetch(f"hf://{MINNOWS}")
    assert caches.look().stored[0].whole
    assert command("cache", "verify").status == 0
    flip(caches.blob("README.md"), -3)
    assert "README.md: its hash is" in command("cache", "verify").out


def test_what_was_never_fetched_is_no_damage(caches: Caches, command: CommandLine) -> None:
    caches.publish()
    open_artifact(f"hf://{MINNOWS}")
    answer = command("cache", "verify")
    assert answer.status == 0
    assert "3 files were not fetched" in answer.out


def test_only_what_is_named_is_verified(caches: Caches, command: CommandLine) -> None:
    caches.fetched()
    commit = caches.fetched("owner/sound")
    flip(caches.blob(MODEL))
    for name in ("owner/sound", "owner/sound@main", f"hf://owner/sound@{commit[:9]}"):
        answer = command("cache", "verify", name)
        assert answer.status == 0
        assert MINNOWS not in answer.out


def test_verifying_what_is_not_here_is_an_error(caches: Caches, command: CommandLine) -> None:
    fault = command("cache", "verify", "owner/nothing").fault
    assert fault == f"Nothing of owner/nothing is in the cache {caches.cache}. Run `zoo cache list`."


def test_the_report_is_json_for_programs(caches: Caches, command: CommandLine) -> None:
    caches.fetched()
    flip(caches.blob(MODEL))
    answer = command("cache", "verify", "--json")
    assert answer.status == 1
    (one,) = json.loads(answer.out)
    assert one["faults"][0].startswith("model.safetensors: its hash is")
    assert one["remedy"].startswith("zoo fetch ")


# ------------------------------------------------------------------------------------------------ remove


def test_a_named_repository_goes_whole(caches: Caches, command: CommandLine) -> None:
    caches.fetched()
    caches.fetched("owner/sound")
    answer = command("cache", "remove", MINNOWS, "--yes")
    assert answer.status == 0
    assert answer.out.startswith(f"{MINNOWS}: ")
    assert "kB freed." in answer.err
    assert not caches.folder().exists()
    assert caches.folder("owner/sound").is_dir()


def test_a_named_revision_leaves_the_blobs_that_another_needs(caches: Caches, command: CommandLine) -> None:
    first = caches.fetched()
    caches.fetched(about="With a text.")
    assert command("cache", "remove", f"{MINNOWS}@{first[:7]}", "--yes").status == 0
    (left,) = caches.look().stored
    assert left.revision.commit == caches.hub.commit(MINNOWS)
    assert left.whole
    assert command("cache", "verify").status == 0


def test_two_repositories_with_one_commit_are_told_apart(caches: Caches, command: CommandLine) -> None:
    commit = caches.fetched()
    twin = caches.folder("owner/twin")
    subprocess.run(["cp", "-a", caches.folder(), twin], check=True)
    assert command("cache", "remove", f"owner/twin@{commit}", "--yes").status == 0
    assert not twin.exists()
    assert caches.look().stored[0].revision.repo == MINNOWS


def test_a_registrys_name_removes_the_revision_and_its_parts(caches: Caches, command: CommandLine) -> None:
    path = keep_parts(caches)
    commit = caches.hub.commit(MINNOWS)
    add_entry(RegistryEntry(name="minnows", sources=(f"hf://{MINNOWS}@{commit}",)))
    assert command("cache", "remove", "minnows", "--yes").status == 0
    assert not path.exists()
    assert not (caches.home / "parts" / "owner--minnows").exists()
    assert caches.look().stored == ()


def test_a_name_that_lies_in_a_folder_is_refused(caches: Caches, command: CommandLine, tmp_path: Path) -> None:
    write_published(tmp_path / "here", TENSORS)
    add_entry(RegistryEntry(name="here", sources=(str(tmp_path / "here"),)))
    for name in ("here", "./here", "package:zoo_filters/x"):
        assert "lies in no cache" in command("cache", "remove", name, "--yes").fault
    assert (tmp_path / "here" / MODEL).is_file()


def test_removing_what_is_not_here_is_an_error(caches: Caches, command: CommandLine) -> None:
    fault = command("cache", "remove", "owner/nothing", "--yes").fault
    assert fault == f"Nothing of 'owner/nothing' is in the cache {caches.cache}. Run `zoo cache list`."


def test_removing_nothing_in_particular_is_misuse(caches: Caches, command: CommandLine) -> None:
    answer = command("cache", "remove")
    assert answer.status == 2
    assert answer.fault.startswith("Say what to remove: NAMES, --incomplete,")


def test_a_dry_run_removes_nothing(caches: Caches, command: CommandLine) -> None:
    caches.fetched()
    decode(caches)
    before = sorted(map(str, caches.cache.rglob("*"))), sorted(map(str, caches.home.rglob("*")))
    answer = command("cache", "remove", "--all", "--dry-run")
    assert answer.status == 0
    assert MINNOWS in answer.out
    assert "would be freed. Nothing was removed." in answer.err
    assert before == (sorted(map(str, caches.cache.rglob("*"))), sorted(map(str, caches.home.rglob("*"))))


def test_without_a_terminal_yes_is_needed(caches: Caches, command: CommandLine) -> None:
    caches.fetched()
    answer = command("cache", "remove", MINNOWS)
    assert answer.status == 2
    assert "Pass --yes to remove them, or --dry-run." in answer.err
    assert caches.folder().is_dir()


@pytest.mark.parametrize(("said", "gone"), [("y\n", True), ("n\n", False)])
def test_on_a_terminal_it_asks(caches: Caches, said: str, gone: bool) -> None:
    caches.fetched()
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "zoo", "cache", "remove", MINNOWS]
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, said.encode())
    process.wait(timeout=60)
    seen = os.read(ours, 10_000).decode()
    os.close(ours)
    assert "Remove these and free" in seen
    assert process.returncode == 0
    assert caches.folder().exists() != gone


def test_all_takes_what_is_ours_and_leaves_other_peoples(caches: Caches, command: CommandLine) -> None:
    caches.fetched()
    caches.weights()
    theirs = break_off(caches, "other/net")
    stray = break_off(caches, "other/stray")
    ours = break_off(caches)
    folder = decode(caches)
    assert command("cache", "remove", "--all", "--yes").status == 0
    assert not ours.exists()
    assert not caches.folder().exists()
    assert not folder.exists()
    assert theirs.exists()
    assert stray.exists()
    assert caches.blob(MODEL, "other/net").is_file()


def test_other_peoples_weights_go_when_they_are_named(caches: Caches, command: CommandLine) -> None:
    caches.weights()
    assert command("cache", "remove", "other/net", "--yes").status == 0
    assert not caches.folder("other/net").exists()


def test_broken_off_downloads_go_alone(caches: Caches, command: CommandLine) -> None:
    caches.fetched()
    path = break_off(caches)
    answer = command("cache", "remove", "--incomplete", "--yes")
    assert answer.status == 0
    assert "1.0 kB freed." in answer.err
    assert not path.exists()
    assert caches.look().stored[0].whole


def test_a_download_that_is_going_on_stays(caches: Caches, command: CommandLine) -> None:
    caches.fetched()
    path = break_off(caches)
    lock = caches.cache / ".locks" / caches.folder().name / f"{'a' * 64}.lock"
    code = (
        "import sys, time; from pathlib import Path; from zoo.hub.client import file_lock\n"
        f"with file_lock(Path({str(lock)!r})):\n print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        (said,) = listed(command)["broken_off"]  # type: ignore[misc]
        table = command("cache", "list").out
        answer = command("cache", "remove", "--incomplete", "--yes")
        refusal = command("cache", "remove", MINNOWS, "--yes")
        holder.kill()
    assert answer.status == 0
    assert "There is nothing to remove." in answer.err
    assert said["running"] is True
    assert "1.0 kB  yes" in table
    assert path.exists()
    assert "it is being downloaded now. Wait for that" in failed(refusal)
    assert caches.folder().is_dir()


def test_parts_go_alone_with_their_index_and_folders(caches: Caches, command: CommandLine) -> None:
    keep_parts(caches)
    assert command("cache", "remove", "--parts", "--yes").status == 0
    assert list((caches.home / "parts").rglob("*")) == []
    assert len(caches.look().stored) == 1


def test_parts_go_by_the_branch_that_they_were_read_from(caches: Caches, command: CommandLine) -> None:
    keep_parts(caches)
    assert command("cache", "remove", f"{MINNOWS}@main", "--yes").status == 0
    assert list((caches.home / "parts").rglob("*")) == []


def test_decoded_pictures_go_alone(caches: Caches, command: CommandLine) -> None:
    folder = decode(caches)
    drawn = caches.home / "datasets" / "digits"
    drawn.mkdir(parents=True)
    assert command("cache", "remove", "--decoded", "--yes").status == 0
    assert not folder.exists()
    assert drawn.is_dir()
    assert command("cache", "remove", "--datasets", "--yes").status == 0
    assert not drawn.exists()


def test_a_decoding_stays_while_its_process_lives(caches: Caches, command: CommandLine) -> None:
    with temporary_folder(caches.home / "decoded") as folder:
        (folder / "images.raw").write_bytes(bytes(5000))
        assert "unfinished" in command("cache", "list").out
        assert "There is nothing to remove." in command("cache", "remove", "--decoded", "--yes").err
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    folder = decode(caches, folder.name.replace(f"-{os.getpid()}-", f"-{gone.pid}-"))
    assert command("cache", "remove", "--decoded", "--yes").status == 0
    assert not folder.exists()


def test_copies_of_large_registries_are_listed_and_removed(
    caches: Caches, command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = (f'[filters.name-{number}]\nsources = ["hf://owner/name-{number}"]\n' for number in range(3_000))
    registry = caches.home / "big.toml"
    registry.parent.mkdir(exist_ok=True)
    registry.write_text("format = 1\n\n" + "\n".join(many))
    monkeypatch.setenv("ZOO_REGISTRY", str(registry))
    assert "name-7" in command("list").out
    size = sum(path.stat().st_size for path in (caches.home / "registries").iterdir())
    assert "Copies of large registries" in command("cache", "list").out
    assert [one["bytes"] for one in json.loads(command("cache", "list", "--json").out)["registries"]] == [size]
    assert "copies of registries" in command("cache", "remove", "--registries", "--yes").out
    assert not (caches.home / "registries").exists()


def test_a_repository_that_the_client_cannot_read_is_removed_whole(caches: Caches, command: CommandLine) -> None:
    first = caches.fetched()
    caches.fetched(about="With a text.")
    caches.blob(MODEL).unlink()
    fault = failed(command("cache", "remove", f"{MINNOWS}@{first}", "--yes"))
    assert f"Remove all of it: `zoo cache remove {MINNOWS}`." in fault
    assert command("cache", "remove", MINNOWS, "--yes").status == 0
    assert not caches.folder().exists()


# ------------------------------------------------------------------------------------------------ links


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that is nobody's business."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "thesis.txt").write_text("four years")
    return folder


def test_a_snapshots_link_out_of_the_cache_is_never_followed(
    caches: Caches, command: CommandLine, outside: Path
) -> None:
    first = caches.fetched()
    (caches.folder() / "snapshots" / first / "extra.txt").symlink_to(outside / "thesis.txt")
    caches.fetched(about="With a text.")
    fault = failed(command("cache", "remove", f"{MINNOWS}@{first}", "--yes"))
    assert "it is a link, or leads out of the cache" in fault
    assert command("cache", "remove", MINNOWS, "--yes").status == 0
    assert (outside / "thesis.txt").read_text() == "four years"


def test_a_repository_that_is_a_link_is_left_alone(caches: Caches, command: CommandLine, outside: Path) -> None:
    caches.fetched()
    moved = outside / "moved"
    caches.folder().rename(moved)
    caches.folder().symlink_to(moved)
    for words in ((MINNOWS,), ("--all",)):
        assert "leads out of the cache" in failed(command("cache", "remove", *words, "--yes"))
    assert (moved / "snapshots").is_dir()


def test_a_folder_of_ours_that_is_a_link_is_left_alone(caches: Caches, command: CommandLine, outside: Path) -> None:
    (caches.home / "decoded").mkdir(parents=True)
    (caches.home / "decoded" / "linked-64").symlink_to(outside)
    answer = command("cache", "remove", "--decoded", "--yes")
    assert "leads out of the cache" in answer.err
    assert (outside / "thesis.txt").read_text() == "four years"


def test_a_link_out_of_the_cache_counts_as_damage(caches: Caches, command: CommandLine, outside: Path) -> None:
    commit = caches.fetched()
    path = caches.folder() / "snapshots" / commit / "README.md"
    path.unlink()
    path.symlink_to(outside / "thesis.txt")
    assert "README.md: its bytes are not in the cache" in command("cache", "verify").out


def test_the_hashes_that_blobs_are_called_by_are_those_of_the_hub(caches: Caches) -> None:
    caches.fetched()
    raw = caches.blob(MODEL).read_bytes()
    assert caches.blob(MODEL).name == hashlib.sha256(raw).hexdigest()
