"""The faults that can be ordered from the exchange: what they are called and what can be set about each.

They are plain values, as a scenario file or the control port gives them; `fault_plan` decides whom they strike,
and `fault_app`, `fault_stream` and `fault_driver` do it.

    request   to one REST request or its answer
    stream    to bytes under the REST or WebSocket server
    feed      to the WebSocket conversations, by the hub
    fill      to the news of fills on their way to the WebSocket
    state     to the exchange as a whole, as long as the fault lasts

Units: `_s` seconds of the exchange's time since it started (start and end) or of waiting, `_ms` milliseconds,
`share` of what matches from 0 to 1.
"""

from __future__ import annotations

from typing import ClassVar, Final, Literal, NewType

import attrs

Share = NewType("Share", float)  # 0 to 1
Duration = NewType("Duration", float)  # seconds, not negative
Milliseconds = NewType("Milliseconds", int)  # not negative
Bytes = NewType("Bytes", int)  # not negative
Positive = NewType("Positive", int)  # 1 or more

Method = Literal["GET", "POST", "PUT", "DELETE"]  # all that the exchange serves

_CREATE_PATHS: Final = "/portfolio/events/orders*"
_WRITES: Final[tuple[Method, ...]] = ("POST", "PUT", "DELETE")


@attrs.frozen(kw_only=True)
class Fault:
    """When a fault may strike: a share of what matches, at most `count` times, from `start_s` until `end_s`."""

    kind: ClassVar[str] = ""

    share: Share = Share(1.0)
    count: Positive | None = None
    start_s: Duration = Duration(0.0)
    end_s: Duration | None = None

    def is_on(self, elapsed_s: float) -> bool:
        """Says whether that moment lies inside the fault's time."""
        return self.start_s <= elapsed_s and (self.end_s is None or elapsed_s < self.end_s)


@attrs.frozen(kw_only=True)
class RequestFault(Fault):
    """Whom it may strike: methods (none named: all), a glob on the path below /trade-api/v2, on ticker and key id."""

    methods: tuple[Method, ...] = ()
    path: str = "*"
    ticker: str = "*"
    key_id: str = "*"


@attrs.frozen(kw_only=True)
class Latency(RequestFault):
    """Carried out after `delay_ms` plus a heavy tail: Pareto with that scale and shape `tail_shape`, cut at the most.

    A write is carried out then whether or not its sender still waits.
    """

    kind = "latency"

    delay_ms: Milliseconds = Milliseconds(100)
    tail_ms: Milliseconds = Milliseconds(0)
    tail_shape: float = 1.5
    delay_ms_max: Milliseconds = Milliseconds(30_000)


@attrs.frozen(kw_only=True)
class LostReply(RequestFault):
    """Carried out at once; the answer never comes."""

    kind = "lost_reply"

    methods: tuple[Method, ...] = _WRITES


@attrs.frozen(kw_only=True)
class LateWrite(RequestFault):
    """Carried out `delay_ms` later, after the client has given up; the answer never comes."""

    kind = "late_write"

    methods: tuple[Method, ...] = _WRITES
    delay_ms: Milliseconds = Milliseconds(5_000)


@attrs.frozen(kw_only=True)
class TooManyRequestsStorm(RequestFault):
    """429 without a word on when to come back; nothing is done."""

    kind = "too_many_requests"


@attrs.frozen(kw_only=True)
class ServerError(RequestFault):
    """A JSON 5xx, before the request is carried out or after."""

    kind = "server_error"

    status: Literal[500, 502, 503, 504] = 503
    when: Literal["before", "after"] = "before"


@attrs.frozen(kw_only=True)
class HtmlError(RequestFault):
    """A proxy's HTML page in the place of the exchange's JSON."""

    kind = "html_error"

    status: Literal[500, 502, 503, 504] = 502
    when: Literal["before", "after"] = "before"


@attrs.frozen(kw_only=True)
class TruncatedJson(RequestFault):
    """Carried out; the answer's body ends after `keep` of its bytes, in sound HTTP."""

    kind = "truncated_json"

    keep: Share = Share(0.5)


@attrs.frozen(kw_only=True)
class FillBeforeAnswer(RequestFault):
    """A create is carried out at once and answered `delay_ms` later, so that its fills come first on the socket."""

    kind = "fill_before_answer"

    methods: tuple[Method, ...] = ("POST",)
    path: str = _CREATE_PATHS
    delay_ms: Milliseconds = Milliseconds(300)


@attrs.frozen(kw_only=True)
class StreamFault(Fault):
    """Decided once per answer on a REST connection, and once per frame on a WebSocket."""

    door: Literal["rest", "websocket"] = "rest"


@attrs.frozen(kw_only=True)
class CutStream(StreamFault):
    """The connection breaks after `after_bytes` of what is being sent."""

    kind = "cut_stream"

    after_bytes: Bytes = Bytes(20)


