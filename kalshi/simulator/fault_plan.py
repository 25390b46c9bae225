"""Decides what the ordered faults strike: a request, a stream, a fill or a moment in, and what to do out.

Rules:
1. Nothing here does anything; the decisions are carried out by `fault_app`, `fault_stream` and `fault_driver`.
2. Every fault has a die of its own, from the seed and its number, thrown once for each thing that matches. So
   the same seed strikes the same ones, whatever other faults are ordered.
3. Of several faults that strike one request, delays add up, and the one ordered first decides on the answer.
4. Without any fault `is_idle` is true, and who asks that first pays nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any, Final, Literal, TypeVar

import attrs
import msgspec

from kalshi.simulator.faults import (
    AnyFault,
    ClockSkew,
    CutStream,
    DuplicateFill,
    ExchangePause,
    Fault,
    FeedFault,
    FillBeforeAnswer,
    FillFault,
    HalfOpen,
    HtmlError,
    LateAcks,
    LateFill,
    Latency,
    LateWrite,
    LostReply,
    RequestFault,
    ServerError,
    SlowBytes,
    StaleReads,
    StateFault,
    StreamFault,
    TooManyRequestsStorm,
    TradingPause,
    TruncatedJson,
)

# Orders of a person or a test; more are a loop that forgot to remove them.
FAULTS_MAX: Final = 200
_HTML: Final = b"<html><head><title>%d</title></head><body><center><h1>%d</h1></center></body></html>\r\n"

FaultOfKind = TypeVar("FaultOfKind", Fault, RequestFault, StreamFault, FeedFault, FillFault, StateFault)


class TooManyFaults(ValueError):
    """The operator orders more than FAULTS_MAX faults: remove some first."""


@attrs.frozen(kw_only=True)
class RequestFacts:
    """What a request's faults are chosen by; `path` without prefix and query, unknown texts empty."""

    method: str
    path: str
    ticker: str = ""
    key_id: str = ""


@attrs.frozen(kw_only=True)
class Substitute:
    """An answer in the place of the exchange's own."""

    status: int
    body: bytes
    content_type: str = "application/json"


@attrs.frozen(kw_only=True)
class RequestPlan:
    """What to do to one request, in this order; the default does nothing.

    wait `delay_s`; carry it out, if it is to be; wait `answer_delay_s`; then answer: with `substitute`, with the
    first `keep` of the true body, or never.
    """

    delay_s: float = 0.0
    is_carried_out: bool = True
    answer_delay_s: float = 0.0
    is_answered: bool = True
    substitute: Substitute | None = None
    keep: float | None = None


NOTHING: Final = RequestPlan()


@attrs.frozen(kw_only=True)
class StreamPlan:
    """What to do to the bytes that are being sent now: `action` after `after_bytes`, or in chunks."""

    action: Literal["none", "cut", "hold", "trickle"] = "none"
    after_bytes: int = 0
    chunk_bytes: int = 0
    every_s: float = 0.0


@attrs.frozen(kw_only=True)
class FillPlan:
    delay_ms: int = 0
    copies: int = 1


@attrs.frozen(kw_only=True)
class State:
    """What the exchange as a whole has to bear at a moment."""

    skew_ms: int = 0
    read_lag_ms: int = 0
    ack_delay_ms: int = 0
    trading_paused: bool = False
    exchange_paused: bool = False


@attrs.define(kw_only=True, eq=False)
class Ordered:
    """One ordered fault: its number, what matched it inside its time, and how often it struck."""

    fault_id: int
    fault: AnyFault
    die: random.Random
    matched: int = 0
    strikes: int = 0
    next_try_s: float = 0.0

    def is_on(self, elapsed_s: float) -> bool:
        count = self.fault.count if isinstance(self.fault, Fault) else None
        return self.fault.is_on(elapsed_s) and (count is None or self.strikes < count)

    def strikes_now(self, share: float) -> bool:
        self.matched += 1
        struck = self.die.random() < share
        self.strikes += struck
        return struck


