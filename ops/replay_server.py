"""The WebSocket server of a replay: real TCP on loopback, real handshakes, one recorded connection after the other.

Rules:
1. The server never runs away from the bot. At most IN_FLIGHT_MAX books wait to be shown: beyond that it waits
   until the bot has caught up, so no buffer in between grows, and a ping is answered in its time.
2. At the beginning of each connection it waits, after the snapshots, until the bot has decided about every
   market, and, where it wants to quote, until it may and an order is in: at `max` speed a short recording
   would be over before the first thought.
3. At a factor, time between frames is kept, but not inside one `ts_ms` (a match must not be torn apart) and
   not between connections.
4. What goes wrong ends the replay with one sentence, never with a stack trace.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, WebSocketServer
from wsproto.events import Event, Pong
from wsproto.utilities import LocalProtocolError

from kalshi.simulator.exchange import SOCKET_PATH
from kalshi.simulator.socket_session import HandshakeRefused, SessionClosed, SocketSession
from ops.replay_account import RecordedClock, ReplayAccount
from ops.replay_books import Comparison
from ops.replay_burst import listen_on_loopback
from ops.replay_conversation import Conversation, ReplayBroken
from ops.replay_recording import RecordedConnection
from ops.replay_stage import Stage, Witness

IN_FLIGHT_MAX: Final = 256
# The bot applies thousands of frames a second; if it shows no book for so long, it never will.
STALL_S: Final = 10.0
# Rule 2: how long the bot may take for its first decision, its permit and its first order of a connection.
DECISION_WITHIN_S: Final = 3.0
PERMIT_WITHIN_S: Final = 8.0
ORDER_WITHIN_S: Final = 2.0
CLOSE_WITHIN_S: Final = 2.0
_COMMANDS_WAITING: Final = 1_000
_NS_PER_S: Final = 1_000_000_000


class ReplayServer:
    """Serves all connections of the stage's recording; `over` is set when that is done, or `problem` says why not."""

    def __init__(
        self,
        *,
        stage: Stage,
        account: ReplayAccount,
        comparison: Comparison,
        witness: Witness,
        clock: RecordedClock,
        factor: float | None,
        tell: Callable[[str], None],
    ) -> None:
        self._stage = stage
        self._account = account
        self._comparison = comparison
        self._witness = witness
        self._clock = clock
        self._factor = factor
        self._tell = tell
        self._is_busy = False
        self.over = trio.Event()
        self.problem: str | None = None
        self.frames = 0
        self.deltas = 0
        self.withheld = 0
        self.connections = 0
        self.seconds = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether every connection was served to its end."""
        return self.over.is_set() and self.problem is None

    async def run(self, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Serves until cancelled; tells its port once it listens."""
        async with trio.open_nursery() as nursery:
            listener = await listen_on_loopback(nursery)
            server = WebSocketServer(
                self._take_request,
                [listener],  # type: ignore[list-item]  # any listener will do
                message_queue_size=_COMMANDS_WAITING,
                connect_timeout=CLOSE_WITHIN_S,
                disconnect_timeout=CLOSE_WITHIN_S,
            )
            await nursery.start(server.run)
            task_status.started(listener.port)

    async def _take_request(self, request: WebSocketRequest) -> None:
        connection = self._stage.connection
        if connection is None or self._is_busy or request.path != SOCKET_PATH:
            await request.reject(503, body=b'{"error":{"code":"service_unavailable","message":"nothing to serve now"}}')
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
        session = self._account.exchange.open_socket(headers)
        if isinstance(session, HandshakeRefused):
            await request.reject(session.status, body=session.body)
            return
        self._is_busy = True
        try:
            await self._converse(await request.accept(), session, connection)
        except ConnectionClosed:
            self._hung_up()
        finally:
            session.close()
            self._is_busy = False

    def _hung_up(self) -> None:
        where = f"connection {self._stage.number + 1}, after {self.frames:,} frames in all"
        self._give_up(f"the bot hung up in {where}")

    def _give_up(self, problem: str) -> None:
        if not self.over.is_set():
            self.problem = problem
            self.over.set()

    async def _converse(
        self, socket: WebSocketConnection, session: SocketSession, connection: RecordedConnection
    ) -> None:
        forgive_late_pings(socket)
        conversation = Conversation(socket, session, self._stage, self._comparison, self._account.take_frame)
        disconnects, began_s = self._witness.disconnects, trio.current_time()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(conversation.read)
                nursery.start_soon(conversation.relay)
                await self._play(conversation, connection)
                nursery.cancel_scope.cancel()
        except* (ReplayBroken, SessionClosed, msgspec.MsgspecError) as broken:
            self._give_up(str(broken.exceptions[0]))
        except* ConnectionClosed:
            self._hung_up()
        finally:
            self.seconds += trio.current_time() - began_s
        with trio.move_on_after(CLOSE_WITHIN_S):
            await socket.aclose()
        if self.problem is None:
            await self._end_connection(disconnects)

    async def _end_connection(self, disconnects_before: int) -> None:
        """Waits until the bot has told that the connection is over, with all that it has to report of it."""
        self.connections += 1
        await self._witness.bell.wait_until(
            lambda: self._witness.disconnects > disconnects_before, within_s=CLOSE_WITHIN_S
        )
        self._stage.next_connection()
        if self._stage.connection is None:
            self.over.set()

    # -- one connection --

    async def _play(self, conversation: Conversation, connection: RecordedConnection) -> None:
        began_s = trio.current_time()
        shown = self._comparison.compared
        pace: Pace | None = None
        self._clock.reach(connection.first_ns)
        for number, (at_ns, frame) in enumerate(connection.frames(), start=1):
            is_delta = frame["type"] == "orderbook_delta"
            if is_delta and pace is None:
                await self._let_it_think(connection, began_s)
                self._tell(f"connection {self._stage.number + 1}: {', '.join(connection.tickers)}")
                pace = Pace(self._factor, at_ns)
            if pace is not None and conversation.opens_new_moment(frame):
                await pace.wait_for(at_ns)
            self._clock.reach(at_ns)
            await conversation.serve(frame)
            self.frames, self.deltas = self.frames + 1, self.deltas + is_delta
            if self._comparison.outstanding > IN_FLIGHT_MAX:
                await self._catch_up(
                    conversation, IN_FLIGHT_MAX // 2, f"frame {number} of connection {self._stage.number + 1}"
                )
        await conversation.say_last_word()
        await self._catch_up(conversation, 0, f"the end of connection {self._stage.number + 1}")
        self.withheld += conversation.withheld
        self._tell(
            f"connection {self._stage.number + 1}: {len(connection.lines):,} frames, "
            f"{self._comparison.compared - shown:,} books compared, "
            f"{trio.current_time() - began_s:.1f} s"
        )

    async def _catch_up(self, conversation: Conversation, outstanding_max: int, where: str) -> None:
        """Waits until at most so many books are still to be shown; answers meanwhile, for a bot may have lost one."""
        comparison = self._comparison
        while comparison.outstanding > outstanding_max:
            compared = comparison.compared
            if not await comparison.bell.wait_until(
                lambda: comparison.compared != compared or conversation.has_commands,  # noqa: B023
                STALL_S,
            ):
                comparison.give_up()
                raise ReplayBroken(f"the bot showed no book for {STALL_S:g} s at {where}")
            await conversation.answer_waiting()

    async def _let_it_think(self, connection: RecordedConnection, began_s: float) -> None:
        """Rule 2. Whatever does not come in time is no error here: the summary counts what came."""
        witness, account, tickers = self._witness, self._account, connection.tickers
        accepted = account.accepted
        await witness.bell.wait_until(lambda: witness.has_decided(tickers, began_s), DECISION_WITHIN_S)
        if not witness.wants_quotes(tickers):
            return
        await witness.bell.wait_until(lambda: witness.may_quote, PERMIT_WITHIN_S)
        await account.bell.wait_until(lambda: account.accepted > accepted, ORDER_WITHIN_S)


def forgive_late_pings(socket: WebSocketConnection) -> None:
    """Lets a ping that arrives after our close frame go unanswered: the library would end the whole server over it.

    trio-websocket 0.12.2 answers each ping, and wsproto refuses to send a pong once we are closing.
    """
    send = socket._send

    async def forgiving(event: Event) -> None:
        try:
            await send(event)
        except LocalProtocolError:
            if not isinstance(event, Pong):
                raise

    socket._send = forgiving  # type: ignore[method-assign]


class Pace:
    """When a recorded moment is due: at once without a factor, else so many times as fast as it was."""

    def __init__(self, factor: float | None, first_ns: int) -> None:
        self._factor = factor
        self._first_ns = first_ns
        self._began_s = trio.current_time()

    async def wait_for(self, at_ns: int) -> None:
        """Sleeps until the moment is due."""
        if self._factor is not None:
            due_s = self._began_s + (at_ns - self._first_ns) / _NS_PER_S / self._factor
            if due_s > trio.current_time():
                await trio.sleep_until(due_s)
