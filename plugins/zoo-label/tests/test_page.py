"""The page in a browser: keys alone, undo, two windows, a kill in between, phone width; and nothing in the console."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from chromium import Browser, find_chromium
from drawn_labels import KINDS, draw_vectors, open_drawn
from label_server import TOKEN, Page, serve, start_process
from zoo_label.actions import Action
from zoo_label.journal import Journal
from zoo_label.labels import replay
from zoo_label.server import LabelServer, RunningServer
from zoo_label.worker import Worker

READY = "document.body.dataset.ready === '1' && page.desk.sections.length > 0"
SAVED = "page.client.queue.length === 0 && !page.client.sending && page.client.fault === ''"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    find_chromium()
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture
def page(tmp_path) -> Page:
    with serve(tmp_path, 160, spread=0.5) as served:
        yield served


def visit(browser: Browser, url: str, **options) -> Browser:
    browser.ask("Page.navigate", url="about:blank")  # a page of an earlier server asks no more
    browser.wait("location.href === 'about:blank'")
    browser.homes = (url.partition("#")[0], "data:")
    browser.open(url, **options)
    browser.wait(READY, 40)
    return browser


def type_name(browser: Browser, name: str) -> None:
    """By keys: n, the letters, Enter."""
    browser.press("n")
    browser.wait("document.activeElement.id === 'name'")
    browser.press(*name, "Enter")


def saved(browser: Browser) -> None:
    browser.wait(SAVED, 40)


def kind_of_row(browser: Browser, truth: np.ndarray) -> str:
    """What somebody sees who looks at the row where the cursor is: what most of it is."""
    left = browser.run("page.desk.left(page.desk.section)")
    return KINDS[Counter(truth[left].tolist()).most_common(1)[0][0]]


def place_of(browser: Browser, picture: int) -> tuple[float, float]:
    """The middle of a picture in the window."""
    box = f"document.querySelector('.cell[data-picture=\"{picture}\"]').getBoundingClientRect()"
    found = browser.run(f"(() => {{const b = {box}; return [b.x + b.width / 2, b.y + b.height / 2]}})()")
    return found[0], found[1]


def labels_of(page: Page) -> list[str]:
    page.labelling.journal.sync()
    return [page.labelling.journal.labels.name_of(number) for number in range(len(page.truth))]


# ------------------------------------------------------------------------------------------------ keys


def label_all_by_keys(browser: Browser, truth: np.ndarray, *, stop: int = 10_000) -> int:
    """Name everything with keys, as one who sees what the pictures are; returns how many keys it took for names."""
    known: list[str] = browser.run("page.naming.order")
    answers = 0
    while browser.run("page.client.state.counts.left") and answers < stop:
        if browser.run("page.desk.sections.length === 0 || page.desk.left(page.desk.section).length === 0"):
            saved(browser)
            browser.press("c")
            browser.wait("page.desk.sections.length > 0 || page.client.state.counts.left === 0", 20)
            if not browser.run("page.client.state.counts.left"):
                break
        kind = kind_of_row(browser, truth)
        wrong = [one for one in browser.run("page.desk.left(page.desk.section)") if KINDS[truth[one]] != kind]
        for picture in wrong:
            steps = browser.run(f"page.desk.section.pictures.indexOf({picture}) - page.desk.cursor.place")
            browser.press(*["ArrowRight" if steps > 0 else "ArrowLeft"] * abs(steps), "x")
        if kind in known:
            browser.press(str(known.index(kind) + 1))
        else:
            type_name(browser, kind)
            known.append(kind)
        answers += 1 + len(wrong)
        saved(browser)
        browser.run("page.client.poll()")
    return answers


def test_pictures_are_labelled_by_keys_alone(chromium, page):
    visit(chromium, page.url)
    answers = label_all_by_keys(chromium, page.truth)
    assert labels_of(page) == [KINDS[kind] for kind in page.truth]
    assert answers < 80
    assert {action.way for action in page.labelling.journal.actions} == {"row"}
    assert "160 of 160 named" in chromium.run("document.getElementById('progress').textContent")
    assert chromium.faults == []


@pytest.mark.slow
def test_a_thousand_pictures_are_labelled_by_keys_alone_with_a_kill_in_between(chromium, tmp_path):
    """The server is killed twice and started again at the same address; the open page goes on by itself."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    _, truth = draw_vectors(1000, spread=0.7)
    running = start_process(tmp_path, 1000, port=port, spread=0.7)
    try:
        visit(chromium, f"http://127.0.0.1:{port}/{TOKEN}/")
        for _ in range(2):
            label_all_by_keys(chromium, truth, stop=6)
            chromium.wait("page.desk.section && page.desk.left(page.desk.section).length > 0")
            before = chromium.run("page.client.state.counts.left")
            os.kill(running.pid, signal.SIGKILL)
            running.wait()
            kind = kind_of_row(chromium, truth)
            wrong = [one for one in chromium.run("page.desk.left(page.desk.section)") if KINDS[truth[one]] != kind]
            for picture in wrong:
                steps = chromium.run(f"page.desk.section.pictures.indexOf({picture}) - page.desk.cursor.place")
                chromium.press(*["ArrowRight" if steps > 0 else "ArrowLeft"] * abs(steps), "x")
            known = chromium.run("page.naming.order")
            if kind in known:
                chromium.press(str(known.index(kind) + 1))
            else:
                type_name(chromium, kind)
            chromium.wait("document.getElementById('saved').textContent.includes('1 not saved yet')", 10)
            running = start_process(tmp_path, 1000, port=port, spread=0.7)
            saved(chromium)
            chromium.run("page.client.poll()")
            assert chromium.run("page.client.state.counts.left") < before
        chromium.faults.clear()  # of requests while nobody answered
        label_all_by_keys(chromium, truth)
        assert chromium.faults == []
    finally:
        running.kill()
        running.wait()
    journal = Journal(tmp_path / "labels.sqlite")
    assert [journal.labels.name_of(number) for number in range(1000)] == [KINDS[kind] for kind in truth]


