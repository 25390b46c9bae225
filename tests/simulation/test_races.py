"""The races that a reviewer would try, each brought about on purpose in the whole bot, on the virtual clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import attrs
import pytest
import trio

from actors.messages.control import SystemSnapshot
from actors.runtime.exit_guard import ExitReport
from kalshi.simulator.orders import Order
from kalshi.simulator.settings import SimulatorSettings
from kalshi.types import SelfTradePrevention, Side, TimeInForce
from ops.campaign.books import books_differ
from ops.life import Life
from ops.simulation import KEY_ID, AnyRequest, Line, World, run_world
from ops.snapshot import why_not_quoting
from supervisor import build_tree

_Result = TypeVar("_Result")
QUOTING_S = 8.0
# Nobody trades with us but those whom a test sends.
QUIET = SimulatorSettings(flow_rate=0.3)


@attrs.define(eq=False)
class Stage:
    """A bot that quotes, and the exchange under it."""

    world: World
    life: Life

    @property
    def snapshot(self) -> SystemSnapshot:
        assert self.life.snapshot is not None
        return self.life.snapshot

    async def until(self, condition: Callable[[], bool], what: str, within_s: float = 20.0) -> None:
        for _ in range(round(within_s / 0.1)):
            if condition():
                return
            await trio.sleep(0.1)
        raise AssertionError(f"not within {within_s:.0f} simulated seconds: {what}")

    async def quotes_again(self) -> None:
        await self.until(
            lambda: not why_not_quoting(self.snapshot) and len(self.world.resting()) >= 8, "it quotes again", 40.0
        )

    def books_differ(self) -> str:
        """Returns what the bot books otherwise than the exchange; empty when positions, cash and fills agree."""
        booked, true = self.snapshot.totals.fills, len(self.world.exchange.truth.fills(KEY_ID))
        return books_differ(self.snapshot, self.world) or (f"{booked} fills are {true}" if booked != true else "")

    async def books_agree(self) -> None:
        await self.until(lambda: not self.books_differ() and self.snapshot.totals.is_exact, "the books agree")

    def take_from(self, order_id: str, count_e2: int) -> None:
        """A trader of the exchange sells into, or buys up, a book down to an order of the account, and fills it."""
        order = self.world.exchange.core.open_orders.get(order_id)
        assert order is not None, "it rests"
        for _ in range(1_000):
            if order.filled_e2 >= count_e2 or order.remaining_e2 == 0:  # it may be smaller
                return
            self._take(order, min(1_000, count_e2 - order.filled_e2))
        raise AssertionError("others stand before it without end")

    def _trader_id(self) -> str:
        """Returns an account that has no orders of its own, which would be in its way."""
        core = self.world.exchange.core
        return (core.accounts.get("house-passer-by") or core.add_house_account("passer-by")).account_id

    def _take(self, order: Order, count_e2: int) -> None:
        core = self.world.exchange.core
        market, now_ms = core.markets[order.ticker], core.now_ms()
        taker = Order(
            order_id=core.new_id(),
            account_id=self._trader_id(),
            client_order_id="",
            ticker=order.ticker,
            side=Side.ASK if order.side is Side.BID else Side.BID,
            price_e4=order.price_e4,
            initial_e2=count_e2,
            remaining_e2=count_e2,
            time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
            self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
            exchange_index=market.exchange_index,
            created_ms=now_ms,
            updated_ms=now_ms,
            is_house=True,
        )
        market.engine.submit(taker, now_ms)
        core.drain(market, now_ms)


def _run(
    scenario: Callable[[Stage], Awaitable[None]],
    *,
    before: Callable[[World], None] = lambda world: None,
    seed: int = 17,
    settles_s: float = QUOTING_S,
) -> ExitReport:
    """Runs a scenario on a bot that quotes; at its end the bot leaves verified flat."""

    async def whole(world: World) -> ExitReport:
        before(world)
        stage = Stage(world, world.life())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.life.run)
            await trio.sleep(settles_s)
            await scenario(stage)
            stage.life.request_stop("the test is over")
        assert world.resting() == []
        await trio.sleep(30)
        assert world.resting() == []
        return stage.life.report

    report = run_world(whole, seed=seed, build_tree=build_tree, exchange_settings=QUIET)
    assert isinstance(report, ExitReport)
    return report


def _is(request: AnyRequest, kind: str) -> bool:
    path, method = request.url.path, request.method
    match kind:
        case "create":
            return method == "POST" and path.endswith("/events/orders")
        case "amend":
            return method == "POST" and path.endswith("/amend")
        case "cancel":
            return method == "DELETE" and "/events/orders/" in path
        case _:
            raise AssertionError(kind)


# -- amend against a fill --


@pytest.mark.parametrize("share", [0.5, pytest.param(1.0, marks=pytest.mark.long)])
def test_a_fill_that_overtakes_an_amend_on_its_way_is_booked_once_and_leaves_no_order_astray(share: float) -> None:
    """Half or all of the order trades after its amend has left and before it arrives."""
    overtaken: list[str] = []

    async def scenario(stage: Stage) -> None:
        def overtake(line: Line, request: AnyRequest) -> None:
            order_id = request.url.path.split("/")[-2]
            order = stage.world.exchange.core.open_orders.get(order_id)
            if len(overtaken) < 3 and _is(request, "amend") and order is not None and order_id not in overtaken:
                overtaken.append(order_id)
                count_e2 = int(order.remaining_e2 * share) // 100 * 100 or order.remaining_e2
                stage.take_from(order_id, count_e2)

        stage.world.cable.on_request.append(overtake)
        await stage.until(lambda: len(overtaken) == 3, "three amends were overtaken by a fill", 120.0)
        await stage.quotes_again()
        await stage.books_agree()
        filled = {fill.order_id for fill in stage.world.exchange.truth.fills(KEY_ID)}
        assert set(overtaken) <= filled
        assert stage.snapshot.totals.orders_unknown == 0

    assert _run(scenario).verdict == "verified flat"


# -- OrderDesk killed with requests in flight --


LOST = {"lost_reply": 1.0}
LATE = {"late_create": 1.0, "late_s": (2.0, 2.0)}


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "fate"),
    [
        ("create", {}),
        ("create", LOST),
        ("create", LATE),
        ("amend", {}),
        ("amend", LOST),
        ("cancel", {}),
        ("cancel", LOST),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value), "answered"),
)
def test_an_orderdesk_killed_while_a_request_is_in_flight_takes_it_up_again(kind: str, fate: dict[str, Any]) -> None:
    """The answer comes to the Wire while nobody plans, or never, or the create lands when its successor runs."""
    killed: list[str] = []
    twice: list[str] = []

    async def scenario(stage: Stage) -> None:
        incarnation = _incarnation(stage, "order_desk")
        calm = stage.world.cable.faults

        def kill(line: Line, request: AnyRequest) -> None:
            if not killed and _is(request, kind):
                killed.append(request.url.path)
                stage.world.cable.faults = attrs.evolve(calm, **fate)
                stage.life.kill_actor("order_desk")

        stage.world.cable.on_request.append(kill)
        if kind == "cancel":
            stage.life.switches.pause("*")
        else:
            stage.take_from(stage.world.resting()[0], 1_000)  # something to do, now
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_look_for_two_on_a_side, stage, twice)
            await stage.until(lambda: bool(killed), f"a {kind} left", 120.0)
            await trio.sleep(0.05)
            stage.world.cable.faults = calm
            stage.life.switches.resume("*")
            await stage.until(lambda: _incarnation(stage, "order_desk") > incarnation, "the next OrderDesk runs")
            await stage.quotes_again()
            await trio.sleep(3)
            await stage.until(lambda: stage.snapshot.totals.orders_unknown == 0, "nothing is unknown", 60.0)
            await stage.until(lambda: not _untracked(stage), "every order that rests is known to the bot")
            await stage.books_agree()
            nursery.cancel_scope.cancel()
        assert not twice, "a second order was sent where the first could still land"

    assert _run(scenario).verdict == "verified flat"


async def _look_for_two_on_a_side(stage: Stage, found: list[str]) -> None:
    while True:  # until cancelled
        sides = Counter((order.ticker, order.side) for order in stage.world.exchange.truth.resting_orders(KEY_ID))
        found += [f"{ticker} {side}" for (ticker, side), count in sides.items() if count > 1]
        await trio.sleep(0.05)


def _incarnation(stage: Stage, name: str) -> int:
    return next(row.incarnation for row in stage.snapshot.actors if row.name == name)


def _untracked(stage: Stage) -> str:
    rests, known = len(stage.world.resting()), stage.snapshot.totals.orders_resting
    return "" if rests == known else f"{rests} orders rest, the bot knows of {known}"


# -- the Ledger blocked --


@pytest.mark.long
def test_a_ledger_that_blocks_for_a_second_at_each_write_costs_no_fill_and_stops_nobody() -> None:
    """The disk is slow: fills wait in the Ledger's mailbox, quoting goes on, and everything is booked in the end."""
    slow_writes = 0

    def slow_disk(world: World) -> None:
        offload = world.seams.offload

        async def slow(function: Callable[..., _Result], /, *arguments: object) -> _Result:
            nonlocal slow_writes
            if getattr(function, "__name__", "") == "record_fills":
                slow_writes += 1
                await trio.sleep(1.0)
            return await offload(function, *arguments)

        world.seams = attrs.evolve(world.seams, offload=slow)

    async def scenario(stage: Stage) -> None:
        for _ in range(6):
            stage.take_from(stage.world.resting()[0], 100)
            await trio.sleep(0.4)
            assert stage.snapshot.permit == "given"
        await stage.books_agree()
        await stage.quotes_again()
        assert all(row.state == "running" for row in stage.snapshot.actors)
        assert _incarnation(stage, "ledger") == 1

    assert _run(scenario, before=slow_disk).verdict == "verified flat"
    assert slow_writes >= 2


