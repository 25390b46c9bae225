"""A WebSocket in memory between the bot and the player of a recording.

What one end sends, the other has at once; how long messages travel is part of the recorded times. The buffer towards
the bot is bounded as that of every socket.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import trio

from kalshi.socket import SOCKET_BUFFER_FRAMES, SocketClosed, SocketOverflow
from ops.simulation import Line

PING_S: Final = 0.05


class Pipe:
    """Both ends: the bot's (`kalshi.socket.Socket`) and the player's (`get_message`, `send_message`)."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._to_bot: deque[str | bytes] = deque()
        self._to_player: deque[str] = deque()
        self._bot_wakes, self._player_wakes = trio.Event(), trio.Event()
        self._reason: SocketClosed | None = None

    @property
    def is_closed(self) -> bool:
        return self._reason is not None

    # -- the bot's end --

    async def receive_batch(self) -> list[str | bytes]:
        """Returns every frame that has arrived. Raises SocketClosed, SocketOverflow."""
        await trio.lowlevel.checkpoint()
        while not self._to_bot:
            if self._reason is not None:
                raise self._reason
            self._bot_wakes = trio.Event()
            await self._bot_wakes.wait()
        if isinstance(self._reason, SocketOverflow):
            raise self._reason
        frames = list(self._to_bot)
        self._to_bot.clear()
        self._line.heard_s = trio.current_time()
        return frames

    async def send(self, text: str) -> None:
        """Hands a command to the player. Raises SocketClosed."""
        await trio.lowlevel.checkpoint()
        if self._reason is not None:
            raise self._reason
        self._to_player.append(text)
        self._player_wakes.set()

    async def ping(self, deadline_s: float) -> None:
        """Answers after a round trip. Raises SocketClosed."""
        await trio.sleep(min(deadline_s, PING_S))
        if self._reason is not None:
            raise self._reason
        self._line.heard_s = trio.current_time()

    async def aclose(self) -> None:
        """Closes both ends; may be called twice."""
        self.end(SocketClosed("closed by the bot"))
        await trio.lowlevel.checkpoint()

    # -- the player's end --

    async def get_message(self) -> str:
        """Returns the bot's next command. Raises SocketClosed."""
        await trio.lowlevel.checkpoint()
        while not self._to_player:
            if self._reason is not None:
                raise self._reason
            self._player_wakes = trio.Event()
            await self._player_wakes.wait()
        return self._to_player.popleft()

    async def send_message(self, message: str) -> None:
        """Hands a frame to the bot; it lets nobody run, so that frames of one moment arrive together.

        Raises SocketClosed.
        """
        if self._reason is None and len(self._to_bot) >= SOCKET_BUFFER_FRAMES:
            self.end(SocketOverflow(f"{SOCKET_BUFFER_FRAMES} frames are unread"))
        if self._reason is not None:
            raise self._reason
        self._to_bot.append(message)
        self._bot_wakes.set()

    def end(self, reason: SocketClosed) -> None:
        """Closes both ends; the first reason stays."""
        if self._reason is None:
            self._reason = reason
            self._bot_wakes.set()
            self._player_wakes.set()