def test_undo_by_keys_goes_to_the_beginning_and_back(chromium, page):
    visit(chromium, page.url)
    type_name(chromium, "egg")
    type_name(chromium, "larva")
    saved(chromium)
    done = labels_of(page)
    assert Counter(done).keys() == {"", "egg", "larva"}
    chromium.press("u", "u")
    saved(chromium)
    assert set(labels_of(page)) == {""}
    assert chromium.run("page.desk.sections[0].named") is None
    chromium.press("u")
    chromium.wait("document.getElementById('status').textContent.includes('nothing left to undo')")
    chromium.press("U", "U")
    saved(chromium)
    assert labels_of(page) == done
    refused = [fault for fault in chromium.faults if "400" not in fault]  # the third undo was refused
    assert refused == []


def test_enter_takes_what_is_believed_and_other_keys_say_unsure_and_junk(chromium, page):
    visit(chromium, page.url)
    for _ in range(2):
        type_name(chromium, kind_of_row(chromium, page.truth))
        saved(chromium)
    chromium.wait("page.client.fits === page.client.state.fits && page.client.believed.some(one => one >= 0)")
    chromium.wait("page.desk.suggestion() !== null")
    believed = chromium.run("page.desk.suggestion().name")
    count = len(chromium.run("page.desk.left(page.desk.section)"))
    before = Counter(labels_of(page))
    chromium.press("Enter")
    saved(chromium)
    assert Counter(labels_of(page))[believed] == before[believed] + count
    chromium.press("v")
    chromium.wait("page.desk.view.name === 'all'")
    first = chromium.run("page.desk.picture")
    chromium.press("0", "Delete")
    saved(chromium)
    assert labels_of(page)[first : first + 2] == ["(unsure)", "(junk)"]
    assert chromium.faults == []


def test_views_open_by_their_keys_and_a_search_by_name(chromium, page):
    visit(chromium, page.url)
    type_name(chromium, "egg")
    saved(chromium)
    for key, name in {"b": "believed", "r": "review", "w": "new", "e": "check", "l": "kinds", "p": "second"}.items():
        chromium.press(key)
        chromium.wait(f"page.desk.view.name === '{name}'")
    chromium.press("v")
    chromium.wait("page.desk.view.name === 'all'")
    chromium.press("m")
    chromium.wait("page.desk.view.name === 'similar'")
    chromium.press("/", *"egg", "Enter")
    chromium.wait("page.desk.view.name === 'search' && page.desk.sections.some(one => one.title === 'Named egg')")
    chromium.press("?")
    chromium.wait("document.getElementById('panel').open")
    chromium.press("Escape")
    chromium.press("t")
    chromium.wait("document.getElementById('panel').textContent.includes('Rounds')")
    chromium.press("Escape")
    assert chromium.faults == []