# -- halts and pauses --


@pytest.mark.long
@pytest.mark.parametrize("whole_exchange", [False, True])
def test_a_halt_that_wipes_all_orders_is_a_reason_and_not_a_storm_of_creates(whole_exchange: bool) -> None:
    async def scenario(stage: Stage) -> None:
        exchange = stage.world.exchange
        exchange.lifecycle.set_pause(trading_active=False, exchange_active=not whole_exchange)
        assert stage.world.resting() == []
        await stage.until(lambda: stage.snapshot.permit == "withheld", "the permit is withheld")
        assert any("paused" in reason for reason in stage.snapshot.permit_reasons)
        writes = exchange.truth.write_requests_total
        await trio.sleep(20)
        # What has left before the first refusal came back may still arrive.
        assert exchange.truth.write_requests_total - writes <= 2
        assert (stage.snapshot.totals.orders_resting, stage.snapshot.totals.orders_unknown) == (0, 0)
        exchange.lifecycle.set_pause(trading_active=True, exchange_active=True)
        await stage.quotes_again()
        await stage.books_agree()

    assert _run(scenario).verdict == "verified flat"


def test_a_start_into_the_weekly_maintenance_stays_up_says_so_and_quotes_when_it_is_over() -> None:
    async def scenario(stage: Stage) -> None:
        assert stage.world.resting() == []
        assert stage.snapshot.permit == "withheld"
        assert any("exchange is paused" in reason for reason in stage.snapshot.permit_reasons)
        assert all(row.restarts == 0 for row in stage.snapshot.actors)
        assert stage.world.exchange.truth.write_requests_total <= 4, "one try for each shard, and no more"
        stage.world.exchange.lifecycle.set_pause(trading_active=True, exchange_active=True)
        await stage.quotes_again()

    def maintain(world: World) -> None:
        world.exchange.lifecycle.set_pause(trading_active=False, exchange_active=False)

    assert _run(scenario, before=maintain).verdict == "verified flat"


