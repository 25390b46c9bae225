"""The desk against a reference exchange that answers late, twice, wrongly ordered or not at all.

At every step, whatever happened: what may still fill is counted, no side may have two orders, our sides never meet,
caps hold when a command leaves. And once the world is quiet, what is wanted rests, and then everything closes.
"""

from __future__ import annotations

import enum
import random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kalshi.numbers import CountE2
from kalshi.types import CreateOrder
from quant.orders.commands import OutcomeKind
from quant.orders.permit import Permit
from tests.quant.orders.reference_exchange import Flight
from tests.quant.orders.world import FROZEN, MAY_QUOTE, PLENTY, WITHDRAW, T, World, wanted


class Fate(enum.Enum):
    """What becomes of a command within the tick; what is left open then comes later, in any order."""

    DONE = enum.auto()
    DONE_UNHEARD = enum.auto()
    ANSWER_LOST = enum.auto()
    UNDER_WAY = enum.auto()  # the desk was told "unknown", and it may still land
    WAITS = enum.auto()
    NEVER_SENT = enum.auto()


FATES = st.lists(st.sampled_from([Fate.DONE, *Fate]), min_size=2, max_size=4)
PLACES = st.integers(min_value=0, max_value=1_000)
COUNTS = st.sampled_from([50, 100, 300, 1_000])


