"""Tells the service manager what it wants to hear: the client side of systemd's sd_notify, on its own.

One datagram of lines `NAME=value` to the socket in NOTIFY_SOCKET. Rules:

1. Without NOTIFY_SOCKET nothing is sent, and that is no failure.
2. A message never blocks the loop and never raises: the manager's socket may be full or gone, and trading goes on.
   Every failure is counted, and the latest is kept as text for whoever has a log.
3. WATCHDOG_USEC counts only where WATCHDOG_PID is absent or ours: a child inherits the variables, not the duty.

Rejected: the library `sdnotify`, which swallows errors; `vsock:` addresses, which only the manager outside of a virtual
machine uses.

Source: systemd's manual pages sd_notify(3) and sd_watchdog_enabled(3), version 252.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Mapping

import attrs

SOCKET_VARIABLE = "NOTIFY_SOCKET"
WATCHDOG_VARIABLE = "WATCHDOG_USEC"
WATCHDOG_PID_VARIABLE = "WATCHDOG_PID"
INVOCATION_VARIABLE = "INVOCATION_ID"
STATUS_CHARACTERS_MAX = 500  # it is one line on a person's screen
US_PER_S = 1_000_000


def is_service(environ: Mapping[str, str]) -> bool:
    """Whether a service manager has started this process, and not a person in a terminal."""
    return bool(environ.get(SOCKET_VARIABLE) or environ.get(INVOCATION_VARIABLE))


def watchdog_s(environ: Mapping[str, str], pid: int) -> float | None:
    """Returns the seconds within which the manager wants a sign of life; None: it wants none of this process."""
    interval_us = environ.get(WATCHDOG_VARIABLE, "")
    for_pid = environ.get(WATCHDOG_PID_VARIABLE, "")
    if for_pid and for_pid != str(pid):
        return None
    if not (interval_us.isascii() and interval_us.isdigit()) or int(interval_us) == 0:
        return None
    return int(interval_us) / US_PER_S


def status_line(text: str) -> str:
    """Returns the line that shows `text` in `systemctl status`, made one line of a bounded length."""
    return f"STATUS={' '.join(text.split())[:STATUS_CHARACTERS_MAX]}"


def extend_line(seconds: float) -> str:
    """Returns the line that asks for `seconds`, rounded up to whole ones, of starting or stopping, counted from now."""
    return f"EXTEND_TIMEOUT_USEC={math.ceil(seconds) * US_PER_S}"


@attrs.define(eq=False)
class Notifier:
    """Sends to `address`, the value of NOTIFY_SOCKET; an empty one makes it mute. Close it in the end."""

    address: str
    failures: int = attrs.field(default=0, init=False)
    last_failure: str = attrs.field(default="", init=False)
    _socket: socket.socket | None = attrs.field(default=None, init=False)

    @property
    def is_enabled(self) -> bool:
        return bool(self.address)

    def send(self, *lines: str) -> bool:
        """Sends the lines as one message; returns False, counted, when the manager cannot have got it."""
        if not self.address:
            return True
        if self.address[0] not in "/@":
            return self._failed(f"{SOCKET_VARIABLE}={self.address} is neither a path nor an abstract address")
        # An abstract name begins with a zero byte, which no environment variable can hold: hence the @.
        place = "\0" + self.address[1:] if self.address[0] == "@" else self.address
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
                self._socket.setblocking(False)
            self._socket.sendto("\n".join(lines).encode(errors="replace"), place)
        except OSError as error:
            return self._failed(f"the service manager cannot be told: {error.strerror or error}")
        return True

    def _failed(self, text: str) -> bool:
        self.failures += 1
        self.last_failure = text
        return False

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
