"""Headless Chromium over its DevTools protocol: a page is opened, touched, asked, and looked at.

The screenshots of a gallery in the docs, once `zoo gallery` has written it:

    python tests/chromium.py vgg16-plankton-gallery docs
"""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from zoo.plots.png import save_png

MODIFIERS = {"Shift": 8}
LARGEST = 400_000  # bytes of a screenshot in the docs
GAP = 24  # pixels between the phone's screens
CODES = {"Enter": "\r", "Tab": "", "Escape": ""}


def find_chromium() -> str:
    """Its path; the test is passed over where there is none."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no Chromium on this machine: `apt install chromium`")
    return found


class Browser:
    """One process with one page."""

    def __init__(self, profile: Path) -> None:
        websocket = pytest.importorskip("websocket", reason="no websocket-client: `pip install websocket-client`")
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        words = [*flags, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen([find_chromium(), *words], stderr=subprocess.DEVNULL)
        port = profile / "DevToolsActivePort"
        deadline = time.monotonic() + 60
        while not (port.is_file() and port.read_text().count("\n")) and time.monotonic() < deadline:
            time.sleep(0.05)
        number, path = port.read_text().split("\n")[:2]
        self._socket = websocket.create_connection(
            f"ws://127.0.0.1:{number}{path}", timeout=60, suppress_origin=True, max_size=None
        )
        self._count, self._session = 0, None
        self.faults: list[str] = []
        self.homes: tuple[str, ...] = ("file:", "data:")  # what a page may ask for
        target = next(one for one in self.ask("Target.getTargets")["targetInfos"] if one["type"] == "page")
        attached = self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> Any:
        """Call the protocol; what went wrong in the page meanwhile is kept in `faults`."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        self._socket.send(json.dumps(message | ({"sessionId": self._session} if self._session else {})))
        while (answer := json.loads(self._socket.recv())).get("id") != self._count:
            self._note(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _note(self, event: dict[str, Any]) -> None:
        method, params = event.get("method", ""), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.faults.append(str(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.faults.append(str(params["args"]))
        elif method == "Log.entryAdded":
            self.faults.append(params["entry"]["text"])
        elif method == "Network.loadingFailed" and not params.get("canceled"):
            self.faults.append(f"failed: {params}")
        elif method == "Network.requestWillBeSent" and not params["request"]["url"].startswith(self.homes):
            self.faults.append(f"asked for {params['request']['url']}")

    def open(
        self,
        page: Path | str,
        *,
        width: int = 1280,
        height: int = 900,
        dark: bool = False,
        density: float = 1,
        moving: bool = False,
    ) -> None:
        """Open a file or an address, and wait until it is loaded and drawn; pages that may move do so for `moving`."""
        narrow = width < 700
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=density, mobile=narrow
        )
        self.ask("Emulation.setTouchEmulationEnabled", enabled=narrow)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        still = {"name": "prefers-reduced-motion", "value": "no-preference" if moving else "reduce"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme, still])
        self.run("window.before = true")
        self.faults.clear()
        self.ask("Page.navigate", url=page if isinstance(page, str) else page.resolve().as_uri())
        self.wait("!window.before && document.readyState === 'complete'")
        self.settle()

    def run(self, expression: str) -> Any:
        """What an expression in the page comes to; promises are waited for."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression: str, seconds: float = 20) -> None:
        """Until an expression is true."""
        deadline = time.monotonic() + seconds
        while not self.run(expression):
            assert time.monotonic() < deadline, f"never true: {expression}"
            time.sleep(0.02)

    def settle(self) -> None:
        """Until what is asked for is drawn."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """`mouseMoved`, `mousePressed`, `mouseReleased`, `mouseWheel` at a place in the window."""
        self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)
        self.settle()

    def click(self, x: float, y: float) -> None:
        """Move there, press and let go."""
        self.mouse("mouseMoved", x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, x, y, button="left", clickCount=1)

    def touch(self, *points: tuple[float, float], kind: str = "touchStart") -> None:
        """Fingers at these places."""
        self.ask("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y} for x, y in points])
        self.settle()

    def press(self, *keys: str, shift: bool = False) -> None:
        """Keys by their names, `Tab`, `ArrowLeft`, `+`."""
        for key in keys:
            text = CODES.get(key, key if len(key) == 1 else "")
            code = {"Tab": 9, "Enter": 13, "Escape": 27}.get(key, ord(key) if len(key) == 1 else 0)
            facts = {"key": key, "windowsVirtualKeyCode": code, "modifiers": MODIFIERS["Shift"] if shift else 0}
            self.ask("Input.dispatchKeyEvent", type="keyDown", **facts, **({"text": text} if text else {}))
            self.ask("Input.dispatchKeyEvent", type="keyUp", **facts)
        self.settle()

    def picture(self, path: Path, *, whole: bool = False) -> Path:
        """A screenshot as PNG, of the window or of the whole page."""
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))
        return path

    def close(self) -> None:
        """End the process."""
        self._socket.close()
        self._process.terminate()
        self._process.wait(20)


def draw_gallery(gallery: Path, out: Path) -> None:
    """Write gallery.png, a desk's screen with a picture's nearest, and gallery-phone.png, two screens of a phone."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(Path(profile))
        try:
            shots = [_desk(browser, gallery / "index.html"), *_phone(browser, gallery / "index.html")]
        finally:
            browser.close()
    save_png(shots[0], out / "gallery.png", largest=LARGEST)
    sheet = Image.new("RGB", (2 * shots[1].width + GAP, shots[1].height), "white")
    for number, shot in enumerate(shots[1:]):
        sheet.paste(shot, (number * (shot.width + GAP), 0))
    save_png(sheet, out / "gallery-phone.png", largest=LARGEST)


def _desk(browser: Browser, page: Path) -> Image.Image:
    browser.open(page)
    browser.run("document.querySelector('.atlas').scrollIntoView(); map.focus({preventScroll: true})")
    browser.press("ArrowRight", "+", "+", "+", "Enter")
    return _shot(browser)


def _phone(browser: Browser, page: Path) -> list[Image.Image]:
    browser.open(page, width=390, height=844, density=1.5, dark=True)
    browser.run("document.querySelector('.tools').scrollIntoView(); map.focus({preventScroll: true})")
    browser.press("ArrowRight", "+", "+", "+", "Enter")
    first = _shot(browser)
    browser.run("document.querySelector('.side').scrollIntoView()")
    return [first, _shot(browser)]


def _shot(browser: Browser) -> Image.Image:
    time.sleep(0.5)  # until every thumbnail is decoded
    browser.settle()
    shot = browser.ask("Page.captureScreenshot", format="png")
    return Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")


if __name__ == "__main__":
    draw_gallery(*map(Path, sys.argv[1:]))
