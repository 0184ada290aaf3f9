"""Work that is killed at random moments, again and again, and looked at after each kill.

    python killing.py fetch|cut|push|together|train JOB.json

A process of its own, without threads: the work is imported once, and every attempt is a fork of it that dies by
SIGKILL. The job says `times` (kills), `longest` (seconds until a kill, at most), `seed`, and what the work needs. It
prints as JSON how many attempts were killed and how many ended well; anything half done in place ends it with a
traceback.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

Job = dict[str, Any]


def die_at_random(job: Job, work: Callable[[], None], look: Callable[[bool], None]) -> dict[str, int]:
    """Fork, work, kill, look; `look` is told whether the work had ended."""
    preload()
    rng = random.Random(job["seed"])
    counts = {"killed": 0, "finished": 0}
    while counts["killed"] < job["times"]:
        pid = os.fork()
        if pid == 0:
            attempt(work)
        ended = wait_until(pid, time.monotonic() + rng.random() * job["longest"])
        if ended is None:
            os.kill(pid, signal.SIGKILL)
            _, ended = os.waitpid(pid, 0)
        if os.WIFEXITED(ended):
            assert os.WEXITSTATUS(ended) == 0, "the work failed by itself"
        counts["finished" if os.WIFEXITED(ended) else "killed"] += 1
        look(os.WIFEXITED(ended))
    work()  # the next run finishes
    look(True)
    return counts


def preload() -> None:
    """Import what the children would import each for itself, so that the kills fall into the work."""
    for name in ("torch", "huggingface_hub.hf_api", "huggingface_hub.file_download", "huggingface_hub.utils"):
        importlib.import_module(name)


def attempt(work: Callable[[], object]) -> None:
    """The forked child: it never returns."""
    status = 1
    try:
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def wait_until(pid: int, moment: float) -> int | None:
    """The child's status, None where it still ran at that moment."""
    while time.monotonic() < moment:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        time.sleep(0.002)
    return None


def fetch_job(job: Job) -> dict[str, int]:
    """Whole filters: whatever lies in the snapshot is whole, at every moment."""
    from zoo.models.fetching import fetch

    cache = Path(job["cache"])

    def work() -> None:
        fetch(job["name"], cache_dir=cache)

    def look(ended: bool) -> None:
        found = {path for path in cache.glob("models--*/snapshots/*/*") if not path.name.startswith(".")}
        for path in found:
            assert hashlib.sha256(path.read_bytes()).hexdigest() == job["sha256"][path.name], f"{path} is not whole"
        if ended:
            assert {path.name for path in found} == set(job["sha256"])
            shutil.rmtree(cache)

    return die_at_random(job, work, look)


def cut_job(job: Job) -> dict[str, int]:
    """Parts by ranges: a kept part is what it should be, or is not there."""
    from zoo.store.artifact import open_artifact, read_backbone_tensors

    home = Path(os.environ["ZOO_HOME"])

    def work() -> None:
        read_backbone_tensors(open_artifact(job["name"], cache_dir=Path(job["cache"])), job["tensors"])

    def look(ended: bool) -> None:
        if not ended:
            return
        published = open_artifact(job["name"], cache_dir=Path(job["cache"]), offline=True)
        tensors = read_backbone_tensors(published, job["tensors"])  # verified, and without a request
        assert list(tensors) == job["tensors"]
        shutil.rmtree(home / "parts")

    return die_at_random(job, work, look)


def push_job(job: Job) -> dict[str, int]:
    """Two versions in turn: the branch holds all of the one or all of the other, or nothing yet."""
    from zoo.hub.client import client_api
    from zoo.publish.upload import push

    versions = [Path(folder) for folder in job["folders"]]
    listings = [{path.name: digest_of(path) for path in folder.iterdir()} for folder in versions]
    turn = 0

    def listed() -> dict[str, str]:
        with contextlib.suppress(Exception):  # no repository yet
            files = client_api(job["token"]).list_repo_tree(job["repo"], recursive=True)
            return {one.path: one.lfs.sha256 if one.lfs else one.blob_id for one in files if one.path[0] != "."}
        return {}

    def work() -> None:
        push(versions[turn], repo=job["repo"], token=job["token"], overwrite=True)

    def look(ended: bool) -> None:
        nonlocal turn
        there = listed()
        assert there in ({}, *listings), "the repository is in a half state"
        assert there == listings[turn] or not ended
        if there == listings[turn]:
            turn = 1 - turn

    return die_at_random(job, work, look)


def together_job(job: Job) -> dict[str, int]:
    """Many processes want one file, or one part of it, at the same moment; none is killed."""
    from zoo.store.hub_source import HubSource
    from zoo.store.source_parsing import parse_source

    def work() -> None:
        source = parse_source(job["name"])
        assert isinstance(source, HubSource)
        if spans:
            source.read_ranges(job["file"], [spans[len(children) % len(spans)]])
        else:
            source.fetch(job["file"])

    spans = [(first, end) for first, end in job.get("spans", [])]
    preload()
    if job.get("locks") is False:  # as on file systems that grant a lock to everybody
        fcntl.flock = lambda *_: None
    children = []
    for _ in range(job["processes"]):
        children.append(os.fork())
        if children[-1] == 0:
            attempt(work)
    return {"succeeded": sum(os.waitpid(pid, 0)[1] == 0 for pid in children)}


def train_job(job: Job) -> dict[str, int]:
    """Trainings that die right after run.json is there, mostly before a checkpoint is: each can be gone on with."""
    from zoo.training.finetune import resume, train_recipe
    from zoo.training.recipe import read_recipe

    preload()
    rng, recipe, early = random.Random(job["seed"]), read_recipe(Path(job["recipe"])), 0
    for number in range(job["times"]):
        folder = Path(job["folder"], str(number))
        pid = os.fork()
        if pid == 0:
            attempt(partial(train_recipe, recipe, folder))
        while not (folder / "run.json").exists():
            pass
        time.sleep(rng.random() * job["longest"])
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        early += not (folder / "checkpoint.safetensors").exists()
        resume(folder)
        assert digest_of(folder / "filters.safetensors") == job["sha256"]
    return {"killed": job["times"], "before a checkpoint": early}


def digest_of(path: Path) -> str:
    """As the Hub tells it: sha256 for large files, git's sha1 for texts."""
    raw = path.read_bytes()
    if path.suffix in (".safetensors", ".png"):
        return hashlib.sha256(raw).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(raw) + raw).hexdigest()


if __name__ == "__main__":
    kind, path = sys.argv[1:]
    jobs = {"fetch": fetch_job, "cut": cut_job, "push": push_job, "together": together_job, "train": train_job}
    print(json.dumps(jobs[kind](json.loads(Path(path).read_text()))))
