"""What is private is found before it is published, and what is not is left alone."""

from __future__ import annotations

import json

import pytest
import torch
from PIL import Image, PngImagePlugin
from safetensors.torch import save_file

from zoo.errors import FileError
from zoo.publish.privacy import PersonalData, PrivacyError, check_privacy, collect_personal_data, find_private_texts

ANNA = PersonalData(user="anna", host="seal.lab.example", folders=("/users4/anna", "/users4/anna/fish"), owner="me")


@pytest.fixture
def found(tmp_path):
    """What is found in one text."""

    def work(text, *, name="recipe.toml", known=ANNA, allow=()):
        (tmp_path / name).write_text(text)
        return [
            (one.line, one.kind, one.text) for one in find_private_texts({name: tmp_path / name}, known, allow=allow)
        ]

    return work


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('root = "/home/berta/fish"', "/home/berta/fish"),
        ("see /Users/berta/Pictures/a.png.", "/Users/berta/Pictures/a.png"),
        ("file:///home/berta/x", "/home/berta/x"),
        ("(/mnt/disk1/fish)", "/mnt/disk1/fish"),
        ("/data/fish/train", "/data/fish/train"),
        ("/root/.cache/x", "/root/.cache/x"),
        (json.dumps({"root": "C:\\Users\\berta\\fish"}), "C:\\\\Users\\\\berta\\\\fish"),
        ("D:\\Bilder\\fish.png", "D:\\Bilder\\fish.png"),
        ("C:/Users/berta", "C:/Users/berta"),
        ("in /users4/anna, all", "/users4/anna"),
        ("/users4/anna/fish/1.png", "/users4/anna/fish/1.png"),
    ],
)
def test_paths_of_a_machine_are_found(found, text, path):
    assert found(text) == [("line 1", "a path of this machine", path)]


@pytest.mark.parametrize(
    "text",
    [
        "the files in /usr/share and /etc/hosts",
        "https://example.org/home/berta/data/x",
        "hf://owner/name@main, owner/home/x",
        "photos/data/fish and ./data/fish",
        "either/or, and/or, 1/2, /data alone, /home/",
        "ratio 3:4, note: \\n, C: drive",
        "zoo push runs/plankton --repo me/vgg16-plankton",
        "Hannah and annas and anna_2",
        "seals and sealab",
        "risk-free, sk-learn, hf_hub_download, AKIA",
    ],
)
def test_ordinary_prose_is_left_alone(found, text):
    assert found(text) == []


def test_the_users_name_is_found_as_a_whole_word(found):
    assert found("by anna, 2026") == [("line 1", "the user's name", "anna")]


def test_the_machines_name_is_found_whole_and_short(found):
    assert found("on seal.lab.example\non seal") == [
        ("line 1", "this machine's name", "seal.lab.example"),
        ("line 2", "this machine's name", "seal"),
    ]


@pytest.mark.parametrize("user", ["root", "Ubuntu", "me", "bo", ""])
def test_names_that_tell_nothing_are_left_alone(found, user):
    assert found(f"by {user}", known=PersonalData(user=user, owner="me")) == []


def test_the_owner_of_the_repository_may_be_named(found):
    assert found("by anna", known=PersonalData(user="anna", owner="Anna")) == []


@pytest.mark.parametrize(
    ("secret", "kind"),
    [
        ("hf_" + "a" * 34, "a Hugging Face token"),
        ("ghp_" + "a" * 36, "a GitHub token"),
        ("AKIA" + "A" * 16, "an AWS key"),
        ("sk-" + "a" * 40, "an API key"),
        ("-----BEGIN RSA PRIVATE KEY-----", "a private key"),
    ],
)
def test_secrets_are_found_and_never_told(tmp_path, secret, kind):
    (tmp_path / "notes.md").write_text(f"one\nkey={secret}\n")
    with pytest.raises(PrivacyError, match=f"notes.md, line 2: {kind}") as caught:
        check_privacy({"notes.md": tmp_path / "notes.md"}, ANNA)
    assert secret not in str(caught.value)


def test_a_login_of_this_machine_is_a_secret_whatever_it_looks_like(found):
    assert found("x correct-horse y", known=PersonalData(secrets=("correct-horse",))) == [
        ("line 1", "a login of this machine", "")
    ]


def test_a_secret_inside_a_path_is_not_told_with_it(found):
    secret = "hf_" + "b" * 34
    assert all(secret not in text for _, _, text in found(f"/home/berta/{secret}/x"))


def test_all_findings_are_said_at_once_with_the_remedy(tmp_path):
    (tmp_path / "a.md").write_text("/home/berta/x")
    (tmp_path / "b.md").write_text("\nby anna")
    with pytest.raises(
        PrivacyError, match=r"a.md, line 1: .*; b.md, line 2: the user's name 'anna'.*`allow=\['TEXT'\]`"
    ):
        check_privacy({name: tmp_path / name for name in ("a.md", "b.md")}, ANNA)


def test_one_text_may_be_let_through(found):
    text = "by anna, in /data/fish/train"
    assert found(text, allow=("anna",)) == [("line 1", "a path of this machine", "/data/fish/train")]
    assert found(text, allow=("anna", "/data/fish")) == []


def test_the_metadata_of_safetensors_are_searched_and_their_weights_are_not(tmp_path):
    save_file({"x": torch.zeros(3)}, tmp_path / "m.safetensors", {"made": "/home/berta/fish"})
    with (tmp_path / "m.safetensors").open("ab") as opened:
        opened.write(b"/home/berta/weights")
    found = find_private_texts({"m.safetensors": tmp_path / "m.safetensors"}, ANNA)
    assert [(one.line, one.text) for one in found] == [("metadata", "/home/berta/fish")]


@pytest.mark.parametrize("packed", [False, True])
def test_the_texts_in_pictures_are_searched(tmp_path, packed):
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Source", "/home/berta/fish.ipynb", zip=packed)
    texts.add_itxt("Author", "anna", zip=packed)
    Image.new("RGB", (4, 4)).save(tmp_path / "p.png", pnginfo=texts)
    found = find_private_texts({"p.png": tmp_path / "p.png"}, ANNA)
    assert [(one.line, one.text) for one in found] == [("metadata", "/home/berta/fish.ipynb"), ("metadata", "anna")]


def test_names_of_files_are_searched(tmp_path):
    (tmp_path / "x").write_text("")
    assert [one.line for one in find_private_texts({"confusion of anna.txt": tmp_path / "x"}, ANNA)] == ["name"]


def test_a_file_that_cannot_be_read_is_said(tmp_path):
    with pytest.raises(FileError, match=r"cannot be read"):
        find_private_texts({"x": tmp_path / "missing"}, ANNA)


def test_this_machines_own_names_are_known(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "correct-horse")
    monkeypatch.chdir(tmp_path)
    known = collect_personal_data(owner="me", secrets=("another-one",))
    assert known.secrets == ("another-one", "correct-horse")
    assert str(tmp_path) in known.folders