def test_a_row_is_split_and_the_rest_clustered_anew(chromium, page):
    visit(chromium, page.url)
    rows = chromium.run("page.desk.sections.length")
    chromium.press("s")
    chromium.wait(f"page.desk.sections.length > {rows}")
    type_name(chromium, "egg")
    saved(chromium)
    chromium.press("g")
    chromium.wait("page.desk.sections.every(one => one.pictures.every(p => page.client.labels[p] < 0))")
    assert chromium.faults == []


def test_checks_are_blind_and_give_an_expectation_with_an_interval(chromium, page):
    visit(chromium, page.url)
    for kind, name in enumerate(KINDS):
        pictures = tuple(np.flatnonzero(page.truth == kind)[:8].tolist())
        page.labelling.act(page.labelling.action("label", pictures=pictures, name=name, way="row"))
    chromium.wait("Object.keys(page.client.state.kinds).length === 4 && page.naming.order.length === 4")
    chromium.press("e")
    chromium.wait("page.desk.view.name === 'check' && page.desk.sections.length === 1")
    assert chromium.run("[...document.querySelectorAll('.cell span')].every(one => one.textContent === '')")
    for _ in range(10):
        kind = KINDS[page.truth[chromium.run("page.desk.picture")]]
        chromium.press(str(chromium.run("page.naming.order").index(kind) + 1))
        saved(chromium)
    chromium.wait("page.client.state.estimate !== null && page.client.state.estimate.checked >= 10", 20)
    chromium.run("page.drawProgress()")
    said = chromium.run("document.getElementById('progress').textContent")
    assert "of the rest believed right, checked on 1" in said
    assert [one.way for one in page.labelling.journal.actions[-10:]] == ["check"] * 10
    assert chromium.faults == []


def test_a_second_person_answers_blindly_and_the_report_has_kappa(chromium, tmp_path):
    first, truth = open_drawn(tmp_path, 60, spread=0.5, person="Ada")
    for kind, name in enumerate(KINDS):
        pictures = tuple(np.flatnonzero(truth == kind).tolist())
        first.act(first.action("label", pictures=pictures, name=name, way="row"))
    first.journal.close()
    with serve(tmp_path, 60, spread=0.5, person="Bea") as page:
        visit(chromium, f"{page.url}#second")
        assert chromium.run("page.desk.view.name") == "second"
        assert chromium.run("[...document.querySelectorAll('.cell span')].every(one => one.textContent === '')")
        for turn in range(12):
            kind = truth[chromium.run("page.desk.picture")]
            said = KINDS[kind] if turn else KINDS[(kind + 1) % 4]  # once she sees it otherwise
            chromium.press(str(chromium.run("page.naming.order").index(said) + 1))
            saved(chromium)
        assert [page.labelling.journal.labels.name_of(n) for n in range(60)] == [KINDS[kind] for kind in truth]
        chromium.press("t")
        chromium.wait("document.getElementById('panel').textContent.includes('kappa')")
        assert "12 answered twice: 91.7% the same" in chromium.run("document.getElementById('panel').textContent")
        chromium.press("Escape")
        chromium.press("p")
        chromium.wait("page.desk.sections.length === 2 && page.desk.sections[1].pictures.length === 1")
        assert chromium.faults == []


# ------------------------------------------------------------------------------------------------ the mouse


def test_a_click_takes_a_picture_out_of_its_row_and_the_name_passes_it_by(chromium, page):
    visit(chromium, page.url)
    row = chromium.run("page.desk.section.pictures")
    chromium.click(*place_of(chromium, row[1]))
    assert chromium.run("page.desk.section.out.size") == 1
    type_name(chromium, "egg")
    saved(chromium)
    named = [number for number, name in enumerate(labels_of(page)) if name == "egg"]
    assert sorted(named) == sorted(set(row) - {row[1]})
    assert chromium.faults == []


