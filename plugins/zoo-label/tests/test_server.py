"""The page's server: what it tells, what it writes, and all that it refuses."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import socket
import threading
from pathlib import Path

import numpy as np
import pytest
from drawn_labels import KINDS
from label_server import TOKEN, Page, send, serve, start_process
from PIL import Image
from zoo_label.guard import LARGEST_BODY, allowed_hosts, is_loopback
from zoo_label.journal import Journal
from zoo_label.server import ASSETS, RunningServer

from zoo.errors import FileError


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Page:
    with pytest.MonkeyPatch.context() as patch:
        place = tmp_path_factory.mktemp("page")
        patch.setenv("ZOO_HOME", str(place / "home"))
        with serve(place, 80) as served:
            yield served


def answer(**facts) -> dict:
    made = {"key": f"key-{random.random()}".replace(".", "-"), "window": "window-1", "seen": 0, "verb": "label"}
    return {**made, **facts}


def told(page: Page, path: str, body=None) -> dict:
    status, content = page.ask(path, body)
    assert status == 200, content
    return json.loads(content)


# ------------------------------------------------------------------------------------------------ what it tells


def test_the_page_and_all_that_it_asks_for_are_served(page):
    status, content = page.ask("")
    assert status == 200
    assert b"<title>zoo label</title>" in content
    for name in (*ASSETS, "base.css"):
        assert page.ask(f"asset/{name}")[0] == 200
    folder = Path(__file__).parent.parent / "zoo_label" / "page"
    assert {path.name for path in folder.iterdir()} == {*ASSETS, "index.html"}


def test_labels_and_beliefs_come_as_bytes_for_every_picture(page):
    assert len(page.ask("labels")[1]) == 2 * 80
    assert len(page.ask("beliefs")[1]) == 3 * 80


def test_thumbnails_are_small_jpegs_in_the_pictures_proportions(page):
    for _ in range(2):  # made, then kept
        status, content = page.ask("thumbnail/3")
        assert status == 200
        with Image.open(io.BytesIO(content)) as opened:
            assert (opened.format, opened.width) == ("JPEG", opened.height)
            assert 48 <= opened.width <= 160
    assert page.ask("large/3")[0] == 200


def test_every_view_is_served(page):
    for name in ("clusters", "believed", "review", "new", "check", "kinds", "second", "all"):
        assert "sections" in told(page, f"view/{name}")
    assert told(page, "view/similar?picture=5")["sections"][0]["pictures"][0] == 5
    found = told(page, "view/search?query=00012")["sections"]
    assert [section["title"] for section in found] == ["By path"]


def test_an_answer_is_acknowledged_told_and_written(page, tmp_path):
    seen = told(page, "start")["seen"]
    said = told(page, "act", answer(pictures=[1, 2], name="  egg ", way="selection", seen=seen))
    assert said["changed"] == [1, 2]
    assert [said["names"][code] for code in said["codes"]] == ["egg", "egg"]
    assert said["number"] == said["seen"]
    facts = told(page, "picture/1")
    assert (facts["label"], facts["who"], facts["way"]) == ("egg", "Ada", "selection")
    assert told(page, f"changes?seen={said['seen']}")["changed"] == []
    assert told(page, "save", {})["rows"] >= 2
    undone = told(page, "act", answer(verb="undo", seen=said["seen"]))
    assert undone["codes"] == [-1, -1]
    again = told(page, "act", answer(verb="redo", seen=undone["seen"]))
    assert again["changed"] == [1, 2]
    told(page, "act", answer(verb="rename", old="egg", name="ovum", way="kind", seen=0))
    assert "ovum" in told(page, "start")["kinds"]


def test_the_head_is_fitted_after_an_answer(page):
    before = told(page, "start")["fits"]
    for kind, name in enumerate(KINDS):
        pictures = np.flatnonzero(page.truth == kind)[:6].tolist()
        seen = told(page, "act", answer(pictures=pictures, name=name, way="row", seen=page.labelling.journal.number))
    for _ in range(200):
        now = told(page, "start")
        if now["fits"] > before and now["seen"] >= seen["seen"] and len(page.ask("beliefs")[1]) == 240:
            codes = np.frombuffer(page.ask("beliefs")[1][:160], "<i2")
            if (codes >= 0).all():
                break
        threading.Event().wait(0.05)
    names = now["names"]
    rest = np.flatnonzero(np.frombuffer(page.ask("labels")[1], "<i2") < 0)
    right = [names[codes[one]] == KINDS[page.truth[one]] for one in rest]
    assert np.mean(right) > 0.7


# ------------------------------------------------------------------------------------------------ what it refuses


def hostile_requests(port: int) -> list[tuple[str, tuple]]:
    """(what is wrong, (method, path, headers, body)), a hundred and more."""
    own, good = {"Host": f"127.0.0.1:{port}"}, json.dumps(answer(pictures=[0], name="pwned")).encode()
    writes = {**own, "Content-Type": "application/json", "Content-Length": str(len(good))}
    base = f"/{TOKEN}"
    found: list[tuple[str, tuple]] = []
    hosts = ("evil.example", "evil.example:80", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port + 1}", "")
    hosts += ("localhost", f"0.0.0.0:{port}", f"127.0.0.1.evil.example:{port}", f"127.0.0.1:{port}@evil.example")
    for host in hosts:
        found += [(f"Host {host!r}", ("GET", f"{base}/start", {"Host": host}, b""))]
        found += [(f"Host {host!r}", ("POST", f"{base}/act", {**writes, "Host": host}, good))]
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}", "", "*"):
        found += [(f"Origin {origin!r}", ("POST", f"{base}/act", {**writes, "Origin": origin}, good))]
        found += [(f"Origin {origin!r}", ("GET", f"{base}/start", {**own, "Origin": origin}, b""))]
    for site in ("cross-site", "same-site", "weird"):
        found += [(f"Sec-Fetch-Site {site}", ("POST", f"{base}/act", {**writes, "Sec-Fetch-Site": site}, good))]
    for token in ("", "wrong", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "..", "%2e%2e", "start", "*"):
        found += [(f"token {token!r}", ("GET", f"/{token}/start", own, b""))]
        found += [(f"token {token!r}", ("POST", f"/{token}/act", writes, good))]
    paths = ("../../etc/passwd", "..", "asset/../server.py", "asset/..%2fserver.py", "asset/%2e%2e/server.py")
    paths += ("thumbnail/../../etc/passwd", "thumbnail/-1", "thumbnail/99999", "thumbnail/1e3", "thumbnail/%00")
    paths += ("large/99999999999999999999", "large//etc/passwd", "asset//etc/passwd", "asset/server.py", "asset/.")
    paths += ("view/none", "picture/80", "picture/-1", "x" * 3000, "thumbnail/1;.png", "asset/main.js/..", "start/")
    paths += ("changes?seen=x", "changes?seen=99999999999", "view/similar?picture=-5", "view/similar?picture=x")
    found += [(f"path {path[:30]}", ("GET", f"{base}/{path}", own, b"")) for path in paths]
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"):
        found += [(method, (method, f"{base}/act", writes, good))]
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "application/jsonx"):
        found += [(f"type {kind!r}", ("POST", f"{base}/act", {**writes, "Content-Type": kind}, good))]
    for size in (str(LARGEST_BODY + 1), "999999999999", "-1", "1e3", "0x10", "9" * 40):
        found += [(f"size {size[:12]}", ("POST", f"{base}/act", {**writes, "Content-Length": size}, good))]
    chunked = {name: value for name, value in writes.items() if name != "Content-Length"}
    found += [("no size", ("POST", f"{base}/act", {**chunked, "Transfer-Encoding": "chunked"}, b"0\r\n\r\n"))]
    found += [("huge body", ("POST", f"{base}/act", {**writes, "Content-Length": str(1 << 24)}, b" " * (1 << 24)))]
    bodies: tuple = (b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"key": 1}', b'{"a":' * 200 + b"1" + b"}" * 200)
    bodies += (b"NaN", b'{"verb": "label", "verb": "undo"}', json.dumps("x" * 1000).encode())
    wrong = ({"verb": "round"}, {"verb": "drop"}, {"pictures": [-1]}, {"pictures": [80]}, {"pictures": ["1"]})
    wrong += ({"pictures": [1.5]}, {"name": "=1+1"}, {"name": "(mine)"}, {"name": "a\nb"}, {"name": "x" * 101})
    wrong += ({"way": "magic"}, {"key": ""}, {"key": "a b c d e f"}, {"window": "../.."}, {"seen": -1}, {"seen": "0"})
    wrong += ({"person": "Mallory"}, {"verb": "rename", "old": "nobody", "name": "x"}, {"verb": "second", "name": ""})
    wrong += ({"pictures": [True]}, {"name": None}, {"pictures": list(range(1 << 18))}, {"number": 1}, {"time": "now"})
    bodies += tuple(json.dumps(answer(**{"pictures": [0], "name": "pwned", **facts})).encode() for facts in wrong)
    for body in bodies:
        sized = {**writes, "Content-Length": str(len(body))}
        found += [(f"body {body[:60]!r}", ("POST", f"{base}/act", sized, body))]
    for body in (b'{"split": "x"}', b'{"split": 1.5}', b'{"all": true}'):
        found += [(f"rows {body!r}", ("POST", f"{base}/arrange", {**writes, "Content-Length": str(len(body))}, body))]
    return found


def test_more_than_a_hundred_hostile_requests_are_refused_and_write_nothing(page):
    requests = hostile_requests(page.port)
    assert len(requests) >= 100
    before = (
        page.labelling.journal.sync(),
        sorted(path.name for path in page.labelling.pictures.root.parent.iterdir()),
    )
    for what, request in requests:
        status, content = send(page.port, *request)
        assert status == 0 or 400 <= status < 500, (what, status, content[:200])
        assert b"pwned" not in content
        assert b"root:" not in content
        assert b"Traceback" not in content
    after = (page.labelling.journal.sync(), sorted(path.name for path in page.labelling.pictures.root.parent.iterdir()))
    assert after == before
    assert told(page, "start")["pictures"] == 80  # and it still answers


def test_a_page_of_our_own_origin_may_write(page):
    good = json.dumps(answer(pictures=[70], name="egg")).encode()
    headers = {"Origin": f"http://127.0.0.1:{page.port}", "Sec-Fetch-Site": "same-origin"}
    assert page.ask("act", good, headers=headers)[0] == 200


def test_what_is_no_http_is_no_harm(page):
    for raw in (
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET\r\n\r\n",
        b"\0" * 4000,
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", page.port), timeout=10) as opened:
            opened.sendall(raw)
            opened.settimeout(2)
            try:
                assert not opened.recv(4096).startswith(b"HTTP/1.1 200")
            except TimeoutError:
                pass
    assert told(page, "start")["pictures"] == 80


def test_every_answer_forbids_what_a_page_could_be_abused_for(page):
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", page.port)
    connection.request("GET", f"/{TOKEN}/")
    headers = dict(connection.getresponse().getheaders())
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers


def test_a_link_that_leads_out_of_the_folder_is_served_by_nobody(tmp_path):
    Image.new("RGB", (40, 40), "red").save(tmp_path / "secret.png")
    with serve(tmp_path, 5) as page:
        (page.labelling.pictures.root / "00002.png").unlink()
        (page.labelling.pictures.root / "00002.png").symlink_to(tmp_path / "secret.png")
        assert page.ask("thumbnail/2")[0] == 404
        assert page.ask("large/2")[0] == 404
        assert page.ask("thumbnail/1")[0] == 200
    from zoo_label.pictures import open_folder

    opened = open_folder(tmp_path / "photos")
    assert "00002.png" not in opened.paths
    assert "leads out of the folder" in opened.skipped[0]


def test_only_loopback_is_listened_at_unless_asked():
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert is_loopback("localhost")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("192.168.1.7")
    assert allowed_hosts("127.0.0.1", 5) == {"localhost:5", "127.0.0.1:5", "[::1]:5"}


def test_a_port_that_is_taken_is_an_error_in_a_line(tmp_path):
    with serve(tmp_path, 3) as page, pytest.raises(FileError, match="Choose another port"):
        RunningServer(object.__new__(type("Never", (), {"app": None})), port=page.port)


# ------------------------------------------------------------------------------------------------ kill -9


def name_and_kill(place: Path, *, times: int, seed: int) -> None:
    """Windows send answers to a server that is killed again and again; all that it acknowledged is in the journal."""
    rng, acknowledged = random.Random(seed), list[str]()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for turn in range(times):
        running = start_process(place, 40, port=port)
        stop = threading.Event()

        def window(name: str, turn: int = turn, stop: threading.Event = stop) -> None:
            count = 0
            while not stop.is_set():
                count += 1
                body = answer(
                    key=f"{name}-{turn}-{count}-key", window=name, seen=10**6, pictures=[count % 40], name=name
                )
                raw = json.dumps(body).encode()
                headers = {"Host": f"127.0.0.1:{port}", "Content-Type": "application/json"}
                try:
                    status, _ = send(port, "POST", f"/{TOKEN}/act", {**headers, "Content-Length": str(len(raw))}, raw)
                except OSError:
                    return
                if status == 200:
                    acknowledged.append(body["key"])

        threads = [threading.Thread(target=window, args=(f"window-{one}",)) for one in "AB"]
        for thread in threads:
            thread.start()
        stop.wait(0.05 + rng.random() * 0.4)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        stop.set()
        for thread in threads:
            thread.join()
    keys = [one.key for one in Journal(place / "labels.sqlite").actions]
    assert len(keys) == len(set(keys))
    assert acknowledged
    assert set(acknowledged) <= set(keys)


@pytest.mark.slow
def test_a_server_that_is_killed_loses_nothing_that_it_acknowledged(tmp_path):
    name_and_kill(tmp_path, times=5, seed=0)