@pytest.mark.long
def test_a_stop_within_the_weekly_maintenance_says_that_it_could_not_verify_and_leaves_nothing() -> None:
    """No group can be triggered then, so a create on its way could still land: the exit does not call that flat."""

    async def scenario(stage: Stage) -> None:
        stage.world.exchange.lifecycle.set_pause(trading_active=False, exchange_active=False)

    report = _run(scenario)
    assert (report.exit_code, report.verdict) == (3, "NOT verified")
    assert "exchange is paused" in report.sweep.reason
    assert len(report.sweep.groups_not_triggered) == 2


@pytest.mark.long
def test_a_start_after_a_crash_and_into_the_maintenance_clears_what_was_left_once_it_can() -> None:
    async def whole(world: World) -> None:
        line = Line()
        killed = Stage(world, world.life(line))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(killed.life.run)
            await trio.sleep(QUOTING_S)
            world.cut_power(line)
            nursery.cancel_scope.cancel()
        left = {group.group_id for group in world.exchange.truth.groups(KEY_ID) if not group.is_triggered}
        assert left
        world.exchange.lifecycle.set_pause(trading_active=False, exchange_active=False)
        stage = Stage(world, world.life())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.life.run)
            await trio.sleep(20)
            assert not stage.life.has_ended, "it waits for the exchange"
            world.exchange.lifecycle.set_pause(trading_active=True, exchange_active=True)
            await stage.until(lambda: stage.life.snapshot is not None, "it has booted")
            assert left <= {group.group_id for group in world.exchange.truth.groups(KEY_ID) if group.is_triggered}
            await stage.quotes_again()
            stage.life.request_stop("the test is over")
        assert stage.life.report.verdict == "verified flat"

    run_world(whole, seed=17, build_tree=build_tree, exchange_settings=QUIET)


# -- others on the account --


def test_a_group_that_somebody_removes_is_a_fence_from_outside() -> None:
    """I30: every create is refused from then on, whoever did it and why; the bot does not go on as if it quoted."""

    async def scenario(stage: Stage) -> None:
        exchange = stage.world.exchange
        account = exchange.core.accounts_by_key[KEY_ID]
        for group in [*account.groups.values()]:
            exchange.services.groups.delete(group)
        await stage.until(lambda: stage.life.has_ended, "it has left", 40.0)

    report = _run(scenario)
    assert (report.exit_code, report.verdict) == (4, "verified flat")
    assert "removed by somebody else" in report.reason