def test_shift_click_and_a_box_select_what_is_named(chromium, page):
    visit(chromium, page.url)
    chromium.press("v")
    chromium.wait("page.desk.view.name === 'all'")
    everything = chromium.run("page.desk.section.pictures")
    chromium.click(*place_of(chromium, everything[1]))
    x, y = place_of(chromium, everything[4])
    chromium.mouse("mouseMoved", x, y)
    for kind in ("mousePressed", "mouseReleased"):
        chromium.mouse(kind, x, y, button="left", clickCount=1, modifiers=8)
    assert sorted(chromium.run("[...page.desk.selected]")) == everything[1:5]
    type_name(chromium, "egg")
    saved(chromium)
    columns = chromium.run("page.grid.layout.columns")
    start, end = place_of(chromium, everything[0]), place_of(chromium, everything[columns + 1])
    chromium.mouse("mouseMoved", *start)
    chromium.mouse("mousePressed", *start, button="left", clickCount=1)
    chromium.mouse("mouseMoved", (start[0] + end[0]) / 2, (start[1] + end[1]) / 2, button="left", buttons=1)
    chromium.mouse("mouseMoved", *end, button="left", buttons=1)
    chromium.mouse("mouseReleased", *end, button="left", clickCount=1)
    boxed = [everything[0], everything[1], everything[columns], everything[columns + 1]]
    assert sorted(chromium.run("[...page.desk.selected]")) == sorted(boxed)
    type_name(chromium, "larva")
    saved(chromium)
    labels = labels_of(page)
    assert {labels[one] for one in boxed} == {"larva"}
    assert labels[everything[2]] == "egg"
    assert chromium.faults == []


def test_kinds_are_renamed_and_merged_in_a_dialog(chromium, page):
    visit(chromium, page.url)
    type_name(chromium, "egg")
    type_name(chromium, "ovum")
    saved(chromium)
    chromium.run("document.querySelectorAll('#kinds .rename')[1].click()")
    chromium.wait("document.getElementById('panel').open")
    chromium.run("document.querySelector('#panel input').value = 'egg'")
    chromium.run("document.querySelector('#panel form').requestSubmit()")
    saved(chromium)
    assert set(labels_of(page)) == {"", "egg"}
    assert chromium.faults == []


# ------------------------------------------------------------------------------------------------ windows and widths


def test_two_windows_lose_nothing_of_each_other(chromium, page, tmp_path):
    other = Browser(tmp_path / "profile")
    try:
        for browser in (chromium, other):
            visit(browser, page.url)
            browser.press("v")
            browser.wait("page.desk.view.name === 'all'")
            browser.run("page.client.poll = async () => {}")  # neither hears of the other meanwhile
        for browser, name in ((chromium, "egg"), (other, "larva")):
            browser.run(f"void (page.name('{name}'), page.name('{name}'))")  # the first two, faster than any answer
            saved(browser)
        labels = labels_of(page)
        assert labels[:2] == ["egg", "egg"]  # who was first is not overwritten unseen
        other.wait("document.getElementById('status').textContent.includes('another window')")
        assert other.run("page.client.names[page.client.labels[page.desk.section.pictures[0]]]") == "egg"
        type_name(other, "larva")
        type_name(chromium, "diatom")
        saved(chromium)
        saved(other)
        journal = Journal(page.labelling.journal.path)
        assert [one.name for one in journal.actions] == ["egg", "egg", "larva"]  # diatom came too late, unseen
        assert (replay(journal.actions, 160).codes == journal.labels.codes).all()
    finally:
        other.close()