class FaultPlan:
    """The ordered faults of one exchange; `elapsed_s` gives seconds since it started."""

    def __init__(self, *, seed: int, elapsed_s: Callable[[], float], too_many_requests: Callable[[], object]) -> None:
        self._seed = seed
        self._elapsed_s = elapsed_s
        self._too_many_requests = too_many_requests
        self._orders: list[Ordered] = []
        self._of_kind: dict[type, tuple[tuple[Ordered, Any], ...]] = {}  # looked up at every request and tick
        self._numbers = 0
        self.is_idle = True
        self.on_strike: list[Callable[[AnyFault], None]] = []  # told of each strike before it has done anything

    def order(self, fault: AnyFault) -> Ordered:
        """Adds a fault. Raises TooManyFaults."""
        if len(self._orders) >= FAULTS_MAX:
            raise TooManyFaults(f"there are {FAULTS_MAX} faults already: remove some first")
        self._numbers += 1
        die = random.Random(f"{self._seed}:fault:{self._numbers}")
        ordered = Ordered(fault_id=self._numbers, fault=fault, die=die)
        self._set_orders([*self._orders, ordered])
        return ordered

    def remove(self, fault_id: int) -> bool:
        """Ends a fault; says whether there was one of that number."""
        kept = [one for one in self._orders if one.fault_id != fault_id]
        was_there = len(kept) < len(self._orders)
        self._set_orders(kept)
        return was_there

    def clear(self) -> None:
        """Ends all faults."""
        self._set_orders([])

    def _set_orders(self, orders: list[Ordered]) -> None:
        self._orders = orders
        self._of_kind.clear()
        self.is_idle = not orders

    def _all_of(self, kind: type[FaultOfKind]) -> tuple[tuple[Ordered, FaultOfKind], ...]:
        found = self._of_kind.get(kind)
        if found is None:
            found = tuple((one, one.fault) for one in self._orders if isinstance(one.fault, kind))
            self._of_kind[kind] = found
        return found

    def orders(self) -> tuple[Ordered, ...]:
        """Returns what is ordered, oldest first."""
        return tuple(self._orders)

    def is_on(self, ordered: Ordered) -> bool:
        """Says whether the fault can strike now."""
        return ordered.is_on(self._elapsed_s())

    def wants_tickers(self) -> bool:
        """Says whether a request must be read for its ticker to be judged."""
        return any(isinstance(one.fault, RequestFault) and one.fault.ticker != "*" for one in self._orders)

    def request(self, facts: RequestFacts) -> RequestPlan:
        """Throws the dice for one request."""
        if self.is_idle:
            return NOTHING
        plan = NOTHING
        for ordered, fault in self._active(RequestFault):
            if _matches(fault, facts) and self._strikes(ordered, fault.share):
                plan = self._with(plan, fault, ordered.die)
        return plan

    def stream(self, door: str) -> StreamPlan:
        """Throws the dice for what is being sent through one of the doors, "rest" or "websocket"."""
        plan = StreamPlan()
        for ordered, fault in self._active(StreamFault):
            if fault.door == door and self._strikes(ordered, fault.share) and plan.action == "none":
                plan = _stream_plan(fault)
        return plan

    def fill(self, ticker: str, key_id: str) -> FillPlan:
        """Throws the dice for one fill."""
        plan = FillPlan()
        for ordered, fault in self._active(FillFault):
            if not (fnmatchcase(ticker, fault.ticker) and fnmatchcase(key_id, fault.key_id)):
                continue
            if self._strikes(ordered, fault.share):
                match fault:
                    case DuplicateFill():
                        plan = attrs.evolve(plan, copies=plan.copies + 1)
                    case LateFill(delay_ms=delay_ms):
                        plan = attrs.evolve(plan, delay_ms=plan.delay_ms + delay_ms)
                    case _:
                        raise AssertionError(f"{fault.kind} is no fault of fills")
        return plan

    def due_feed_faults(self) -> tuple[FeedFault, ...]:
        """Throws the dice of the feed faults whose next try is due."""
        elapsed_s = self._elapsed_s()
        struck = []
        for ordered, fault in self._active(FeedFault):
            if elapsed_s >= ordered.next_try_s:
                ordered.next_try_s = elapsed_s + fault.every_s
                if self._strikes(ordered, fault.share):
                    struck.append(fault)
        return tuple(struck)

    def state(self) -> State:
        """Returns what the exchange as a whole has to bear now; lags and skews add up."""
        state = State()
        elapsed_s = self._elapsed_s()
        for ordered, fault in self._all_of(StateFault):
            if not ordered.is_on(elapsed_s):
                ordered.matched = 0
                continue
            # A state strikes once, when it begins.
            if ordered.matched == 0:
                ordered.matched = 1
                ordered.strikes += 1
                self._tell(fault)
            match fault:
                case StaleReads(lag_ms=lag_ms):
                    state = attrs.evolve(state, read_lag_ms=state.read_lag_ms + lag_ms)
                case ClockSkew(offset_ms=offset_ms):
                    state = attrs.evolve(state, skew_ms=state.skew_ms + offset_ms)
                case LateAcks(delay_ms=delay_ms):
                    state = attrs.evolve(state, ack_delay_ms=state.ack_delay_ms + delay_ms)
                case TradingPause():
                    state = attrs.evolve(state, trading_paused=True)
                case ExchangePause():
                    state = attrs.evolve(state, exchange_paused=True)
                case _:
                    raise AssertionError(f"{fault.kind} is no state")
        return state

    def _strikes(self, ordered: Ordered, share: float) -> bool:
        struck = ordered.strikes_now(share)
        if struck:
            self._tell(ordered.fault)
        return struck

    def _tell(self, fault: AnyFault) -> None:
        for hear in self.on_strike:
            hear(fault)

    def _active(self, kind: type[FaultOfKind]) -> Iterator[tuple[Ordered, FaultOfKind]]:
        elapsed_s = self._elapsed_s()
        for ordered, fault in self._all_of(kind):
            if ordered.is_on(elapsed_s):
                yield ordered, fault

    def _with(self, plan: RequestPlan, fault: RequestFault, die: random.Random) -> RequestPlan:
        """Returns the plan with one more fault in it (rule 3)."""
        match fault:
            case Latency():
                return attrs.evolve(plan, delay_s=plan.delay_s + _latency_s(fault, die))
            case FillBeforeAnswer():
                return attrs.evolve(plan, answer_delay_s=plan.answer_delay_s + fault.delay_ms / 1000)
        if not plan.is_answered or plan.substitute is not None or plan.keep is not None:
            return plan
        match fault:
            case LostReply():
                return attrs.evolve(plan, is_answered=False)
            case LateWrite():
                return attrs.evolve(plan, is_answered=False, delay_s=plan.delay_s + fault.delay_ms / 1000)
            case TooManyRequestsStorm():
                body = msgspec.json.encode(self._too_many_requests())
                return attrs.evolve(plan, is_carried_out=False, substitute=Substitute(status=429, body=body))
            case ServerError(status=status, when=when):
                return attrs.evolve(plan, is_carried_out=when == "after", substitute=_json_error(status))
            case HtmlError(status=status, when=when):
                page = Substitute(status=status, body=_HTML % (status, status), content_type="text/html")
                return attrs.evolve(plan, is_carried_out=when == "after", substitute=page)
            case TruncatedJson(keep=keep):
                return attrs.evolve(plan, keep=keep)
            case _:
                raise AssertionError(f"{fault.kind} is no fault of requests")


