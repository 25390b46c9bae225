"""The service manager's end of the notify socket: a real datagram socket of either form."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

FORMS = ("path", "abstract")


class NotifySocket:
    """Receives what a service tells its manager; `address` goes into NOTIFY_SOCKET."""

    def __init__(self, folder: Path, form: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        if form == "abstract":
            name = f"kalshi-bot-test-{secrets.token_hex(8)}"
            self.address = "@" + name
            self._socket.bind("\0" + name)
        else:
            self.address = str(folder / "notify")
            self._socket.bind(self.address)
        self.received: list[tuple[float, tuple[str, ...]]] = []

    def __enter__(self) -> NotifySocket:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    def take(self) -> list[tuple[str, ...]]:
        """Returns the messages that have arrived since the last call, without waiting for more."""
        new: list[tuple[str, ...]] = []
        self._socket.setblocking(False)
        while True:
            try:
                text = self._socket.recv(65_536).decode()
            except BlockingIOError:
                self.received += [(time.monotonic(), lines) for lines in new]
                return new
            new.append(tuple(text.split("\n")))

    def wait_for(self, is_it: Callable[[tuple[str, ...]], bool], what: str, timeout_s: float) -> tuple[str, ...]:
        """Waits for a message and returns it; what comes before it is kept in `received`, with its time."""
        until_s = time.monotonic() + timeout_s
        while (left_s := until_s - time.monotonic()) > 0:
            self._socket.settimeout(left_s)
            try:
                lines = tuple(self._socket.recv(65_536).decode().split("\n"))
            except TimeoutError:
                break
            self.received.append((time.monotonic(), lines))
            if is_it(lines):
                return lines
        last = [lines for _, lines in self.received[-5:]]
        raise AssertionError(f"did not arrive within {timeout_s} s: {what}; the last messages: {last}")
