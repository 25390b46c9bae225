"""The trace of one backtest: all that a report may use, as JSON lines whose hash two runs of a job must share.

One line is one fact, in order of time: how the run was set up, the touch of the recorded book, every change of an order
of ours, every fill, every breach that was seen from outside, and how it ended. Prices are in 1/10,000 dollar on the YES
leg, counts in 1/100 contract, money in 1/1,000,000 dollar, times in ms of the recording.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

_DIGEST_BYTES: Final = 16
# The longest run writes some fifty thousand lines; ten times that is no run.
BYTES_MAX: Final = 200_000_000


class Began(msgspec.Struct, frozen=True, kw_only=True, tag="began", tag_field="kind"):
    """The first line: what was run, and the limits that it must keep."""

    at_ms: int
    recording: str
    strategy: str
    queue_model: str
    latency_ms: int
    close_ms: Mapping[str, int]
    max_position_e2: int
    lease_max_ms: int


class Touched(msgspec.Struct, frozen=True, kw_only=True, tag="touch", tag_field="kind"):
    """The best recorded prices of a market at this moment, None where a side is empty."""

    at_ms: int
    ticker: str
    bid_e4: int | None
    ask_e4: int | None


class OrderSeen(msgspec.Struct, frozen=True, kw_only=True, tag="order", tag_field="kind"):
    """An order of ours as the exchange has it from now on; an exit may only reduce a position."""

    at_ms: int
    order_id: str
    ticker: str
    side: str
    price_e4: int
    remaining_e2: int  # what rests; zero once it is over
    is_exit: bool
    has_group: bool
    expires_ms: int | None


class Filled(msgspec.Struct, frozen=True, kw_only=True, tag="fill", tag_field="kind"):
    """A fill of ours."""

    at_ms: int
    order_id: str
    ticker: str
    side: str
    price_e4: int
    count_e2: int
    fee_e6: int
    is_taker: bool


class Breached(msgspec.Struct, frozen=True, kw_only=True, tag="breach", tag_field="kind"):
    """An invariant was seen to be broken."""

    at_ms: int
    invariant: str
    text: str


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag="ended", tag_field="kind"):
    """The last line: what the exchange says at the end, and the hash of all that passed between bot and exchange."""

    at_ms: int
    cash_e6: int  # what the run did to it, fees included
    positions: Mapping[str, int]
    fees_e6: int
    frames: int
    prints: int
    verdict: str
    passed: str


Line = Began | Touched | OrderSeen | Filled | Breached | Ended

_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_DECODER: Final = msgspec.json.Decoder(Line)


class TraceError(Exception):
    """A file is no trace of a whole run; the text says why."""


def encoded(lines: Iterable[Line]) -> bytes:
    """Returns the lines as they are written to a file."""
    return b"".join(_ENCODER.encode(line) + b"\n" for line in lines)


def digest(lines: Iterable[Line]) -> str:
    """Returns the hash of a trace."""
    return hashlib.blake2b(encoded(lines), digest_size=_DIGEST_BYTES).hexdigest()


def read_trace(path: Path) -> tuple[Line, ...]:
    """Returns the lines of a file. Raises TraceError."""
    if path.stat().st_size > BYTES_MAX:
        raise TraceError(f"{path} holds more than {BYTES_MAX:,} bytes")
    try:
        lines = tuple(_DECODER.decode(line) for line in path.read_bytes().splitlines())
    except msgspec.MsgspecError as error:
        raise TraceError(f"{path} is no trace: {error}") from None
    if len(lines) < 2 or not isinstance(lines[0], Began) or not isinstance(lines[-1], Ended):
        raise TraceError(f"{path} is not the trace of a whole run")
    return lines
