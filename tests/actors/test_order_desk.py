"""OrderDesk as an actor: what it takes over from an earlier life, what it believes of books and market actors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from actors.messages.lifecycle import Heartbeat, Switches
from actors.messages.market import Assignment, Assignments, BookCondition, BookView, FeedHealth, MarketEnded
from actors.messages.money import Books, FillTape, MarketCap, ReadBooks, RiskView
from actors.messages.orders import (
    CloseOrder,
    JournaledOrder,
    JournaledState,
    OpenGroup,
    OrderList,
    QuoteTarget,
    RaiseIncarnation,
    ReadOrders,
    ReadRequest,
    Recovered,
    TargetQuotes,
    WireCommand,
    WireHealth,
    WireOutcome,
)
from actors.messages.table import CHANNELS
from actors.order_desk import OrderDesk, _adopted, _book_top
from actors.runtime.child import ChildContext, silent_log
from actors.runtime.lifecycle import ActorExited, ExitKind
from actors.runtime.seams import virtual_seams
from actors.runtime.server_clock import ServerClock
from actors.runtime.switchboard import Switchboard
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import CreateOrder, Side
from quant.orders.commands import CommandClass, OutcomeKind, PlannedCommand
from quant.orders.desk import Desk, Target
from quant.orders.parameters import DeskParameters, FeedLimits
from quant.orders.tracked import OrderState
from quant.positions import Totals
from tests.actors.listings import live_book, tradable
from tests.quant.orders.sentences import create, report, wanted

WALL_MS = 1_700_000_000_000
RULES, LIVE = tradable("M"), live_book("M")
EXPIRY_TS_S = WALL_MS // 1000 + 120
LEFT = JournaledOrder(
    request=create("us-old", count_e2=600, expiry_ts_s=EXPIRY_TS_S),
    state=JournaledState.INTENT,
    order_id=None,
    filled_e2=CountE2(0),
    ts_ms=0,
)


@attrs.define(eq=False)
class Stage:
    """One life of OrderDesk among neighbours that the test plays: all is well, and the Wire answers no command."""

    incarnation: int = 1
    journaled: tuple[JournaledOrder, ...] = ()
    creates: list[CreateOrder] = attrs.field(factory=list)
    switches: Switches = attrs.field(factory=Switches)
    owner: str = "games"
    desk: OrderDesk = attrs.field(init=False)
    _switchboard: Switchboard = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._switchboard = Switchboard(CHANNELS, trio.current_time)
        seams = virtual_seams(1, WALL_MS)
        self._switchboard.mailbox("wire")
        self._switchboard.mailbox("ledger")
        context = ChildContext(
            name="order_desk",
            incarnation=self.incarnation,
            mailbox=self._switchboard.mailbox("order_desk"),
            outbox=self._switchboard.outbox("order_desk"),
            seams=seams,
            log=silent_log("order_desk"),
        )
        self.desk = OrderDesk(
            context,
            DeskParameters(),
            FeedLimits(),
            ServerClock(now=trio.current_time, wall_ms=seams.wall_ms),
            "us-",
            contracts_limit_e2=10_000,
        )

    async def run_for(self, seconds: float) -> None:
        """Lets the desk live so long with everything that it needs to quote market M, ten contracts a side."""
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._play_wire)
                nursery.start_soon(self._play_ledger)
                nursery.start_soon(self._be_well)
                nursery.start_soon(self.desk.run, lambda: None)

    async def _play_wire(self) -> None:
        while True:
            for message in await self._switchboard.mailbox("wire").receive():
                match message:
                    case WireCommand(request=RaiseIncarnation(), reply=reply):
                        reply.put(Recovered(orders=self.journaled, groups=((0, "g1"),)))
                    case WireCommand(request=CreateOrder() as request):
                        self.creates.append(request)
                    case ReadRequest(read=ReadOrders(ticker=ticker), reply=reply):
                        reply.put(OrderList(ticker=ticker, as_of_ms=1, orders=()))
                    case _:
                        pass

    async def _play_ledger(self) -> None:
        while True:
            for message in await self._switchboard.mailbox("ledger").receive():
                if isinstance(message, ReadBooks):
                    message.reply.put(Books(fills=(), settlements=(), retired=Totals(), last_seq=0, opened=0))

    async def _be_well(self) -> None:
        outbox = self._switchboard.outbox
        outbox("discovery").publish(RULES)
        outbox("outer").publish(self.switches)
        assignment = Assignment(ticker="M", program=self.owner, strategy="glft")
        outbox("allocation").publish(Assignments(assignments=(assignment,)))
        outbox("feed").publish(LIVE)
        quote = QuoteTarget(price_e4=PriceE4(4_400), count_e2=CountE2(1_000))
        ask = QuoteTarget(price_e4=PriceE4(5_600), count_e2=CountE2(1_000))
        outbox("market:M").publish(
            TargetQuotes(
                ticker="M",
                bid=quote,
                ask=ask,
                reasons=(),
                generation=1,
                sequence=1,
                incarnation=1,
                decided_at_s=0.0,
            )
        )
        while True:
            now_s = trio.current_time()
            for name in ("ledger", "fill_reconciler", "stop_loss"):
                outbox(name).publish(Heartbeat(actor=name, incarnation=1, at_s=now_s))
            outbox("ledger").publish(FillTape(last_seq=0, fills=(), complete_to_ms=1))
            outbox("portfolio_risk").publish(risk(now_s + 5.0))
            outbox("feed").publish(health(now_s))
            outbox("wire").publish(
                WireHealth(
                    journal_healthy=True,
                    clock_sane=True,
                    clock_offset_ms=0,
                    latch_open=True,
                    shut_groups=(),
                    write_tokens=100.0,
                    write_reserve=10.0,
                    exits_waiting=0,
                    quotes_waiting=0,
                    write_refill_per_s=100.0,
                    read_refill_per_s=200.0,
                    published_at_s=now_s,
                )
            )
            await trio.sleep(0.25)


def risk(lease_until_s: float) -> RiskView:
    cap = MarketCap(ticker="M", max_long_e2=CountE2(1_000), max_short_e2=CountE2(1_000), reasons=(), closed_sides=())
    return RiskView(
        lease_until_s=lease_until_s,
        is_halted=False,
        reasons=(),
        caps=(cap,),
        cash_available_e6=((0, MoneyE6(10**10)),),
        watermark=0,
    )


def health(proof_at_s: float) -> FeedHealth:
    return FeedHealth(
        connected=True,
        generation=1,
        proof_at_s=proof_at_s,
        published_at_s=proof_at_s,
        reconnects=0,
        gaps=0,
        reason="connected",
    )


async def test_what_a_market_actor_wished_counts_only_while_it_gives_signs_of_life(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """I7: a target that nobody renews was decided on a book that is long gone."""
    age_max_s = DeskParameters().heartbeat_max_age_s
    young, old = Stage(), Stage()
    await young.run_for(age_max_s - 0.5)
    assert young.creates
    assert not young.desk._desk.market("M").silent
    autojump_clock.jump(10.0)
    await old.run_for(age_max_s + 0.5)
    assert old.creates
    assert "its actor is silent: nobody decides here" in old.desk._desk.market("M").reasons


@pytest.mark.parametrize("condition", list(BookCondition))
def test_i7_a_book_is_live_only_when_the_feed_says_so(condition: BookCondition) -> None:
    view: BookView = attrs.evolve(LIVE, condition=condition, generation=7)
    top = _book_top(view)
    assert (top.is_live, top.generation) == (condition is BookCondition.LIVE, 7)


async def test_a_quote_may_leave_only_while_risk_lease_and_proof_of_life_last(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """I7, I8: what is late goes back unsent, so a quote must not outlive what allowed it."""
    desk = Stage().desk
    now_s = trio.current_time()
    command = PlannedCommand(kind=CommandClass.QUOTE, client_order_id="us-1", request=create(), valid_s=0.25)
    assert desk._valid_s(command) == 0.0, "nothing was heard yet"
    desk._risk, desk._feed = risk(now_s + 3.0), health(now_s)
    assert desk._valid_s(command) == 0.25
    desk._risk = risk(now_s + 0.1)
    assert desk._valid_s(command) == pytest.approx(0.1)
    desk._risk, desk._feed = risk(now_s + 3.0), health(now_s - FeedLimits().freeze_s + 0.05)
    assert desk._valid_s(command) == pytest.approx(0.05)
    desk._feed = health(now_s - FeedLimits().freeze_s - 1.0)
    assert desk._valid_s(command) == 0.0
    assert desk._valid_s(attrs.evolve(command, kind=CommandClass.EXIT)) == 0.25, "an exit waits for neither"


@pytest.mark.parametrize(
    ("state", "order_id", "expected"),
    [
        (JournaledState.INTENT, None, OrderState.UNKNOWN),
        (JournaledState.UNKNOWN, None, OrderState.UNKNOWN),
        (JournaledState.RESTING, "o-1", OrderState.RESTING),
        (JournaledState.UNKNOWN, "o-1", OrderState.RESTING),
    ],
)
def test_i8_an_order_from_the_journal_counts_in_full_whatever_became_of_it(
    state: JournaledState, order_id: str | None, expected: OrderState
) -> None:
    order = _adopted(attrs.evolve(LEFT, state=state, order_id=order_id), 100.0, WALL_MS)
    assert (order.state, order.open_e2, order.is_live) == (expected, 600, True)
    assert order.must_cancel is (state is JournaledState.UNKNOWN and order_id is not None)


async def test_i8_a_new_desk_counts_the_orders_that_the_journal_holds_before_it_sends(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A bid of the desk before may rest: the only bid that may leave is the same one again."""
    stage = Stage(incarnation=2, journaled=(LEFT,))
    await stage.run_for(5.0)
    bids = [request.client_order_id for request in stage.creates if request.side is Side.BID]
    asks = [request.client_order_id for request in stage.creates if request.side is Side.ASK]
    assert bids
    assert set(bids) == {"us-old"}
    assert len(asks) == 1


