"""A desk, its journal and a reference exchange side by side, and what must hold between them at every moment."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, cast

import attrs

from actors.messages.orders import JournaledOrder, WireCommand
from actors.order_desk import _adopted
from actors.runtime.journal import Journal
from actors.runtime.seams import virtual_seams
from actors.runtime.wire import Wire
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import (
    AmendOrder,
    CancelAck,
    CancelOrder,
    CreateOrder,
    DecreaseOrder,
    Fill,
    Order,
    PriceRange,
    Side,
)
from quant.orders.commands import CommandClass, CommandOutcome, OrderAck, OutcomeKind, PlannedCommand
from quant.orders.desk import BookTop, Claim, Desk, Target
from quant.orders.parameters import DeskParameters
from quant.orders.permit import Permit
from quant.orders.planner import Wanted
from tests.quant.orders.reference_exchange import Flight, ReferenceExchange, Refusal, TrueOrder

T = "TICKER"
PREFIX = "us-"
START_MS = 1_800_000_000_000
CENT_RANGES = (PriceRange(start_e4=PriceE4(0), end_e4=PriceE4(10_000), step_e4=PriceE4(100)),)
MAY_QUOTE = Permit(may_quote=True, must_withdraw=False, reasons=())
FROZEN = Permit(may_quote=False, must_withdraw=False, reasons=("frozen",))
WITHDRAW = Permit(may_quote=False, must_withdraw=True, reasons=("withdraw",))
MARGIN_MS = 1_500
PLENTY = (CountE2(100_000), CountE2(100_000))
# Of the others, near and far: some leave room for what is wanted, and some do not.
TOUCHES: tuple[tuple[PriceE4 | None, PriceE4 | None], ...] = (
    (PriceE4(4_500), PriceE4(5_500)),
    (PriceE4(4_000), PriceE4(4_200)),
    (PriceE4(5_700), None),
)


def wanted(price_e4: int, count_e2: int) -> Wanted:
    return Wanted(price_e4=PriceE4(price_e4), count_e2=CountE2(count_e2))


@attrs.define(eq=False)
class Told:
    """What the desk is still to hear."""

    reports: list[Order] = attrs.field(factory=list)
    shut_groups: list[str] = attrs.field(factory=list)


class World:
    """See the module."""

    def __init__(self) -> None:
        self.exchange = ReferenceExchange(START_MS)
        self.journal = Journal(lambda line: None)
        self.wire = Wire(
            data=cast("Any", None),
            control=cast("Any", None),
            journal=self.journal,
            latch=cast("Any", None),
            budget=cast("Any", None),
            clock=cast("Any", None),
            mailbox=cast("Any", None),
            outbox=cast("Any", None),
            seams=virtual_seams(0, START_MS),
            log=cast("Any", None),
        )
        self.told = Told()
        self.flights: list[Flight] = []
        self.numbered: list[Fill] = []
        self.groups = 0
        self.lives = 0
        self.ticks = 0
        self.caps = PLENTY
        self.cash_e6 = 10**12
        self.permit = MAY_QUOTE
        self.book = (4_500, 5_500, True)
        self.generation = 1
        self.target: tuple[Wanted | None, Wanted | None] = (None, None)
        self.claim: Claim | None = None
        self.reports_seen = 0
        self.unsent_s: dict[tuple[str, type], float] = {}  # when a command of a kind about an order came back unsent
        self.desk = self._new_desk()
        self.open_group()

    # -- time --

    @property
    def now_s(self) -> float:
        return (self.exchange.now_ms - START_MS) / 1000

    def pass_time(self, ms: int) -> None:
        self.exchange.pass_time(ms)
        self.hear()

    def hear(self) -> None:
        """What happened on the exchange becomes a report that may be delivered."""
        self.told.reports += [view for _, view in self.exchange.log[self.reports_seen :]]
        self.reports_seen = len(self.exchange.log)

    # -- the desk's facts --

    def _new_desk(self) -> Desk:
        self.lives += 1
        desk = Desk(
            prefix=PREFIX, parameters=DeskParameters(), contracts_limit_e2=CountE2(10**6), first_serial=self.lives << 32
        )
        desk.set_facts(T, 0, CENT_RANGES, is_tradable=True)
        return desk

    def state_facts(self) -> None:
        bid_e4, ask_e4, is_live = self.book
        self.desk.set_book(
            T,
            BookTop(
                best_bid_e4=PriceE4(bid_e4),
                best_ask_e4=PriceE4(ask_e4),
                is_live=is_live,
                generation=self.generation,
            ),
        )
        self.desk.set_caps([(T, *self.caps)], [(0, MoneyE6(self.cash_e6))])
        bid, ask = self.target
        self.desk.set_target(T, Target(bid=bid, ask=ask, generation=self.generation))
        self.desk.claim_exit(T, self.claim, self.now_s)

    def want_exit(self) -> None:
        """The stop loss claims the market for what is held."""
        position_e2 = self.desk.market(T).position_e2
        if position_e2 == 0:
            self.claim = None
            return
        side = Side.ASK if position_e2 > 0 else Side.BID
        self.claim = Claim(
            claim_id=f"claim {side}",
            side=side,
            count_e2=CountE2(abs(position_e2)),
            limit_e4=PriceE4(100 if side is Side.ASK else 9_900),
            renewed_at_s=self.now_s,
            masked_since_s=self.now_s,
        )

    def open_group(self) -> None:
        self.groups += 1
        self.desk.groups[0] = f"group-{self.groups}"

    def shut_group(self) -> None:
        """Somebody triggers the present group; the desk hears of it later."""
        group_id = self.desk.groups[0]
        self.exchange.shut(group_id)
        self.told.shut_groups.append(group_id)
        self.hear()

    def hear_of_shut_group(self) -> None:
        group_id = self.told.shut_groups.pop(0)
        self.desk.group_shut(group_id, self.exchange.shut_ms[group_id])
        if self.desk.groups[0] == group_id:
            self.open_group()

    # -- commands --

    def planned(self) -> list[PlannedCommand]:
        """What a plan would send now."""
        return list(self.desk.plan(T, self.permit, self.now_s, self.exchange.now_ms / 1000))

    def tick(self) -> Iterator[PlannedCommand]:
        """Plans and sends; every command is checked against the truth just before."""
        self.state_facts()
        wall_s = self.exchange.now_ms / 1000
        is_quiet = True
        for command in self.desk.plan(T, self.permit, self.now_s, wall_s):
            is_quiet = False
            self.check_command(command)
            self.desk.command_sent(command, self.now_s)
            self.wire._journal_intent(_wire_command(command))
            flight = Flight(command.client_order_id, command.request, self.exchange.now_ms)
            self.flights.append(flight)
            yield command
        if is_quiet:
            self.check_sleep(self.now_s, wall_s)
        self.check_touch(self.now_s, wall_s)

    def check_sleep(self, now_s: float, wall_s: float) -> None:
        """A market that needed nothing needs nothing before the desk wakes it, if nobody tells it anything."""
        wakes_at_s = min(self.desk.wakes_at_s(T, now_s, wall_s), now_s + 1_000)
        for share in (0.0, 0.5, 1.0):
            then_s = now_s + share * (wakes_at_s - now_s) - 0.001
            if then_s <= now_s:
                continue
            missed = list(self.desk.plan(T, self.permit, then_s, wall_s + then_s - now_s))
            assert not missed, (
                f"asleep until {wakes_at_s - now_s:.3f} s from now, missed at {then_s - now_s:.3f} s: {missed}"
            )

    def check_touch(self, now_s: float, wall_s: float) -> None:
        """Where the desk says that a moved touch changes nothing, no plan comes of it; another touch at every tick."""
        if list(self.desk.plan(T, self.permit, now_s, wall_s)):
            return  # what is due anyway is not missed
        self.ticks += 1
        bid_e4, ask_e4 = TOUCHES[self.ticks % len(TOUCHES)]
        before = self.desk.market(T).book
        if not self.desk.set_book(T, attrs.evolve(before, best_bid_e4=bid_e4, best_ask_e4=ask_e4)):
            missed = list(self.desk.plan(T, self.permit, now_s, wall_s))
            assert not missed, f"missed when the touch moved to {bid_e4} and {ask_e4}: {missed}"
        self.desk.set_book(T, before)

    def land(self, flight: Flight) -> None:
        self.exchange.land(flight)
        self.hear()

    def answer(self, flight: Flight, kind: OutcomeKind, code: str = "") -> None:
        """The Wire journals the outcome and, if the desk that asked still lives, tells it."""
        ack = flight.answer if kind is OutcomeKind.ACCEPTED else None
        server_ms = self.exchange.now_ms + MARGIN_MS
        if kind is OutcomeKind.NEVER_SENT:
            self.unsent_s[flight.client_order_id, type(flight.request)] = self.now_s
        self.wire._journal_outcome(
            flight.client_order_id, flight.request, kind, cast("OrderAck | None", ack), code, server_ms
        )
        if not flight.is_told:
            flight.is_told = True
            outcome = CommandOutcome(
                client_order_id=flight.client_order_id,
                kind=kind,
                request=flight.request,
                server_ms=server_ms,
                ack=cast("OrderAck | None", ack),
                code=code,
            )
            self.desk.command_answered(outcome, self.now_s)

    def answer_truly(self, flight: Flight) -> None:
        self.flights.remove(flight)
        if isinstance(flight.answer, Refusal):
            self.answer(flight, OutcomeKind.REJECTED, str(flight.answer))
        else:
            self.answer(flight, OutcomeKind.ACCEPTED)

    def lose_answer(self, flight: Flight) -> None:
        """The desk is told that the outcome is unknown; a request that has not landed may still do so."""
        if flight.has_landed:
            self.flights.remove(flight)
        self.answer(flight, OutcomeKind.UNKNOWN)

    def drop(self, flight: Flight) -> None:
        """A request never lands; whoever still waits hears that it never left."""
        self.flights.remove(flight)
        if not flight.is_told:
            self.answer(flight, OutcomeKind.NEVER_SENT, "late")

    def waiting(self) -> list[Flight]:
        return [flight for flight in self.flights if not flight.is_told]

    # -- what is told --

    def number(self, fill: Fill, *, from_socket: bool) -> None:
        client_order_id = next(cid for cid, order in self.exchange.orders.items() if order.order_id == fill.order_id)
        told = attrs.evolve(fill, client_order_id=client_order_id) if from_socket else fill
        self.numbered.append(told)
        self.desk.fill_numbered(len(self.numbered), told)

    def unnumbered(self) -> list[Fill]:
        known = {fill.fill_id for fill in self.numbered}
        return [fill for fill in self.exchange.fills if fill.fill_id not in known]

    def complete_to_ms(self) -> int:
        return min((fill.ts_ms for fill in self.unnumbered()), default=self.exchange.now_ms) - 1

    def close(self, complete_to_ms: int) -> None:
        for order in self.desk.table.fills_complete_to(complete_to_ms):
            assert self.worst_e2(order.client_order_id) == 0, f"{order.client_order_id} was closed too early"

    def list_everything(self, as_of_ms: int, entries_more: int, *, resting_only: bool) -> None:
        orders = tuple(self.exchange.listed(as_of_ms, entries_more))
        heard_ms = self.exchange.now_ms + MARGIN_MS
        if resting_only:
            resting = tuple(order for order in orders if order.remaining_e2 > 0)
            before = self.planned()
            verdict = self.desk.whole_list_seen(as_of_ms, resting, heard_ms)
            assert not verdict.strays, "an order that may rest was forgotten"
            if not verdict.is_news and not self.desk.claims():  # an exit is planned for at every turn
                assert self.planned() == before, "nobody is made to plan by such a list"
        else:
            self.desk.market_list_seen(as_of_ms, T, orders, heard_ms)

    # -- another life --

    def restart(self, rng: random.Random) -> None:
        """OrderDesk crashes: unsent commands come back, the rest is journaled when it is answered."""
        for flight in self.waiting():
            flight.is_told = True  # nobody is there to hear it
            if not flight.has_landed and not isinstance(flight.request, CancelOrder) and rng.random() < 0.5:
                self.flights.remove(flight)
                self.answer(flight, OutcomeKind.NEVER_SENT, "late")
        groups = dict(self.desk.groups)
        self.unsent_s.clear()  # a new desk does not know
        self.desk = self._new_desk()
        self.desk.groups = groups
        for journaled in tuple(self.journal.state.orders.values()):
            self.desk.adopt(self._adopt(journaled))
        for place, fill in enumerate(self.numbered):
            self.desk.fill_numbered(place + 1, fill)

    def _adopt(self, journaled: JournaledOrder) -> Any:
        return _adopted(journaled, self.now_s, self.exchange.now_ms + MARGIN_MS)

    # -- the truth --

    def totals(self, client_order_id: str) -> int:
        """The largest total that the order can ever have."""
        true = self.exchange.orders.get(client_order_id)
        under_way = [
            flight.request
            for flight in self.flights
            if flight.client_order_id == client_order_id and self.exchange.can_land(flight)
        ]
        if true is None:
            return max((r.count_e2 for r in under_way if isinstance(r, CreateOrder)), default=0)
        if not true.is_open:
            return true.filled_e2
        return max([true.total_e2, *(r.total_count_e2 for r in under_way if isinstance(r, AmendOrder))])

    def worst_e2(self, client_order_id: str) -> int:
        """What of the order may still come to us as numbered fills."""
        true = self.exchange.orders.get(client_order_id)
        booked_e2 = sum(f.count_e2 for f in self.numbered if true is not None and f.order_id == true.order_id)
        return self.totals(client_order_id) - booked_e2

    def prices(self, client_order_id: str) -> list[int]:
        """Every price at which the order rests or may come to rest."""
        true = self.exchange.orders.get(client_order_id)
        under_way = [
            flight.request
            for flight in self.flights
            if flight.client_order_id == client_order_id and self.exchange.can_land(flight)
        ]
        if true is None:
            return [r.price_e4 for r in under_way if isinstance(r, CreateOrder)]
        amended = [r.price_e4 for r in under_way if isinstance(r, AmendOrder)]
        return [true.price_e4, *amended] if true.is_open else []

    def known_ids(self) -> dict[str, CreateOrder]:
        """Every order that exists or may come to exist, with one of its requests."""
        created = {f.client_order_id: f.request for f in self.flights if isinstance(f.request, CreateOrder)}
        return {**created, **{cid: order.request for cid, order in self.exchange.orders.items()}}

    def check(self) -> None:
        """What must hold at every moment."""
        quotes: dict[Side, list[str]] = {Side.BID: [], Side.ASK: []}
        exits = 0
        for client_order_id, request in self.known_ids().items():
            worst_e2 = self.worst_e2(client_order_id)
            tracked = self.desk.table.get(client_order_id)
            counted_e2 = tracked.open_e2 if tracked is not None else 0
            assert worst_e2 <= counted_e2, f"{client_order_id}: {worst_e2} may still fill, {counted_e2} counted"
            if self.prices(client_order_id):
                if request.reduce_only:
                    exits += 1
                else:
                    quotes[request.side].append(client_order_id)
        assert exits <= 1, "two exits at once"
        for side, rest in quotes.items():
            assert len(rest) <= 1, f"{rest} may all rest on the {side} side"
        bids = [price for cid in quotes[Side.BID] for price in self.prices(cid)]
        asks = [price for cid in quotes[Side.ASK] for price in self.prices(cid)]
        assert not bids or not asks or max(bids) < min(asks), "our own sides may trade with each other"

    def check_command(self, command: PlannedCommand) -> None:
        """What must hold for a command before it leaves, told from the truth alone."""
        request = command.request
        assert not any(f.client_order_id == command.client_order_id for f in self.waiting()), "two commands in flight"
        # Another kind may follow at once, such as a decrease a cancel that is no longer wanted: each kind has its wait.
        is_again_at_once = self.unsent_s.get((command.client_order_id, type(request))) == self.now_s
        assert not is_again_at_once, "sent again in the moment in which it came back: the desk would spin"
        if command.kind is not CommandClass.QUOTE:
            return
        assert self.permit.may_quote
        assert self.book[2]
        assert isinstance(request, CreateOrder | AmendOrder)
        side = request.side
        others_e2 = sum(
            self.worst_e2(cid)
            for cid, created in self.known_ids().items()
            if created.side is side and cid != command.client_order_id
        )
        total_e2 = request.count_e2 if isinstance(request, CreateOrder) else request.total_count_e2
        true = self.exchange.orders.get(command.client_order_id)
        booked_e2 = sum(f.count_e2 for f in self.numbered if true is not None and f.order_id == true.order_id)
        reach_e2 = self.desk.market(T).position_e2 * side.sign + others_e2 + total_e2 - booked_e2
        assert reach_e2 <= self.caps[0 if side is Side.BID else 1], f"{side} could reach {reach_e2}"

    # -- peace --

    def settle(self, rounds: int, step_ms: int = 500) -> None:
        """The world is quiet and honest: everything lands, is told and is listed."""
        for _ in range(rounds):
            self.pass_time(step_ms)
            for flight in list(self.flights):
                if not flight.has_landed and self.exchange.can_land(flight):
                    self.land(flight)
                if flight.has_landed and not flight.is_told:
                    self.answer_truly(flight)
                else:
                    self.drop(flight)
            while self.told.shut_groups:
                self.hear_of_shut_group()
            for fill in self.unnumbered():
                self.number(fill, from_socket=False)
            as_of_ms = self.exchange.now_ms - 1
            self.list_everything(as_of_ms, 0, resting_only=True)
            self.list_everything(as_of_ms, 0, resting_only=False)
            self.close(self.complete_to_ms())
            for _ in self.tick():
                pass
            self.check()


def _wire_command(command: PlannedCommand) -> WireCommand:
    return WireCommand(
        command_id=0,
        client_order_id=command.client_order_id,
        incarnation=0,
        kind=command.kind,
        valid_until_s=0.0,
        request=command.request,
        reply=cast("Any", None),
    )


__all__ = ["FROZEN", "MAY_QUOTE", "WITHDRAW", "CancelAck", "DecreaseOrder", "T", "TrueOrder", "World", "wanted"]
