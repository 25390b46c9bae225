"""A recorded run as a file: its connections, and the facts of its markets that can be read from it.

Two forms are known: one JSON object a line with `recv_ns`, `conn` and the parsed `frame` (each `conn` is a
connection of its own, one after the other), or one raw frame a line (a single connection, whose time is that
of its frames). Either may be compressed with gzip.

The whole file is read and checked before anything is started, so a file that is cut off or no recording is
refused with one sentence. What a recording does not say is made up here, and only here: when a market closes,
and on which grid its prices lie.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import attrs
import msgspec

from kalshi.simulator.price_grid import STRUCTURES, is_on_grid
from ops.replay_books import DOLLAR, price, size

# The longest recorded run has 25 MB; whatever is ten times as long is no run, or a trap.
BYTES_MAX: Final = 400_000_000
ORDERBOOK: Final = "orderbook_delta"
UNKNOWN_CATEGORY: Final = "Recorded"  # no recording says of which category its markets were
QUARTER_MS: Final = 15 * 60 * 1000
# Deltas go on for a second after a market's close, and nothing recorded ends within seconds before one.
AFTER_CLOSE_MS: Final = 10_000
# From the coarsest; the first on which every recorded price lies is taken.
GRIDS: Final = ("linear_cent", "tapered_deci_cent", "deci_cent", "center_centi_edge_centi_cent")

Frame = dict[str, Any]
_NS_PER_MS: Final = 1_000_000


class RecordingError(Exception):
    """The file cannot be replayed; the text says why and what to do."""


@attrs.frozen(kw_only=True)
class RecordedConnection:
    """The frames of one connection, in order of arrival, as the lines of the file."""

    lines: tuple[bytes, ...] = attrs.field(repr=False)
    first_ns: int
    tickers: tuple[str, ...]  # every market with a book, in order of appearance
    steps: tuple[tuple[str, ...], ...]  # the markets subscribed at first, and after each `ok` of the book channel
    close_ms: Mapping[str, int]

    def frames(self) -> Iterator[tuple[int, Frame]]:
        """Yields the time of reception (0 where it is not known) and the frame, a fresh one each time."""
        for line in self.lines:
            yield _read(line)


@attrs.frozen(kw_only=True)
class Recording:
    """A whole recorded run."""

    name: str
    connections: tuple[RecordedConnection, ...]
    structures: Mapping[str, str]  # the price grid of each market, by the exchange's name for it

    @property
    def first_ms(self) -> int:
        return self.connections[0].first_ns // _NS_PER_MS

    @property
    def last_close_ms(self) -> int:
        return max(close for connection in self.connections for close in connection.close_ms.values())


def load_recording(path: Path) -> Recording:
    """Returns the recording in `path`. Raises RecordingError."""
    connections: list[_Reading] = []
    last_conn: object = None
    for number, line in enumerate(_lines(path), start=1):
        try:
            conn = msgspec.json.decode(line, type=_Connection).conn
            if not connections or conn != last_conn:
                connections.append(_Reading())
            last_conn = conn
            connections[-1].take(line)
        except (msgspec.MsgspecError, UnicodeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
            raise RecordingError(
                f"{path}: line {number} is no recorded frame, or the file is cut off there ({error})"
            ) from None
    prices: dict[str, set[int]] = {}
    for connection in connections:
        for ticker, seen in connection.prices.items():
            prices.setdefault(ticker, set()).update(seen)
    finished = tuple(connection.finish() for connection in connections if connection.last_ts_ms)
    if not finished:
        raise RecordingError(f"{path}: no order book in it; a recording holds snapshots and deltas")
    structures = {ticker: _grid(seen) for ticker, seen in prices.items()}
    return Recording(name=path.name, connections=finished, structures=structures)


def _lines(path: Path) -> list[bytes]:
    if path.is_dir():
        raise RecordingError(f"{path} is a folder; name one recorded run in it (.jsonl or .jsonl.gz)")
    try:
        with path.open("rb") as plain:
            is_compressed = plain.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if is_compressed else path.open("rb") as file:
            content = file.read(BYTES_MAX + 1)
    except FileNotFoundError:
        raise RecordingError(f"{path}: no such file") from None
    except EOFError:
        raise RecordingError(f"{path} is cut off: the compressed data ends in the middle") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise RecordingError(f"{path} is damaged: {error}") from None
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror or error}") from None
    if len(content) > BYTES_MAX:
        raise RecordingError(f"{path} holds more than {BYTES_MAX:,} bytes: no recorded run is that long")
    if not content.strip():
        raise RecordingError(f"{path} is empty")
    return [line for line in content.split(b"\n") if line.strip()]


class _Connection(msgspec.Struct):
    conn: int = 0


def _read(line: bytes) -> tuple[int, Frame]:
    record = msgspec.json.decode(line)
    if "frame" in record:
        return int(record["recv_ns"]), _checked(record["frame"])
    frame = _checked(record)
    msg = frame.get("msg")
    return (msg.get("ts_ms", 0) if isinstance(msg, dict) else 0) * _NS_PER_MS, frame


def _checked(frame: object) -> Frame:
    if not isinstance(frame, dict) or not isinstance(frame.get("type"), str):
        raise TypeError("a frame is an object with a type")
    return frame


class _Snapshot(msgspec.Struct):
    market_ticker: str
    yes_dollars_fp: list[tuple[str, str]] | None = None
    no_dollars_fp: list[tuple[str, str]] | None = None


class _Delta(msgspec.Struct):
    market_ticker: str
    price_dollars: str
    delta_fp: str
    side: Literal["yes", "no"]
    ts_ms: int


@attrs.define
class _Reading:
    """One connection while the file is read through for the first time."""

    lines: list[bytes] = attrs.field(factory=list)
    first_ns: int = 0
    book_sid: int | None = None
    acknowledged: list[tuple[str, ...]] = attrs.field(factory=list)
    tickers: dict[str, None] = attrs.field(factory=dict)
    prices: dict[str, set[int]] = attrs.field(factory=dict)
    last_ts_ms: dict[str, int] = attrs.field(factory=dict)

    def take(self, line: bytes) -> None:
        at_ns, frame = _read(line)
        self.lines.append(line)
        self.first_ns = self.first_ns or at_ns
        match frame:
            case {"type": "subscribed", "msg": {"channel": str(channel), "sid": int(sid)}} if channel == ORDERBOOK:
                self.book_sid = sid
            case {"type": "ok", "sid": int(sid)} if sid == self.book_sid:
                self._take_ok(frame.get("msg"))
            case {"type": "orderbook_snapshot", "sid": int(), "seq": int()}:
                self._take_snapshot(msgspec.convert(frame.get("msg"), _Snapshot))
            case {"type": "orderbook_delta", "sid": int(), "seq": int()}:
                self._take_delta(msgspec.convert(frame.get("msg"), _Delta))
            case {"type": "orderbook_snapshot" | "orderbook_delta"}:
                raise TypeError("a frame of a book without sid and seq")

    def _take_ok(self, msg: object) -> None:
        match msg:
            case {"market_tickers": [*tickers]} if tickers:
                self.acknowledged.append(tuple(map(str, tickers)))
            case _:  # it does not say what is subscribed now, so nothing has changed
                self.acknowledged.append(self.acknowledged[-1] if self.acknowledged else ())

    def _take_snapshot(self, msg: _Snapshot) -> None:
        prices = self._prices(msg.market_ticker)
        for text, count in msg.yes_dollars_fp or ():
            prices.add(price(text))
            size(count)
        for text, count in msg.no_dollars_fp or ():
            prices.add(DOLLAR - price(text))
            size(count)

    def _take_delta(self, msg: _Delta) -> None:
        at = price(msg.price_dollars)
        size(msg.delta_fp)
        self._prices(msg.market_ticker).add(at if msg.side == "yes" else DOLLAR - at)
        self.last_ts_ms[msg.market_ticker] = msg.ts_ms

    def _prices(self, ticker: str) -> set[int]:
        self.tickers[ticker] = None
        return self.prices.setdefault(ticker, set())

    def finish(self) -> RecordedConnection:
        newest_ms = max(self.last_ts_ms.values())
        return RecordedConnection(
            lines=tuple(self.lines),
            first_ns=self.first_ns,
            tickers=tuple(self.tickers),
            steps=self._steps(),
            close_ms={ticker: _close_ms(self.last_ts_ms.get(ticker, newest_ms)) for ticker in self.tickers},
        )

    def _steps(self) -> tuple[tuple[str, ...], ...]:
        """A subscription grew from some markets to all: what it began with is not recorded, so it is the least
        possible.
        """
        if not self.acknowledged:
            return (tuple(self.tickers),)
        never_listed = tuple(ticker for ticker in self.tickers if ticker not in self.acknowledged[-1])
        steps = (self.acknowledged[0][:1], *self.acknowledged)
        return tuple(tuple(dict.fromkeys((*step, *never_listed))) for step in steps)


def _close_ms(last_ts_ms: int) -> int:
    """Returns the quarter of an hour at which a market that was still moving then must close."""
    return -(-(last_ts_ms - AFTER_CLOSE_MS) // QUARTER_MS) * QUARTER_MS


def _grid(prices: set[int]) -> str:
    for name in GRIDS:
        if all(is_on_grid(STRUCTURES[name], at) for at in prices):
            return name
    outside = next(at for at in sorted(prices) if not 0 < at < DOLLAR)
    raise RecordingError(f"a recorded price of {outside / DOLLAR:g} dollars: prices lie between 0 and 1")
