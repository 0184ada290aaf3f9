"""Downloads, from a server on loopback, by `zoo data make` and by nothing else; training from the command line."""

from __future__ import annotations

import gzip
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from command_line import CommandLine
from torchvision import datasets

SMALL = ("--backbone", "vgg11", "--cut", "block1", "--weights", "random", "--size", 16, "--epochs", 2, "-q")


class Handler(SimpleHTTPRequestHandler):
    asked: list[str]

    def log_message(self, *_: object) -> None:
        self.asked.append(self.path)


@pytest.fixture
def command(monkeypatch, capsys) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


@pytest.fixture
def served(tmp_path) -> Iterator[Path]:
    """A folder, and `url`, where it is served."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = type("Asked", (Handler,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        (tmp_path / "url").write_text(f"http://127.0.0.1:{server.server_address[1]}/")
        folder.joinpath("asked").mkdir()
        yield folder
        server.shutdown()


@pytest.fixture
def fashion(served, tmp_path, make, monkeypatch) -> Path:
    """Fashion-MNIST's four files as torchvision asks for them, of six pictures."""
    make.writers["FashionMNIST"](tmp_path / "raw", monkeypatch)
    resources = []
    for path in sorted((tmp_path / "raw/FashionMNIST/raw").iterdir()):
        packed = served / f"{path.name}.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        resources.append((packed.name, make.md5(packed)))
    monkeypatch.setattr(datasets.FashionMNIST, "resources", resources)
    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [(tmp_path / "url").read_text()])
    return served


def test_zoo_data_make_downloads_and_the_folder_is_trained_on(fashion, command, tmp_path):
    root = tmp_path / "fashion"
    made = command("data", "make", "torchvision/FashionMNIST", "-o", root)
    assert made.status == 0, made.err
    assert f"12 pictures in {root}" in made.err
    assert f"Next: zoo train torchvision/FashionMNIST --data {root} " in made.err
    assert sorted(path.name for path in root.rglob("*") if path.is_file()) == [
        *("t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte", "t10k-labels-idx1-ubyte.gz"),
        *("train-images-idx3-ubyte", "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte"),
        "train-labels-idx1-ubyte.gz",
    ]
    for path in fashion.glob("*.gz"):
        path.unlink()  # the second time nothing is asked for
    assert command("data", "make", "torchvision/FashionMNIST", "-o", root).status == 0

    run = tmp_path / "run"
    trained = command("train", "torchvision/FashionMNIST", "--data", root, *SMALL, "-o", run)
    assert trained.status == 0, trained.err
    assert "test as the dataset has it" in trained.err
    assert command("evaluate", run).status == 0
    vectors = command(
        "embed",
        "--dataset",
        "torchvision/FashionMNIST:test",
        "--data",
        root,
        "--filters",
        run,
        "-o",
        tmp_path / "v.npy",
    )
    assert vectors.status == 0, vectors.err


def test_nothing_else_downloads(fashion, command, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "readme.txt").write_text("x")
    remedy = "Run `zoo data make torchvision/FashionMNIST -o DIR`"
    for words in (("data", "check"), ("train",)):
        for where in ((), ("--data", tmp_path / "other")):
            answer = command(*words, "torchvision/FashionMNIST", *where)
            assert answer.status == 1
            assert f"{remedy}, and name that folder with --data DIR." in answer.err.splitlines()[-1]


def test_a_download_that_fails_is_one_line_and_leaves_nothing(fashion, command, tmp_path):
    (fashion / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b"other content"))
    root = tmp_path / "fashion"
    fault = command("data", "make", "torchvision/FashionMNIST", "-o", root).fault
    assert (
        "torchvision cannot download FashionMNIST: RuntimeError: Error downloading train-labels-idx1-ubyte.gz" in fault
    )
    assert "put its files there by hand: FashionMNIST/raw." in fault
    assert [*root.rglob("*")] == []
    assert (
        "torchvision cannot download StanfordCars: ValueError"
        in command("data", "make", "torchvision/StanfordCars", "-o", root).fault
    )


def test_cifar_is_downloaded_without_being_unpickled(served, command, tmp_path, make, write, monkeypatch):
    with tarfile.open(served / "cifar-10-python.tar.gz", "w:gz") as packed:
        packed.add(write("CIFAR10") / "cifar-10-batches-py", "cifar-10-batches-py")
    monkeypatch.setattr(datasets.CIFAR10, "url", (tmp_path / "url").read_text() + "cifar-10-python.tar.gz")
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", make.md5(served / "cifar-10-python.tar.gz"))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("unpickled")

    monkeypatch.setattr("torchvision.datasets.cifar.pickle.load", refuse)
    made = command("data", "make", "torchvision/CIFAR10", "-o", tmp_path / "cifar")
    assert made.status == 0, made.err
    assert "36 pictures in" in made.err


def test_a_run_that_is_named_by_the_set_lies_in_a_folder_of_its_own(write, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained = command("train", "torchvision/DTD", "--data", write("DTD"), "--set", "variant=1", *SMALL)
    assert trained.status == 0, trained.err
    assert (tmp_path / "runs/torchvision-DTD/run.json").is_file()


def test_the_list_of_datasets_names_the_family(command):
    listed = command("data", "list")
    assert "torchvision  (zoo-torchvision)" in listed.out
    assert "torchvision/NAME: CIFAR10, CIFAR100, " in listed.out
