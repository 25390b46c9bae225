"""A headless Chromium, driven over its DevTools protocol: opens a page and tells what is in it and what it complained.

Plain protocol over the WebSocket library that is there anyway; rejected: selenium, which needs a second program
(chromedriver) of exactly the browser's version and hides what the console said.
Source: the Chrome DevTools Protocol, domains Page, Runtime and Log.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

# What CI sets, so that a missing browser cannot pass there for a passed test.
REQUIRED_VARIABLE = "CHROMIUM_REQUIRED"
START_WITHIN_S = 60.0
ANSWER_WITHIN_S = 60.0
_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # in a container there is none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1280,1000",
    "--remote-debugging-port=0",
)


def chromium() -> str:
    """Returns the browser's program; skips the test where there is none, or fails it where there must be one."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    sentence = "chromium is not installed here (package chromium), so the page is not opened"
    if os.environ.get(REQUIRED_VARIABLE):
        pytest.fail(sentence)
    pytest.skip(sentence)


class Tab:
    """One tab of a running browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._number = 0
        self._events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        """Returns the answer to one command. Raises AssertionError for an error, TimeoutError for silence."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = self._heard()
            if message.get("id") == self._number:
                assert "error" not in message, f"{method}: {message['error']}"
                result = message["result"]
                assert isinstance(result, dict)
                return result

    def open(self, path: Path) -> None:
        """Opens a file and waits until it is loaded."""
        self.ask("Page.navigate", url=path.resolve().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._heard()

    def evaluate(self, expression: str) -> Any:
        """Returns the value of a JavaScript expression."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def screenshot(self, path: Path) -> None:
        shot = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def complaints(self) -> list[str]:
        """Returns errors and warnings of the console and of the browser, and exceptions that nobody caught."""
        found = []
        for event in self._events:
            said = event["params"]
            match event["method"]:
                case "Runtime.exceptionThrown":
                    found.append(json.dumps(said["exceptionDetails"]))
                case "Runtime.consoleAPICalled" if said["type"] in ("error", "warning", "assert"):
                    found.append(json.dumps(said["args"]))
                case "Log.entryAdded" if said["entry"]["level"] in ("error", "warning"):
                    found.append(json.dumps(said["entry"]))
                case _:
                    pass
        return found

    def _heard(self) -> dict[str, Any]:
        message = json.loads(self._socket.recv(timeout=ANSWER_WITHIN_S))
        assert isinstance(message, dict)
        if "method" in message:
            self._events.append(message)
        return message


@contextlib.contextmanager
def opened_browser(folder: Path) -> Iterator[Tab]:
    """Starts a browser with an empty profile in `folder`, and ends it."""
    program = chromium()
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            [program, *_ARGUMENTS, f"--user-data-dir={folder / 'profile'}", "about:blank"], stdout=log, stderr=log
        )
        try:
            port = _port(process, folder / "profile" / "DevToolsActivePort")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=ANSWER_WITHIN_S) as answer:
                pages = [target for target in json.load(answer) if target["type"] == "page"]
            with connect(pages[0]["webSocketDebuggerUrl"], max_size=None, compression=None, proxy=None) as socket:
                yield Tab(socket)
        finally:
            process.terminate()
            process.wait(timeout=ANSWER_WITHIN_S)


def _port(process: subprocess.Popen[bytes], path: Path) -> int:
    until_s = time.monotonic() + START_WITHIN_S
    while time.monotonic() < until_s:
        assert process.poll() is None, f"chromium ended with {process.returncode} before it listened"
        lines = path.read_text().splitlines() if path.exists() else []
        if len(lines) > 1:
            return int(lines[0])
        time.sleep(0.1)
    raise AssertionError("chromium did not listen in time")
