"""Watches one run for what must never happen, from outside: by the exchange's truth and by what leaves the bot.

Checked at every request that leaves: no create or amend after the exit latch has closed (I9), no quote when the
exchange was not heard for too long (I7), no second exit of a market while one is under way (I10).
Checked several times a second of simulated time: no market beyond its cap with all that rests (I8), no quote without
group or with a lease that is too long or over (I29), never two quotes of one process on one side (I20, I25), no order
of a person cancelled (I28).
Checked at every end of an actor: it was asked to stop, or killed by the schedule; any other crash is a defect (I16).
Checked at every end of a process: how long it took (I17), that nothing rests at exit and half a minute later (I1).
Checked at the end: cash and positions equal the exchange's (I4, I5, I6), no rate limit refused anything (I19).
The exchange's own invariants raise by themselves, and so do the bot's (`check` in its code).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

import msgspec
import trio

from actors.runtime.lifecycle import ActorExited, ActorStarted, ExitKind, LifecycleEvent
from kalshi.simulator.faults import AnyFault, RequestFault
from ops.campaign.blows import PERSONS_CLIENT_ID
from ops.campaign.coverage import Cell, state_of
from ops.campaign.trace import Trace
from ops.simulation import KEY_ID, LEDGER_FULL, AnyRequest, Line, World
from quant.orders.table import OrderTable
from quant.orders.tracked import TrackedOrder

LOOK_EVERY_S: Final = 0.25
LEASE_SLACK_S: Final = 2
HEARD_SLACK_S: Final = 0.05
VIOLATIONS_MAX: Final = 20  # of one seed: the first tell, the rest are echoes
_ORDERS: Final = "/portfolio/events/orders"


class Watch:
    """What one run did and what it must not have done."""

    def __init__(self, world: World, trace: Trace) -> None:
        self._world = world
        self._trace = trace
        self.orders: Callable[[], OrderTable | None] = lambda: None
        self.violations: list[str] = []
        self.strikes: Counter[str] = Counter()
        self.cells: Counter[Cell] = Counter()
        self.crashes: Counter[str] = Counter()  # after which the actor was started again
        self.commands = 0
        self.touched_persons_orders: Callable[[], list[str]] = list
        self.dead_boots: dict[str, bool] = {}  # by the prefix of their orders: whether their exit was verified flat
        self.is_booted: Callable[[], bool] = lambda: False  # whether a later life has cleared what they left
        self._exits: dict[tuple[Line, str], str] = {}
        world.cable.on_request.append(self._request_leaves)
        world.cable.on_answer.append(self._answer_comes)
        world.exchange.faults.on_strike.append(self._fault_strikes)

    def violate(self, invariant: str, text: str) -> None:
        """Notes that an invariant was broken."""
        self._trace.note("VIOLATION", invariant, text)
        if len(self.violations) < VIOLATIONS_MAX:
            self.violations.append(f"{invariant} at {trio.current_time():.3f} s: {text}")

    # -- what passes --

    def _request_leaves(self, line: Line, request: AnyRequest) -> None:
        path = request.url.path
        self._trace.note("->", request.method, request.url.raw_path.decode(), request.content.decode())
        if request.method == "GET":
            return
        self.commands += 1
        is_create = request.method == "POST" and path.endswith(_ORDERS)
        adds = is_create or path.endswith(("/amend", "/batched"))
        if adds and request.method == "POST" and line.life is not None and not line.life.latch.is_open:
            self.violate("I9", f"{request.method} {path} after the latch has closed")
        if is_create or path.endswith("/amend"):
            self._check_order(line, msgspec.json.decode(request.content))

    def _check_order(self, line: Line, order: dict[str, object]) -> None:
        ticker = str(order.get("ticker"))
        if order.get("reduce_only"):
            client_order_id = str(order.get("client_order_id"))
            under_way = self._exits.get((line, ticker))
            if under_way is not None and under_way != client_order_id and self._may_land(under_way):
                self.violate("I10", f"{ticker}: a second exit while {under_way} is under way")
            self._exits[line, ticker] = client_order_id
            return
        silent_s = 0.0 if line.heard_s is None else trio.current_time() - line.heard_s
        if silent_s > self._world.settings.websockets.freeze_s + HEARD_SLACK_S:
            self.violate("I7", f"{ticker}: a quote after {silent_s:.2f} s without a word from the exchange")

    def _may_land(self, client_order_id: str) -> bool:
        """Says whether a create has not reached the exchange yet; one whose answer was lost has."""
        return self._world.exchange.truth.create_attempts(client_order_id) == 0

    def _answer_comes(self, line: Line, request: AnyRequest, status: int) -> None:
        self._trace.note("<-", status, request.method, request.url.path)
        if request.method == "POST" and request.url.path.endswith(_ORDERS) and self._exits:
            order = msgspec.json.decode(request.content)
            if order.get("reduce_only"):
                self._exits.pop((line, order["ticker"]), None)

    def _fault_strikes(self, fault: AnyFault) -> None:
        if isinstance(fault, RequestFault):
            self._count(fault.kind, self._about())
        else:
            self.strike(fault.kind)

    def strike(self, kind: str) -> None:
        """Counts a fault that strikes everything, for every state that orders are in now."""
        self._count(kind, *(self.orders() or ()))

    def _count(self, kind: str, *orders: TrackedOrder | None) -> None:
        self.strikes[kind] += 1
        self._trace.note("fault", kind)
        for state in {state_of(order) for order in orders if order is not None}:
            if state is not None:
                self.cells[kind, state] += 1

    def _about(self) -> TrackedOrder | None:
        """Returns the order that the request in hand is about."""
        request, table = self._world.cable.arriving, self.orders()
        if request is None or table is None or request.method == "GET":
            return None
        words = request.url.path.rpartition(_ORDERS)[2].split("/")
        if len(words) > 1 and words[1] not in ("", "batched"):
            return next((order for order in table if order.order_id == words[1]), None)
        try:
            client_order_id = msgspec.json.decode(request.content).get("client_order_id")
        except (msgspec.DecodeError, AttributeError):
            return None
        return next((order for order in table if order.client_order_id == client_order_id), None)

    # -- actors --

    def hear(self, event: LifecycleEvent) -> None:
        """Takes the news of an actor's start or end."""
        match event:
            case ActorStarted():
                self._trace.note("started", event.name, event.incarnation)
            case ActorExited():
                self._trace.note("exited", event.name, event.incarnation, event.kind.value)
                self.crashes[_kind_of(event.name)] += event.kind is ExitKind.CRASHED and event.will_restart
                is_ours = "KilledForTest" in event.error or LEDGER_FULL in event.error
                if event.kind in (ExitKind.CRASHED, ExitKind.ESCALATED, ExitKind.QUARANTINED) and not is_ours:
                    self.violate("I16", f"{event.name} ended: {event.kind.value}: {event.error or event.reason}")

    # -- what rests --

    async def look_on(self) -> None:
        """Looks at what rests, again and again, until cancelled."""
        while True:
            self.look()
            await trio.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        """Compares what rests now with what may (I8, I20, I29)."""
        world = self._world
        truth, now_s = world.exchange.truth, world.exchange.core.now_ms() / 1000
        cap_e2 = world.settings.markets.max_position_e2
        for order_id in self.touched_persons_orders():
            self.violate("I28", f"order {order_id} of a person was cancelled")
        worst: dict[tuple[str, str], int] = {}
        quotes: Counter[tuple[str, str, str]] = Counter()
        lease_max_s = self._longest_lease_s()
        for order in truth.resting_orders(KEY_ID):
            if order.client_order_id.startswith(PERSONS_CLIENT_ID):
                continue
            side = order.side.value
            worst[order.ticker, side] = worst.get((order.ticker, side), 0) + order.remaining_e2
            quotes[order.ticker, side, order.client_order_id.rpartition("-")[0]] += 1
            self._check_owner(order.client_order_id)
            expiry_s = order.expiration_ts_s
            if order.group_id is None or expiry_s is None:
                self.violate("I29", f"{order.client_order_id} rests without {'group' if expiry_s else 'lease'}")
            elif not now_s - LEASE_SLACK_S <= expiry_s <= now_s + lease_max_s:
                self.violate("I29", f"{order.client_order_id} has a lease of {expiry_s - now_s:.1f} s")
        positions = truth.positions(KEY_ID)
        for (ticker, side), resting_e2 in worst.items():
            held_e2 = positions.get(ticker, 0) * (1 if side == "bid" else -1)
            if held_e2 + resting_e2 > cap_e2:
                self.violate("I8", f"{ticker} {side}: {held_e2} held and {resting_e2} resting exceed {cap_e2}")
        for (ticker, side, boot), count in quotes.items():
            if count > 1:
                self.violate("I20", f"{ticker} {side}: {count} quotes of {boot} rest")

    def _check_owner(self, client_order_id: str) -> None:
        for prefix, was_verified in self.dead_boots.items():
            if client_order_id.startswith(prefix) and (was_verified or self.is_booted()):
                self.violate("I1", f"{client_order_id} of a dead process rests")

    def _longest_lease_s(self) -> int:
        orders = self._world.settings.orders
        return round(orders.lease_floor_s * 4) + LEASE_SLACK_S


def _kind_of(name: str) -> str:
    return "market" if name.startswith("market:") else name