class DeskAgainstExchange(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    # -- what is wanted and allowed --

    @rule(bid=st.sampled_from([4_000, 4_300, 4_400, 4_800]), spread=st.sampled_from([300, 900, 1_100]), count=COUNTS)
    def want_both_sides(self, bid: int, spread: int, count: int) -> None:
        self.world.target = (wanted(bid, count), wanted(bid + spread, count))

    @rule(bid=st.sampled_from([None, 4_400]), ask=st.sampled_from([None, 5_600]), count=COUNTS)
    def want_some(self, bid: int | None, ask: int | None, count: int) -> None:
        self.world.target = (wanted(bid, count) if bid else None, wanted(ask, count) if ask else None)

    @rule(long=st.sampled_from([0, 80, 200, 1_500]), short=st.sampled_from([0, 80, 200, 1_500]))
    def change_caps(self, long: int, short: int) -> None:
        self.world.caps = (CountE2(long), CountE2(short))

    @rule(permit=st.sampled_from([MAY_QUOTE, MAY_QUOTE, FROZEN, WITHDRAW]))
    def change_permit(self, permit: Permit) -> None:
        self.world.permit = permit

    @rule(centre=st.sampled_from([3_000, 5_000, 5_000, 6_000]), is_live=st.booleans())
    def move_book(self, centre: int, is_live: bool) -> None:
        self.world.book = (centre - 500, centre + 500, is_live)

    @rule()
    def reconnect(self) -> None:
        self.world.generation += 1

    @rule()
    def claim_exit(self) -> None:
        self.world.want_exit()

    @rule()
    def release_claim(self) -> None:
        self.world.claim = None

    # -- time and commands --

    @rule(ms=st.sampled_from([0, 1, 300, 1_100, 5_000, 61_000, 130_000]))
    def pass_time(self, ms: int) -> None:
        self.world.pass_time(ms)

    @rule(ms=st.sampled_from([0, 400, 1_100]), fates=FATES)
    def plan(self, ms: int, fates: list[Fate]) -> None:
        self.world.pass_time(ms)
        for place, _ in enumerate(self.world.tick()):
            self.suffer(self.world.flights[-1], fates[place % len(fates)])
            self.world.check()

    @rule(bid=st.sampled_from([4_100, 4_300, 4_800]), spread=st.sampled_from([200, 900]), count=COUNTS, fates=FATES)
    def change_mind(self, bid: int, spread: int, count: int, fates: list[Fate]) -> None:
        self.world.target = (wanted(bid, count), wanted(bid + spread, count))
        self.plan(400, fates)

    def suffer(self, flight: Flight, fate: Fate) -> None:
        world = self.world
        if fate in (Fate.DONE, Fate.DONE_UNHEARD, Fate.ANSWER_LOST):
            world.land(flight)
        if fate is Fate.DONE:
            world.answer_truly(flight)
        elif fate in (Fate.ANSWER_LOST, Fate.UNDER_WAY):
            world.lose_answer(flight)
        elif fate is Fate.NEVER_SENT:
            world.drop(flight)

    @precondition(lambda self: any(not f.has_landed for f in self.world.flights))
    @rule(place=PLACES)
    def land(self, place: int) -> None:
        under_way = [flight for flight in self.world.flights if not flight.has_landed]
        self.world.land(under_way[place % len(under_way)])

    @precondition(lambda self: any(f.has_landed for f in self.world.flights))
    @rule(place=PLACES)
    def answer(self, place: int) -> None:
        landed = [flight for flight in self.world.flights if flight.has_landed]
        self.world.answer_truly(landed[place % len(landed)])

    @precondition(lambda self: self.world.waiting())
    @rule(place=PLACES)
    def lose_answer(self, place: int) -> None:
        waiting = self.world.waiting()
        self.world.lose_answer(waiting[place % len(waiting)])

    @precondition(lambda self: any(not f.has_landed for f in self.world.flights))
    @rule(place=PLACES)
    def never_lands(self, place: int) -> None:
        under_way = [flight for flight in self.world.flights if not flight.has_landed]
        self.world.drop(under_way[place % len(under_way)])

    @precondition(lambda self: any(not f.has_landed for f in self.world.waiting()))
    @rule(place=PLACES)
    def refuse(self, place: int) -> None:
        """The exchange refuses for a reason of its own; nothing was done."""
        under_way = [flight for flight in self.world.waiting() if not flight.has_landed]
        flight = under_way[place % len(under_way)]
        self.world.flights.remove(flight)
        self.world.answer(flight, OutcomeKind.REJECTED, "trading_is_paused")

    # -- the exchange by itself --

    @precondition(lambda self: self.world.exchange.open_orders())
    @rule(place=PLACES, count=st.sampled_from([10, 70, 100, 5_000]), is_numbered=st.booleans())
    def trade(self, place: int, count: int, is_numbered: bool) -> None:
        orders = self.world.exchange.open_orders()
        self.world.exchange.trade(orders[place % len(orders)], count)
        self.world.hear()
        if is_numbered:
            self.world.number(self.world.exchange.fills[-1], from_socket=False)

    @precondition(lambda self: self.world.desk.groups[0] not in self.world.exchange.shut_ms)
    @rule()
    def shut_group(self) -> None:
        self.world.shut_group()

    @precondition(lambda self: self.world.told.shut_groups)
    @rule()
    def hear_of_shut_group(self) -> None:
        self.world.hear_of_shut_group()

    # -- what is told --

    @precondition(lambda self: self.world.told.reports)
    @rule(place=PLACES, is_lost=st.booleans())
    def report(self, place: int, is_lost: bool) -> None:
        reports = self.world.told.reports
        report = reports.pop(place % len(reports))
        if not is_lost:
            self.world.desk.table.reported(report)

    @precondition(lambda self: self.world.unnumbered())
    @rule(place=PLACES, from_socket=st.booleans())
    def number_fill(self, place: int, from_socket: bool) -> None:
        fills = self.world.unnumbered()
        self.world.number(fills[place % len(fills)], from_socket=from_socket)

    @rule(age_ms=st.sampled_from([1, 400, 2_000]))
    def fills_are_complete(self, age_ms: int) -> None:
        self.world.close(min(self.world.complete_to_ms(), self.world.exchange.now_ms - age_ms))

    @rule(age_ms=st.sampled_from([1, 400, 3_000]), more=st.integers(0, 20), resting_only=st.booleans())
    def read_list(self, age_ms: int, more: int, resting_only: bool) -> None:
        self.world.list_everything(self.world.exchange.now_ms - age_ms, more, resting_only=resting_only)

    @rule(age_ms=st.sampled_from([1, 400, 1_600]), more=st.integers(0, 3))
    def reconcile(self, age_ms: int, more: int) -> None:
        """A whole round of what REST tells, as old as it may be."""
        for fill in self.world.unnumbered():
            if fill.ts_ms <= self.world.exchange.now_ms - age_ms:
                self.world.number(fill, from_socket=False)
        self.fills_are_complete(age_ms)
        self.read_list(age_ms, more, resting_only=False)
        self.read_list(age_ms, more, resting_only=True)

    @rule(seed=st.integers(0, 100))
    def restart_the_desk(self, seed: int) -> None:
        self.world.restart(random.Random(seed))

    # -- always --

    @invariant()
    def holds(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        world = self.world
        world.check()
        world.caps, world.permit, world.claim, world.book = PLENTY, MAY_QUOTE, None, (4_500, 5_500, True)
        world.target = (wanted(4_400, 100), wanted(5_600, 100))
        world.settle(35, 4_000)
        resting = sorted((o.request.side.value, o.price_e4, o.is_open) for o in world.exchange.open_orders())
        assert resting == [("ask", 5_600, True), ("bid", 4_400, True)], resting
        world.target = (None, None)
        world.settle(12, 1_000)
        assert not world.exchange.open_orders()
        left = [(order.client_order_id, order.state, order.open_e2) for order in world.desk.table]
        assert not left, left
        assert world.desk.market(T).position_e2 == world.exchange.position_e2(T)
        assert all(isinstance(order.request, CreateOrder) for order in world.desk.table)


def _runs(examples: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=60,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


class ManyDesksAgainstExchange(DeskAgainstExchange):
    """The same, many more."""


DeskAgainstExchange.TestCase.settings = _runs(80)
TestDeskAgainstExchange = DeskAgainstExchange.TestCase
ManyDesksAgainstExchange.TestCase.settings = _runs(400)
TestManyDesksAgainstExchange = pytest.mark.long(ManyDesksAgainstExchange.TestCase)
