"""One recorded connection, served to one real client: its commands in, recorded frames and answers out.

What the recorder said on its connection and what our client says differ: other command ids, other order,
other channels. So:

1. A client's command gets an answer with its own id and with a sid of this server. A recorded `subscribed` is
   not repeated; it says that the channel must be subscribed by now, and waits for that.
2. A recorded `ok` of the book channel consumes a number of the sequence, so it must answer a command: the
   stage lets the bot want the markets that the `ok` lists, and the frame answers what the bot sends then.
3. The recorded numbers keep their steps: a gap in the recording is a gap for the client. Frames of our own
   (an answer that was not recorded, a snapshot that was asked for, the last word) are put in between, and
   what follows moves up.
4. Books, tickers and trades are the recording's. Every other channel is the simulated account's, which
   answers for itself; the recorder's private frames are about orders that our account does not have, so they
   are counted and withheld.
5. The last word to each market is a change by nothing with a new `ts_ms`: it makes the bot show its last
   book, and tells this server that all frames before it have been applied.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

import attrs
import msgspec

from kalshi.simulator.socket_session import SocketSession
from ops.replay_books import Comparison, ExactBook
from ops.replay_recording import ORDERBOOK, Frame
from ops.replay_stage import Stage

RECORDED_CHANNELS: Final = frozenset({ORDERBOOK, "ticker", "trade"})
# The account's own session counts its sids from 1.
FIRST_SID: Final = 1_001
# A client answers within milliseconds, or with its next housekeeping, half a second later.
COMMAND_WITHIN_S: Final = 8.0
_CHANNEL_OF_TYPE: Final = {
    "orderbook_snapshot": ORDERBOOK,
    "orderbook_delta": ORDERBOOK,
    "ticker": "ticker",
    "trade": "trade",
}
_LAST_WORD_PRICE: Final = "0.5000"


class ReplayBroken(Exception):
    """The replay cannot go on; the text says why."""


class Parameters(msgspec.Struct):
    channels: list[str] = []
    market_tickers: list[str] = []
    sids: list[int] = []
    action: str = ""


class Command(msgspec.Struct):
    """What a client says; `id` is its own."""

    id: int
    cmd: str
    params: Parameters


@attrs.define
class Outlet:
    """One subscribed channel: our sid, and how recorded numbers become the client's (rule 3)."""

    sid: int
    served: int = 0
    recorded: int | None = None

    def follow(self, recorded: int) -> int:
        """Returns the number that a recorded one becomes."""
        self.served += 1 if self.recorded is None else recorded - self.recorded
        self.recorded = recorded
        return self.served

    def insert(self) -> int:
        """Returns the number of a frame of our own."""
        self.served += 1
        return self.served


class MessagePort(Protocol):
    """The server's end of a connection: a WebSocket, or one in memory."""

    async def get_message(self) -> str | bytes: ...

    async def send_message(self, message: str) -> None: ...


