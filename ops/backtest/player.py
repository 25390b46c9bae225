"""Plays the connections of a recording to the bot, in memory, at the times at which they were recorded.

The virtual clock stands where the recording's clock stood, and gaps between two connections are as long as they were: a
handshake of the bot waits as long (HELD_S_MAX). What is said on a connection is `ops.replay_conversation`, as in a
replay; here is only when. A connection that the bot closes by itself ends the backtest: nobody recorded what came then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from kalshi.errors import Unavailable
from kalshi.simulator.exchange import SimulatedExchange
from kalshi.simulator.socket_session import HandshakeRefused, SessionClosed, SocketSession
from kalshi.socket import Socket, SocketClosed
from kalshi.socket_network import refused_handshake
from ops.backtest.pipe import Pipe
from ops.replay_books import Bell, Comparison, ExactBook
from ops.replay_conversation import Conversation, ReplayBroken
from ops.replay_recording import Frame, RecordedConnection
from ops.replay_stage import Stage, Witness
from ops.simulation import Line

# A connection's recorded end comes at once; that the bot has noticed may take its housekeeping.
NOTICED_WITHIN_S: Final = 5.0
CONNECTED_WITHIN_S: Final = 60.0
# Longer than any gap between two recorded connections; the bot's own patience with a handshake must be longer.
HELD_S_MAX: Final = 900.0
# Frames of so long arrive together, at its end: a market is decided every 50 ms, and a simulation costs by the moment.
MOMENT_MS: Final = 25
_NS_PER_MS: Final = 1_000_000


class Uncompared(Comparison):
    """Holds no book against another: `supervisor.py replay` does that for the same recordings and the same feed."""

    def expect(self, ticker: str, book: ExactBook) -> None:
        """Announces nothing."""

    def give_up(self, ticker: str | None = None) -> None:
        """Gives up nothing."""


class Player:
    """Serves all connections of the stage's recording; `over` is set at the end, `problem` says what went wrong."""

    def __init__(
        self,
        stage: Stage,
        witness: Witness,
        exchange: SimulatedExchange,
        tap: Callable[[Frame], None],
    ) -> None:
        self._stage = stage
        self._comparison = Uncompared()
        self._witness = witness
        self._exchange = exchange
        self._tap = tap
        self._bell = Bell()
        self._is_due = False
        self._waiting: tuple[Pipe, SocketSession] | None = None
        self.frames = 0
        self.over = trio.Event()
        self.problem: str | None = None

    async def connect(self, line: Line, sign: Callable[[], dict[str, str]]) -> Socket:
        """Opens the next recorded connection for the bot. Raises Unavailable, AuthenticationFailed."""
        if self._waiting is not None or self._stage.connection is None:
            raise Unavailable("nothing to serve now")
        if not await self._bell.wait_until(lambda: self._is_due, HELD_S_MAX):
            raise Unavailable("nothing is recorded for so long")
        session = self._exchange.open_socket(sign())
        if isinstance(session, HandshakeRefused):
            raise refused_handshake(session.status, {}, session.body)
        pipe = Pipe(line)
        self._waiting = pipe, session
        self._bell.ring()
        return pipe

    async def run(self, first_ms: int) -> None:
        """Plays the whole recording, whose first moment is `first_ms` at the clock's zero."""
        try:
            for connection in self._stage.recording.connections:
                await self._converse(connection, first_ms)
        except* (ReplayBroken, SocketClosed, SessionClosed) as broken:
            self.problem = f"connection {self._stage.number + 1}: {_first(broken)}"
        self.over.set()

    async def _converse(self, connection: RecordedConnection, first_ms: int) -> None:
        await trio.sleep_until((connection.first_ns // _NS_PER_MS - first_ms) / 1000)
        self._is_due = True
        self._bell.ring()
        if not await self._bell.wait_until(lambda: self._waiting is not None, CONNECTED_WITHIN_S):
            raise ReplayBroken(f"the bot did not connect within {CONNECTED_WITHIN_S:g} s")
        assert self._waiting is not None
        pipe, session = self._waiting
        conversation = Conversation(pipe, session, self._stage, self._comparison, self._tap)
        disconnects = self._witness.disconnects
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(conversation.read)
                nursery.start_soon(conversation.relay)
                await self._play(conversation, connection, first_ms)
                nursery.cancel_scope.cancel(reason="the recorded connection is over")
        finally:
            session.close()
            pipe.end(SocketClosed("the recorded connection is over"))
        await self._witness.bell.wait_until(lambda: self._witness.disconnects > disconnects, NOTICED_WITHIN_S)
        self._is_due, self._waiting = False, None
        self._stage.next_connection()

    async def _play(self, conversation: Conversation, connection: RecordedConnection, first_ms: int) -> None:
        played_ms = 0
        for at_ns, frame in connection.frames():
            due_ms = max(played_ms, -(-at_ns // _NS_PER_MS // MOMENT_MS) * MOMENT_MS)
            if due_ms > played_ms:
                played_ms = due_ms
                await self._wait_until((due_ms - first_ms) / 1000, conversation)
            await conversation.serve(frame)
            self.frames += 1
        await trio.sleep(MOMENT_MS / 1000)

    async def _wait_until(self, due_s: float, conversation: Conversation) -> None:
        """Waits for a moment of the recording; what the bot asks meanwhile is answered, be the gap ever so long."""
        while (left_s := due_s - trio.current_time()) > 0:
            await self._comparison.bell.wait_until(lambda: conversation.has_commands, left_s)
            await conversation.answer_waiting()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