async def test_i20_two_lives_of_the_desk_never_make_the_same_client_order_id(
    autojump_clock: trio.testing.MockClock,
) -> None:
    lives = [Stage(incarnation=1), Stage(incarnation=2)]
    for stage in lives:
        await stage.run_for(3.0)
    first, second = ({request.client_order_id for request in stage.creates} for stage in lives)
    assert len(first) == len(second) == 2
    assert not first & second


async def test_i11_a_settled_market_is_forgotten_when_the_last_of_it_is_gone_although_it_ended_before(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Somebody still wished for it when it settled; the word of its end comes once."""
    stage = Stage()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.run_for, 3 * DeskParameters().reconcile_every_s)
        await trio.sleep(0.5)
        desk = stage.desk._desk
        desk.set_target("ENDING", Target(bid=wanted(4_400), ask=None, generation=1, incarnation=1))
        await stage.desk._apply_one(MarketEnded(ticker="ENDING", kind="settled", settlement_e4=PriceE4(0)))
        assert "ENDING" in desk.tickers()
        desk.set_target("ENDING", None)
    assert "ENDING" not in desk.tickers()


async def test_i25_the_targets_of_a_market_actor_end_with_it_and_not_those_of_its_successor(
    autojump_clock: trio.testing.MockClock,
) -> None:
    desk = Stage().desk
    desk._desk = Desk(prefix="us-", parameters=DeskParameters(), contracts_limit_e2=CountE2(10_000), first_serial=1)
    exited = ActorExited(
        supervisor="market_supervisor",
        name="market:M",
        incarnation=1,
        kind=ExitKind.CRASHED,
        reason="",
        error="ValueError",
        traceback="",
        has_served=True,
        ran_s=1.0,
        restart_in_s=0.0,
        at_s=trio.current_time(),
    )
    desk._desk.set_target("M", Target(bid=wanted(4_400), ask=None, generation=1, incarnation=1))
    desk._take_exit(exited)
    assert desk._desk.market("M").target is None
    assert desk._desk.market("M").pulling
    successors = Target(bid=wanted(4_300), ask=None, generation=1, incarnation=2)
    desk._desk.set_target("M", successors)
    desk._take_exit(exited)
    assert desk._desk.market("M").target == successors


async def test_a_book_is_planned_for_when_its_state_changes_or_its_touch_where_a_plan_had_an_objection(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The market is planned for every other second in any case."""
    stage = Stage()
    await stage.run_for(2.0)
    rounds = stage.desk._rounds
    deeper = attrs.evolve(LIVE, sequence=2, bids=LIVE.bids[:1])
    moved = attrs.evolve(LIVE, sequence=3, bids=(attrs.evolve(LIVE.bids[0], price_e4=PriceE4(4_300)),))
    for reasons, book, is_planned in (
        ((), deeper, False),
        ((), moved, False),
        (("bid: price would cross the book",), LIVE, True),
        ((), attrs.evolve(LIVE, generation=2), True),
    ):
        rounds._touched.clear()
        stage.desk._desk.market("M").reasons = reasons
        await stage.desk._apply_one(book)
        assert (rounds._touched == {"M"}) is is_planned


@pytest.mark.parametrize(
    ("switches", "owner", "is_quoted"),
    [
        (Switches(), "games", True),
        (Switches(paused=frozenset({"M"})), "games", False),
        (Switches(paused_programs=frozenset({"games"})), "games", False),
        (Switches(paused_programs=frozenset({"games"})), "scored", True),
        # It was the paused program's when it was to be flat, and is another's by now: two hands would undo each other.
        (Switches(paused_programs=frozenset({"games"}), flattening=frozenset({"M"})), "scored", False),
    ],
)
async def test_what_a_person_has_paused_or_has_closed_is_quoted_by_nobody(
    switches: Switches, owner: str, is_quoted: bool, autojump_clock: trio.testing.MockClock
) -> None:
    stage = Stage(switches=switches, owner=owner)
    await stage.run_for(2.0)
    assert bool(stage.creates) is is_quoted


async def test_only_a_list_that_tells_something_new_makes_all_markets_due(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage()
    await stage.run_for(2.0)
    rounds, (order, _) = stage.desk._rounds, stage.desk.orders
    await stage.desk._apply_one(OrderList(ticker=None, as_of_ms=5_000, orders=()))
    assert rounds._whole_at_s > 0.0, "commands in flight say more than a list without them"
    seen = report(1_000, client_order_id=order.client_order_id)
    for is_news in (True, False):
        rounds.due([], trio.current_time())
        await stage.desk._apply_one(OrderList(ticker=None, as_of_ms=5_000, orders=(seen,)))
        assert (rounds._whole_at_s < 0.0) is is_news


async def test_a_new_group_makes_all_markets_due_and_an_order_that_was_closed_none(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage()
    await stage.run_for(2.0)
    for request, is_due in (
        (CloseOrder(client_order_id="us-1", outcome="executed"), False),
        (OpenGroup(exchange_index=0, contracts_limit_e2=CountE2(10_000)), True),
    ):
        outcome = WireOutcome(
            command_id=1, client_order_id="", kind=OutcomeKind.ACCEPTED, request=request, ack="g2", server_ms=5_000
        )
        await stage.desk._apply_one(outcome)
        assert (stage.desk._rounds._whole_at_s < 0.0) is is_due


async def test_an_order_that_is_over_makes_those_due_that_wait_for_its_room(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage()
    await stage.run_for(2.0)
    desk = stage.desk._desk
    desk.market("N").reasons = ("bid: no room: position, open orders and cash leave nothing",)
    desk.market("O").reasons = ()
    order, _ = stage.desk.orders
    order.end(5_000, filled_final_e2=CountE2(0), outcome="canceled")
    stage.desk._complete_to_ms = 6_000
    stage.desk._rounds._known = desk.tickers()  # nobody is new here
    assert set(await stage.desk._carry_out_plans()) == {"M", "N"}


async def test_a_wait_that_ends_while_a_plan_is_made_is_not_slept_through(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage()
    await stage.run_for(2.0)
    now_s = 100.0
    context = stage.desk.context
    stage.desk.context = attrs.evolve(context, seams=attrs.evolve(context.seams, now=lambda: now_s))
    waits_until_s = now_s + 0.001
    plan = stage.desk._desk.plan

    def slow_plan(*arguments: Any) -> Iterator[PlannedCommand]:
        nonlocal now_s
        yield from plan(*arguments)
        now_s = waits_until_s + 0.001

    for order in stage.desk.orders:
        order.next_change_s = waits_until_s
    stage.desk._desk.plan = slow_plan  # type: ignore[method-assign, assignment]
    stage.desk._rounds.touch(["M"])
    assert await stage.desk._carry_out_plans() == ["M"]
    assert stage.desk._rounds.due(["M"], now_s) == ["M"]


async def test_a_program_that_is_paused_makes_its_markets_due(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage(switches=Switches(paused_programs=frozenset({"other"})))
    await stage.run_for(2.0)
    for program, is_due in (("games", False), ("other", True)):
        stage.desk._rounds._touched.clear()
        assignment = Assignment(ticker="M", program=program, strategy="glft")
        await stage.desk._apply_one(Assignments(assignments=(assignment,)))
        assert (stage.desk._rounds._touched == {"M"}) is is_due