class Conversation:
    """The server's side of one connection; `receive` takes what the client says, `serve` gives what was recorded."""

    def __init__(
        self,
        socket: MessagePort,
        session: SocketSession,
        stage: Stage,
        comparison: Comparison,
        tap: Callable[[Frame], None] = lambda frame: None,
    ) -> None:
        self._socket = socket
        self._session = session
        self._stage = stage
        self._comparison = comparison
        self._tap = tap
        self._outlets: dict[str, Outlet] = {}
        self._next_sid = FIRST_SID
        self._held: set[str] = set()
        self._commands: deque[Command] = deque()
        self._recorded_channels: dict[object, str] = {}
        self._bell = comparison.bell
        self.books: dict[str, ExactBook] = {}
        self.withheld = 0

    # -- what the client says --

    async def read(self) -> None:
        """Takes commands until the connection ends."""
        while True:  # ends with the connection
            text = await self._socket.get_message()
            await self.receive(text)

    async def relay(self) -> None:
        """Passes on what the simulated account says, until either end is over."""
        while True:  # ends with the session
            for frame in await self._session.next_frames():
                await self._socket.send_message(frame)

    async def receive(self, text: str | bytes) -> None:
        """Takes one command: for the books it waits its turn in the sequence, for the rest it is answered now."""
        command = msgspec.json.decode(text, type=Command)
        channel = self._channel_of(command)
        if channel == ORDERBOOK:
            self._commands.append(command)
            self._bell.ring()
        elif channel in RECORDED_CHANNELS:
            await self._answer_plain(command, channel)
        else:
            self._session.receive_text(text if isinstance(text, str) else text.decode())

    def _channel_of(self, command: Command) -> str:
        if command.params.channels:
            return command.params.channels[0]  # our client names one at a time
        sids = command.params.sids
        return next((name for name, outlet in self._outlets.items() if [outlet.sid] == sids), "")

    async def _answer_plain(self, command: Command, channel: str) -> None:
        """Answers on a channel whose numbers nobody counts: its books do not depend on it."""
        outlet = self._outlets.get(channel)
        if command.cmd == "unsubscribe" and outlet is not None:
            del self._outlets[channel]
            await self._send({"type": "unsubscribed", "id": command.id, "sid": outlet.sid})
        elif outlet is not None:
            await self._send({"type": "ok", "id": command.id, "sid": outlet.sid, "seq": outlet.insert()})
        else:
            await self._open(command, channel)

    async def _open(self, command: Command, channel: str) -> None:
        outlet = self._outlets[channel] = Outlet(self._next_sid)
        self._next_sid += 1
        await self._send({"type": "subscribed", "id": command.id, "msg": {"channel": channel, "sid": outlet.sid}})
        self._bell.ring()

    # -- commands for the books, each at its place in the sequence --

    @property
    def has_commands(self) -> bool:
        """Whether the client has asked something about books that is not answered yet."""
        return bool(self._commands)

    async def answer_waiting(self) -> None:
        """Answers all of that, at this place of the sequence."""
        while self._commands:
            await self._answer(self._commands.popleft())

    async def _answer(self, command: Command) -> None:
        """Carries out a command that the recording does not have (rule 3)."""
        tickers = command.params.market_tickers
        outlet = self._outlets.get(ORDERBOOK)
        if outlet is None:
            await self._open(command, ORDERBOOK)
            self._held = set(tickers)
            await self._send_snapshots(tickers)
        elif command.cmd == "unsubscribe":
            del self._outlets[ORDERBOOK]
            await self._send({"type": "unsubscribed", "id": command.id, "sid": outlet.sid, "seq": outlet.insert()})
        elif command.params.action == "get_snapshot":
            await self._send_snapshots(tickers, command.id)
        else:
            self._hold(command)
            await self._send(self._ok(command.id, outlet.sid, outlet.insert()))
            if command.params.action != "delete_markets":
                await self._send_snapshots(tickers)

    def _hold(self, command: Command) -> None:
        if command.params.action == "delete_markets":
            self._held.difference_update(command.params.market_tickers)
        else:
            self._held.update(command.params.market_tickers)

    def _ok(self, command_id: int, sid: int, seq: int) -> Frame:
        held = {"market_tickers": sorted(self._held)}
        return {"type": "ok", "id": command_id, "sid": sid, "seq": seq, "msg": held}

    async def _send_snapshots(self, tickers: Iterable[str], command_id: int | None = None) -> None:
        """Sends the exact books as they are now; what was announced before will not be shown any more."""
        outlet = self._outlets[ORDERBOOK]
        for ticker in tickers:
            book = self.books.get(ticker)
            if book is None and not self._is_recorded(ticker):
                book = ExactBook(is_live=True)  # over, like a market of an earlier connection that we hold
            if book is None or not book.is_live:
                continue  # the recording's own snapshot is still to come
            self._comparison.give_up(ticker)
            frame: Frame = {
                "type": "orderbook_snapshot",
                "sid": outlet.sid,
                "seq": outlet.insert(),
                "msg": book.snapshot_message(ticker),
            }
            await self._send(frame if command_id is None else {**frame, "id": command_id})

    def _is_recorded(self, ticker: str) -> bool:
        connection = self._stage.connection
        return connection is not None and ticker in connection.tickers

    async def _ready(self, channel: str) -> Outlet:
        """Waits until the client holds the channel, and on the book channel all markets wanted by now."""

        def is_ready() -> bool:
            is_held = channel in self._outlets
            return is_held and (channel != ORDERBOOK or self._held.issuperset(self._stage.wanted))

        await self.answer_waiting()
        while not is_ready():
            if not await self._bell.wait_until(lambda: bool(self._commands) or is_ready(), COMMAND_WITHIN_S):
                wanted = f" with {', '.join(self._stage.wanted)}" if channel == ORDERBOOK else ""
                raise ReplayBroken(f"the bot did not subscribe to {channel}{wanted} within {COMMAND_WITHIN_S:g} s")
            await self.answer_waiting()
        return self._outlets[channel]

    # -- what was recorded --

    def opens_new_moment(self, frame: Frame) -> bool:
        """Whether a frame begins another `ts_ms` of a book; inside one, nothing may be delayed."""
        if frame["type"] != "orderbook_delta":
            return False
        book = self.books.get(frame["msg"]["market_ticker"])
        return book is not None and frame["msg"]["ts_ms"] != book.ts_ms

    async def serve(self, frame: Frame) -> None:
        """Serves one recorded frame. Raises ReplayBroken where the client does not do its part."""
        kind = frame["type"]
        if kind == "subscribed":
            await self._serve_subscribed(frame)
            return
        channel = _CHANNEL_OF_TYPE.get(kind) or self._recorded_channels.get(frame.get("sid"), "")
        if channel not in RECORDED_CHANNELS:
            self.withheld += 1
        elif kind == "ok":
            await self._serve_ok(frame, channel)
        else:
            await self._serve_data(frame, channel)

    async def _serve_subscribed(self, frame: Frame) -> None:
        match frame.get("msg"):
            case {"channel": str(channel), "sid": int(sid)}:
                self._recorded_channels[sid] = channel
                if channel in RECORDED_CHANNELS:
                    await self._ready(channel)
            case _:
                pass

    async def _serve_ok(self, frame: Frame, channel: str) -> None:
        if channel != ORDERBOOK:
            return  # what our client asked on this channel has been answered already
        outlet = await self._ready(channel)
        # An `ok` after which nothing is wanted otherwise answers a question that our client does not have.
        command_id = await self._next_update() if self._stage.grow() else 0
        seq = frame.get("seq")
        number = outlet.follow(seq) if isinstance(seq, int) else outlet.insert()
        await self._send(self._ok(command_id, outlet.sid, number))

    async def _next_update(self) -> int:
        """Waits for the client's next change of its markets and returns the id; answers whatever it says before."""
        while await self._bell.wait_until(lambda: bool(self._commands), COMMAND_WITHIN_S):
            command = self._commands.popleft()
            if command.cmd == "update_subscription" and command.params.action != "get_snapshot":
                self._hold(command)
                return command.id
            await self._answer(command)
        raise ReplayBroken(f"the bot did not ask for {', '.join(self._stage.wanted)} within {COMMAND_WITHIN_S:g} s")

    async def _serve_data(self, frame: Frame, channel: str) -> None:
        sid = frame.get("sid")
        if self._commands or channel not in self._outlets or self._recorded_channels.get(sid) != channel:
            await self._ready(channel)
            self._recorded_channels[sid] = channel
        outlet = self._outlets[channel]
        if channel == ORDERBOOK:
            self._keep_book(frame)
        frame["sid"] = outlet.sid
        if isinstance(frame.get("seq"), int):
            frame["seq"] = outlet.follow(frame["seq"])
        self._tap(frame)
        await self._send(frame)

    def _keep_book(self, frame: Frame) -> None:
        msg: dict[str, Any] = frame["msg"]  # checked when the recording was loaded
        if frame["type"] == "orderbook_snapshot":
            self.books.setdefault(msg["market_ticker"], ExactBook()).replace(msg)
        elif frame["type"] == "orderbook_delta":
            book = self.books.get(msg["market_ticker"])
            if book is None:
                return  # before its first snapshot a market has no book, for the bot neither
            if book.ts_ms and msg["ts_ms"] != book.ts_ms:
                self._comparison.expect(msg["market_ticker"], book)
            fault = book.change(msg)
            if fault is not None:
                self._comparison.differ(f"{msg['market_ticker']}: at ts_ms {book.ts_ms} {fault}")

    async def say_last_word(self) -> None:
        """Lets the bot show the last book of every market (rule 5)."""
        outlet = await self._ready(ORDERBOOK)
        for ticker, book in self.books.items():
            if not book.ts_ms:
                continue  # no delta ever came: there is no ts_ms at whose end it could be shown
            self._comparison.expect(ticker, book)
            msg = {
                "market_ticker": ticker,
                "price_dollars": _LAST_WORD_PRICE,
                "delta_fp": "0.00",
                "side": "yes",
                "ts_ms": book.ts_ms + 1,
            }
            await self._send({"type": "orderbook_delta", "sid": outlet.sid, "seq": outlet.insert(), "msg": msg})

    async def _send(self, frame: Frame) -> None:
        await self._socket.send_message(msgspec.json.encode(frame).decode())