def _matches(fault: RequestFault, facts: RequestFacts) -> bool:
    return (
        (not fault.methods or facts.method in fault.methods)
        and fnmatchcase(facts.path, fault.path)
        and fnmatchcase(facts.ticker, fault.ticker)
        and fnmatchcase(facts.key_id, fault.key_id)
    )


def _latency_s(fault: Latency, die: random.Random) -> float:
    tail_ms = fault.tail_ms * (die.paretovariate(fault.tail_shape) - 1) if fault.tail_ms else 0.0
    return min(fault.delay_ms + tail_ms, fault.delay_ms_max) / 1000


def _stream_plan(fault: StreamFault) -> StreamPlan:
    match fault:
        case CutStream(after_bytes=after_bytes):
            return StreamPlan(action="cut", after_bytes=after_bytes)
        case HalfOpen(after_bytes=after_bytes):
            return StreamPlan(action="hold", after_bytes=after_bytes)
        case SlowBytes(chunk_bytes=chunk_bytes, every_ms=every_ms):
            return StreamPlan(action="trickle", chunk_bytes=chunk_bytes, every_s=every_ms / 1000)
        case _:
            raise AssertionError(f"{fault.kind} is no fault of streams")


def _json_error(status: int) -> Substitute:
    code, message = {
        500: ("internal_server_error", "internal server error"),
        502: ("bad_gateway", "bad gateway"),
        503: ("service_unavailable", "service unavailable"),
        504: ("gateway_timeout", "gateway timeout"),
    }[status]
    return Substitute(status=status, body=msgspec.json.encode({"error": {"code": code, "message": message}}))