def _boots_resting(world: World) -> set[str]:
    """Returns whose orders rest: the boot is the third part of a client order id."""
    return {order.client_order_id.split("-")[2] for order in world.exchange.truth.resting_orders(KEY_ID)}


@pytest.mark.long
def test_a_second_instance_on_the_account_takes_over_and_the_first_leaves_as_fenced() -> None:
    async def whole(world: World) -> None:
        first = Stage(world, world.life(folder=world.folder / "first"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(first.life.run)
            await trio.sleep(QUOTING_S)
            second = Stage(world, world.life(folder=world.folder / "second"))
            nursery.start_soon(second.life.run)
            await first.until(lambda: first.life.has_ended, "the first has left", 40.0)
            await second.until(lambda: second.life.snapshot is not None, "the second has booted")
            await second.quotes_again()
            assert _boots_resting(world) == {second.life.boot}
            second.life.request_stop("the test is over")
        assert (first.life.report.exit_code, first.life.report.verdict) == (4, "verified flat")
        assert second.life.report.verdict == "verified flat"
        assert world.resting() == []

    run_world(whole, seed=17, build_tree=build_tree, exchange_settings=QUIET)


@pytest.mark.long
def test_a_first_instance_that_hears_late_of_the_second_leaves_without_touching_its_orders() -> None:
    """I30: it was cut off while the second took over; who fenced it owns the account, and is not fenced back."""

    async def whole(world: World) -> None:
        line = Line()
        first = Stage(world, world.life(line, folder=world.folder / "first"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(first.life.run)
            await trio.sleep(QUOTING_S)
            line.is_cut = True
            second = Stage(world, world.life(folder=world.folder / "second"))
            nursery.start_soon(second.life.run)
            await second.until(lambda: second.life.snapshot is not None, "the second has booted")
            await second.quotes_again()
            line.is_cut = False
            await first.until(lambda: first.life.has_ended, "the first has left", 60.0)
            await second.quotes_again()
            assert not second.life.has_ended
            assert _boots_resting(world) == {second.life.boot}
            second.life.request_stop("the test is over")
        assert (first.life.report.exit_code, first.life.report.verdict) == (4, "verified flat")
        assert second.life.report.exit_code == 0
        assert world.resting() == []

    run_world(whole, seed=17, build_tree=build_tree, exchange_settings=QUIET)


@pytest.mark.long
def test_a_persons_orders_are_left_alone_and_a_fill_of_theirs_is_booked_as_what_it_is() -> None:
    """I28, and I5: the position is the account's, whoever traded."""

    async def whole(world: World) -> None:
        stage = Stage(world, world.life())
        exchange = world.exchange
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.life.run)
            await trio.sleep(QUOTING_S)
            quoted = sorted({order.ticker for order in exchange.truth.resting_orders(KEY_ID)})
            theirs = [rest_by_hand(world, ticker, 100) for ticker in quoted[:3]]
            await trio.sleep(10)
            assert set(theirs) <= set(world.resting())
            assert not why_not_quoting(stage.snapshot)
            fills = len(exchange.truth.fills(KEY_ID))
            # One inside the spread, at the front of everything, trades at once.
            best = rest_by_hand(world, *inside_the_spread(world, quoted))
            stage.take_from(best, 500)
            assert len(exchange.truth.fills(KEY_ID)) > fills
            await stage.books_agree()
            await stage.quotes_again()
            stage.life.request_stop("the test is over")
        assert stage.life.report.verdict == "verified flat", "a person's orders are not ours to wait for"
        assert set(world.resting()) == set(theirs)

    run_world(whole, seed=17, build_tree=build_tree, exchange_settings=QUIET)


def rest_by_hand(world: World, ticker: str, price_e4: int) -> str:
    """A person rests a bid for five contracts on the account, in no group and without an expiry; returns its id."""
    return world.rest_by_hand(
        ticker, price_e4=price_e4, count_e2=500, client_order_id=f"by-hand-{ticker}-{price_e4}"
    ).order_id


def inside_the_spread(world: World, tickers: list[str]) -> tuple[str, int]:
    """Returns a market and a price, one cent above its best bid, that crosses nothing."""
    for ticker in tickers:
        engine = world.exchange.core.markets[ticker].engine
        cents = range(100, 10_000, 100)
        bids = [price_e4 for price_e4 in cents if engine.crosses(Side.ASK, price_e4)]
        asks = [price_e4 for price_e4 in cents if engine.crosses(Side.BID, price_e4)]
        if bids and asks and min(asks) - max(bids) >= 200:
            return ticker, max(bids) + 100
    raise AssertionError("no market has a spread of two cents")
