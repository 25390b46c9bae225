"""Writes what a client would have heard, frame by frame, in the form of the recorded runs, so that it can be replayed.

One line per frame: {"recv_ns": time of the exchange in ns, "conn": 1, "frame": the frame as sent}. It is a client
of the exchange like any other, on a session of its own: subscribed to books, trades, tickers and lifecycle of every
market whose ticker fits the pattern, new markets included. It draws no number and takes no turn in anything, so a
recorded run is the same run.
"""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import BinaryIO, Final

import trio

from kalshi.simulator.accounts import Account
from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.socket_hub import SocketHub
from kalshi.simulator.socket_session import SessionClosed, SocketSession

CHANNELS: Final = ("orderbook_delta", "trade", "ticker", "market_lifecycle_v2")
_LOOK_S: Final = 1.0
_CONN: Final = 1
_NS_PER_MS: Final = 1_000_000


class Recorder:
    """Records one exchange into a file that is open for writing."""

    def __init__(self, core: ExchangeCore, hub: SocketHub, file: BinaryIO, *, pattern: str = "*") -> None:
        self._core = core
        self._hub = hub
        self._file = file
        self._pattern = pattern
        self._commands = 0
        self._held: dict[str, None] = {}
        self.frames = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Records until cancelled. A connection that a fault ends is opened anew, as the next `conn`."""
        conn = _CONN
        while True:
            session = self._hub.open_session(Account(account_id="recorder", key_id=""))
            self._held = {}
            self._subscribe_new(session)
            task_status.started()
            task_status = trio.TASK_STATUS_IGNORED
            try:
                await self._record(session, conn)
            finally:
                session.close()
                self._file.flush()
            conn += 1
            await trio.sleep(_LOOK_S)

    async def _record(self, session: SocketSession, conn: int) -> None:
        """Records until the session ends."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_markets, session)
            try:
                while True:
                    self._write(await session.next_frames(), conn)
            except SessionClosed:
                nursery.cancel_scope.cancel()

    async def _watch_markets(self, session: SocketSession) -> None:
        while True:  # ends with the session
            await trio.sleep(_LOOK_S)
            self._subscribe_new(session)
            self._file.flush()

    def _subscribe_new(self, session: SocketSession) -> None:
        """Subscribes to what is listed and not yet heard: a second subscribe merges into the first."""
        tickers = [one for one in self._core.markets if one not in self._held and fnmatchcase(one, self._pattern)]
        if not tickers:
            return
        self._held.update(dict.fromkeys(tickers))
        self._commands += 1
        params = {"channels": CHANNELS, "market_tickers": tickers}
        session.receive_text(json.dumps({"id": self._commands, "cmd": "subscribe", "params": params}))

    def _write(self, frames: list[str], conn: int) -> None:
        recv_ns = self._core.now_ms() * _NS_PER_MS
        for frame in frames:
            self._file.write(f'{{"recv_ns":{recv_ns},"conn":{conn},"frame":{frame.rstrip()}}}\n'.encode())
        self.frames += len(frames)
