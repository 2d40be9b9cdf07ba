"""A real browser for tests: headless Chromium, driven through its DevTools protocol by what Jupyter brings along."""

import asyncio
import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-port=0",
)  # fmt: skip


def find() -> str | None:
    """The browser's program: CLUSTER_TUNE_BROWSER, else the first known name on the path; None if there is none."""
    given = os.environ.get("CLUSTER_TUNE_BROWSER")
    return given or next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One tab: `open` an address, `ask` it a question in JavaScript, `press` keys, look at `dialogs` and `errors`."""

    def __init__(self, socket, loop):
        self.socket, self.loop, self.count = socket, loop, 0
        self.forget()
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def forget(self) -> None:
        """Forget what happened so far."""
        self.dialogs, self.errors, self.requests = [], [], []

    def call(self, method: str, **parameters) -> dict:
        """One command of the protocol; what happens meanwhile is noted."""
        self.count += 1
        self._send(self.count, method, parameters)
        while (message := self._hear()).get("id") != self.count:
            pass
        assert "error" not in message, (method, message["error"])
        return message["result"]

    def _send(self, number: int, method: str, parameters: dict) -> None:
        message = json.dumps({"id": number, "method": method, "params": parameters})
        self._wait(lambda: self.socket.write_message(message))

    def _wait(self, begin, timeout: float = 60):
        """What a future brings that only a running loop can begin."""

        async def waiting():
            return await asyncio.wait_for(begin(), timeout)

        return self.loop.run_until_complete(waiting())

    def _hear(self) -> dict:
        message = json.loads(self._wait(self.socket.read_message))
        method, facts = message.get("method"), message.get("params", {})
        if method == "Page.javascriptDialogOpening":
            self.dialogs.append(facts["message"])
            self._send(0, "Page.handleJavaScriptDialog", {"accept": False})
        elif method == "Runtime.exceptionThrown":
            self.errors.append(facts["exceptionDetails"].get("exception", {}).get("description", str(facts)))
        elif method == "Network.requestWillBeSent":
            self.requests.append(facts["request"]["url"])
        return message

    def open(self, address: str, width: int = 1280, height: int = 900, dark: bool = False, scripts: bool = True) -> None:
        """Load a page at this width, in the light or the dark theme, with or without scripts."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.call("Page.navigate", url=address)
        while self._hear().get("method") != "Page.loadEventFired":
            pass

    def ask(self, expression: str):
        """The value of a JavaScript expression, awaited if it is a promise."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def point(self, selector: str, x: float, y: float, click: bool = False) -> None:
        """Move the mouse to a share of an element's width and height; press the button if asked to."""
        at = f"document.querySelector({json.dumps(selector)})"
        self.ask(f"{at}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
        box = self.ask(f"(b => [b.x, b.y, b.width, b.height])({at}.getBoundingClientRect())")
        place = {"x": box[0] + x * box[2], "y": box[1] + y * box[3], "button": "left", "clickCount": 1}
        for kind in ("mouseMoved", *(("mousePressed", "mouseReleased") if click else ())):
            self.call("Input.dispatchMouseEvent", type=kind, **place)

    def shoot(self, file: Path, whole: bool = False) -> Path:
        """A picture of what is seen, or of the whole page."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(shot["data"]))
        return file


@contextmanager
def page(program: str) -> Iterator[Page]:
    """A tab of a browser of its own, gone afterwards with all it kept."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, Path(folder, "errors").open("w") as errors:
        browser = subprocess.Popen([program, *QUIET, f"--user-data-dir={folder}/profile", "about:blank"], stderr=errors)
        loop = asyncio.new_event_loop()
        try:
            yield Page(loop.run_until_complete(_connected(_tab(Path(folder, "profile")))), loop)
        finally:
            browser.terminate()
            browser.wait(20)
            loop.close()


async def _connected(address: str):
    from tornado.websocket import websocket_connect

    return await websocket_connect(address, max_message_size=2**28)


def _tab(profile: Path, patience: float = 60) -> str:
    """The address of the first tab, once the browser has said at which port it listens."""
    from urllib.request import urlopen

    until = time.monotonic() + patience
    while time.monotonic() < until:
        try:
            port = (profile / "DevToolsActivePort").read_text().splitlines()[0]
            tabs = json.load(urlopen(f"http://127.0.0.1:{port}/json", timeout=5))
            return next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
        except (OSError, ValueError, IndexError, StopIteration):
            time.sleep(0.1)
    raise TimeoutError("the browser did not start")