@attrs.frozen(kw_only=True)
class SlowBytes(StreamFault):
    """What is sent trickles: `chunk_bytes` every `every_ms`."""

    kind = "slow_bytes"

    chunk_bytes: Positive = Positive(16)
    every_ms: Milliseconds = Milliseconds(50)


@attrs.frozen(kw_only=True)
class HalfOpen(StreamFault):
    """After `after_bytes` nothing more leaves and the connection stays open, until its client closes it."""

    kind = "half_open"

    after_bytes: Bytes = Bytes(0)


@attrs.frozen(kw_only=True)
class FeedFault(Fault):
    """Tried every `every_s` seconds; `share` is the chance of each try."""

    every_s: Duration = Duration(1.0)


@attrs.frozen(kw_only=True)
class SocketDrop(FeedFault):
    """Every WebSocket connection is closed."""

    kind = "socket_drop"


@attrs.frozen(kw_only=True)
class Silence(FeedFault):
    """For `lasts_s` nothing is sent on any WebSocket: no frames, no pings, no answers to pings."""

    kind = "silence"

    lasts_s: Duration = Duration(10.0)


@attrs.frozen(kw_only=True)
class SequenceGap(FeedFault):
    """The next frame of each subscription of the channel is lost; it has taken its number."""

    kind = "sequence_gap"

    channel: str = "orderbook_delta"


@attrs.frozen(kw_only=True)
class DuplicateFrame(FeedFault):
    """The next frame of each subscription of the channel comes twice, with the same number."""

    kind = "duplicate_frame"

    channel: str = "orderbook_delta"


@attrs.frozen(kw_only=True)
class LostSnapshot(FeedFault):
    """The next book snapshot never comes; deltas follow as if it had."""

    kind = "lost_snapshot"


@attrs.frozen(kw_only=True)
class ChannelError(FeedFault):
    """Subscriptions end with error 10."""

    kind = "channel_error"


@attrs.frozen(kw_only=True)
class SlowConsumerKick(FeedFault):
    """Subscriptions end with error 25, as for a reader that does not keep up."""

    kind = "slow_consumer_kick"


@attrs.frozen(kw_only=True)
class FillFault(Fault):
    """Whom it may strike: globs on ticker and key id."""

    ticker: str = "*"
    key_id: str = "*"


@attrs.frozen(kw_only=True)
class DuplicateFill(FillFault):
    """The socket tells a fill twice."""

    kind = "duplicate_fill"


@attrs.frozen(kw_only=True)
class LateFill(FillFault):
    """The socket tells a fill `delay_ms` late."""

    kind = "late_fill"

    delay_ms: Milliseconds = Milliseconds(2_000)


@attrs.frozen(kw_only=True)
class StateFault:
    """Lasts from `start_s` until `end_s`; there is nothing to throw a die for."""

    kind: ClassVar[str] = ""

    start_s: Duration = Duration(0.0)
    end_s: Duration | None = None

    def is_on(self, elapsed_s: float) -> bool:
        """Says whether that moment lies inside the fault's time."""
        return self.start_s <= elapsed_s and (self.end_s is None or elapsed_s < self.end_s)


@attrs.frozen(kw_only=True)
class StaleReads(StateFault):
    """Portfolio reads lag `lag_ms` further behind; `as_of_time` says so."""

    kind = "stale_reads"

    lag_ms: Milliseconds = Milliseconds(5_000)


@attrs.frozen(kw_only=True)
class TradingPause(StateFault):
    """No creates and amends; cancels work."""

    kind = "trading_pause"


@attrs.frozen(kw_only=True)
class ExchangePause(StateFault):
    """Nothing works but reads."""

    kind = "exchange_pause"


@attrs.frozen(kw_only=True)
class ClockSkew(StateFault):
    """The exchange's clock is wrong by `offset_ms`, which may be negative (see `clock`)."""

    kind = "clock_skew"

    offset_ms: int = 5_000


@attrs.frozen(kw_only=True)
class LateAcks(StateFault):
    """Commands on a WebSocket are carried out and answered `delay_ms` late."""

    kind = "late_acks"

    delay_ms: Milliseconds = Milliseconds(2_000)


AnyFault = Fault | StateFault

KINDS: Final[dict[str, type[AnyFault]]] = {
    one.kind: one
    for one in (
        Latency,
        LostReply,
        LateWrite,
        TooManyRequestsStorm,
        ServerError,
        HtmlError,
        TruncatedJson,
        FillBeforeAnswer,
        CutStream,
        SlowBytes,
        HalfOpen,
        SocketDrop,
        Silence,
        SequenceGap,
        DuplicateFrame,
        LostSnapshot,
        SlowConsumerKick,
        ChannelError,
        DuplicateFill,
        LateFill,
        StaleReads,
        TradingPause,
        ExchangePause,
        ClockSkew,
        LateAcks,
    )
}