def test_a_window_sees_what_another_process_named(chromium, page):
    visit(chromium, page.url)
    beside = Journal(page.labelling.journal.path)
    beside.append(Action(verb="label", person="Bea", window="elsewhere", pictures=(3, 4), name="egg"))
    chromium.wait("page.client.names[page.client.labels[3]] === 'egg'", 10)
    assert chromium.run("page.client.state.kinds.egg") == 2
    assert chromium.faults == []


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_the_page_fits_its_window(chromium, page, tmp_path, width, dark):
    visit(chromium, page.url, width=width, height=844, dark=dark)
    type_name(chromium, "egg")
    saved(chromium)
    assert chromium.run("document.documentElement.scrollWidth") <= width
    assert chromium.run("page.grid.layout.columns") >= (6 if width > 700 else 3)
    cut = "[...document.querySelectorAll('header button, aside button')].filter(one => one.offsetParent)"
    outside = chromium.run(f"{cut}.filter(one => one.getBoundingClientRect().bottom > innerHeight).length")
    assert outside == 0
    ground = chromium.run("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) < 200) == dark
    assert chromium.picture(tmp_path / "page.png").stat().st_size > 10_000
    assert chromium.faults == []


def test_a_tap_takes_out_and_a_button_names_at_phone_width(chromium, page):
    visit(chromium, page.url, width=390, height=844)
    row = chromium.run("page.desk.section.pictures")
    where = place_of(chromium, row[0])
    chromium.touch(where)
    chromium.touch(kind="touchEnd")
    chromium.wait("page.desk.section.out.size === 1")
    chromium.run("document.getElementById('name').value = 'egg'")
    chromium.run("document.getElementById('name-form').requestSubmit()")
    saved(chromium)
    assert Counter(labels_of(page))["egg"] == len(row) - 1
    assert chromium.faults == []


def test_names_of_strangers_are_text_and_nothing_else(chromium, page):
    evil = "<img src=x onerror='window.pwned = 1'>"
    page.labelling.act(page.labelling.action("label", pictures=(0, 1), name=evil))
    visit(chromium, page.url)
    for key in ("v", "l", "t"):
        chromium.press(key)
        time.sleep(0.2)
    chromium.press("Escape")
    assert evil in chromium.run("document.getElementById('kinds').textContent")
    assert chromium.run("window.pwned") is None
    assert chromium.faults == []


def test_a_hundred_thousand_pictures_scroll_with_a_few_hundred_elements(chromium, page):
    """The layout alone: no such folder is drawn here."""
    visit(chromium, page.url)
    chromium.press("v")
    chromium.wait("page.desk.view.name === 'all'")
    many = "Array.from({length: 100000}, (_, place) => place % 160)"
    chromium.run(f"page.desk.sections[0].pictures = {many}; page.grid.show(page.desk.sections)")
    longest = 0.0
    for _ in range(20):
        script = (
            "(() => { const s = document.getElementById('scroller'), t = performance.now();"
            " s.scrollTop = Math.random() * s.scrollHeight; page.grid.draw(); return performance.now() - t })()"
        )
        longest = max(longest, chromium.run(script))
        assert chromium.run("document.querySelectorAll('.cell').length") < 400
    chromium.run("page.desk.cursor = {section: 0, place: 99999}; page.reveal()")
    assert chromium.run("document.querySelector('.cell.current') !== null")
    assert chromium.faults == []


def test_the_embedding_goes_on_while_the_page_is_there(chromium, tmp_path):
    labelling, _ = open_drawn(tmp_path, 60, spread=0.5)
    vectors, _ = draw_vectors(60, spread=0.5)
    labelling.ready[:] = False
    paths = labelling.pictures.paths
    gates = [threading.Event() for _ in range(2)]

    def embed(take, tell):
        for gate, part in zip(gates, (slice(0, 30), slice(30, 60)), strict=True):
            gate.wait(30)
            take(paths[part], vectors[part])
            tell(part.stop, 60, ())

    worker = Worker(labelling, embed)
    running = RunningServer(LabelServer(labelling, worker, out=Path(tmp_path, "labels.csv")), token=TOKEN)
    thread = threading.Thread(target=running.serve, daemon=True)
    worker.start()
    thread.start()
    try:
        chromium.ask("Page.navigate", url="about:blank")
        chromium.wait("location.href === 'about:blank'")
        chromium.homes = (running.url, "data:")
        chromium.open(running.url)
        chromium.wait("document.body.dataset.ready === '1'")
        assert "embedding 0 of 60" in chromium.run("document.getElementById('progress').textContent")
        gates[0].set()
        chromium.wait("page.desk.sections.length > 0", 20)
        type_name(chromium, "egg")  # while the other half is not there yet
        saved(chromium)
        gates[1].set()
        chromium.wait("page.client.state.embedding.complete", 20)
        assert chromium.faults == []
    finally:
        for gate in gates:
            gate.set()
        running.stop()
        thread.join(20)
        worker.stop()
