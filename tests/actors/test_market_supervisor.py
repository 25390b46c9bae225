"""The MarketSupervisor configures each market that it starts, records why, and follows changes of regime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from actors.market import MarketParameters
from actors.market_supervisor import MarketsParameters, MarketSupervisor
from actors.messages.market import Assignment, Assignments, MarketLiquidity
from actors.messages.money import Record
from actors.messages.orders import TargetQuotes
from actors.messages.table import CHANNELS
from actors.messages.volatility import Direction, MarketRegime, VolatilityEvent
from actors.runtime.channels import ChannelSpec, Policy
from actors.runtime.child import ChildContext, silent_log
from actors.runtime.ledger_store.reading import latest_configuration
from actors.runtime.ledger_store.store import LedgerStore
from actors.runtime.seams import virtual_seams
from actors.runtime.supervision import BackOff, RestartWindow
from actors.runtime.switchboard import Switchboard
from kalshi.numbers import CountE2, PriceE4
from quant.market_configuration import ConfigurationLimits, LiquidityFacts
from quant.market_profiles import MarketConfigurationParameters
from quant.programs import Program
from quant.quoting.avellaneda_stoikov import AvellanedaStoikovParameters
from quant.quoting.market_signals import SignalUse
from quant.quoting.throttles import ThrottleParameters
from quant.signals.regime import Regime, RegimeReason
from quant.signals.volatility import VolatilityParameters
from tests.actors.listings import live_book, tradable

FACTS = LiquidityFacts(
    bid_e4=PriceE4(4_500),
    ask_e4=PriceE4(5_500),
    bid_size_e2=CountE2(1_000),
    ask_size_e2=CountE2(1_000),
    volume_24h_e2=CountE2(100_000),
)
PARAMETERS = MarketsParameters(
    programs={"fitted": Program(), "plain": Program(is_configured_per_market=False)},
    sizes=MarketParameters(),
    quoting=AvellanedaStoikovParameters(),
    volatility=VolatilityParameters(),
    signals=SignalUse(),
    throttles=ThrottleParameters(),
    configuration=MarketConfigurationParameters(),
    limits=ConfigurationLimits(
        per_market_cap_e6=100_000_000,
        category_caps_e6={},
        default_category_cap_e6=600_000_000,
        global_budget_e6=2_000_000_000,
        markets_max=20,
        max_position_e2=20_000,
    ),
    window=RestartWindow(3, 60.0),
    quarantine=RestartWindow(3, 60.0),
    back_off=BackOff(),
)


def table() -> tuple[ChannelSpec, ...]:
    """The real channels, and the scanner's words to the supervisor."""
    words = (MarketRegime, VolatilityEvent)
    said = tuple(
        ChannelSpec(
            message=word,
            policy=Policy.LATEST,
            bound=10,
            senders=("volatility_scanner",),
            receivers=("market_supervisor",),
            key=lambda message: str(message.ticker),
        )
        for word in words
    )
    return (*(row for row in CHANNELS if row.message not in words), *said)


class Stage:
    """A supervisor between discovery, allocation, scanner, feed, desk and ledger that the test plays."""

    def __init__(self) -> None:
        self.switchboard = Switchboard(table(), trio.current_time)
        self._desk = self.switchboard.mailbox("order_desk")
        self._ledger = self.switchboard.mailbox("ledger")
        self._sequence = 0

    def start(self, nursery: trio.Nursery) -> None:
        context = ChildContext(
            name="market_supervisor",
            incarnation=1,
            mailbox=self.switchboard.mailbox("market_supervisor"),
            outbox=self.switchboard.outbox("market_supervisor"),
            seams=virtual_seams(1, 1_700_000_000_000),
            log=silent_log("market_supervisor"),
        )
        supervisor = MarketSupervisor(context, PARAMETERS, self.switchboard, lambda _: None, silent_log, ())
        nursery.start_soon(supervisor.run, lambda: None)

    def list_market(self, ticker: str) -> None:
        discovery = self.switchboard.outbox("discovery")
        discovery.publish(attrs.evolve(tradable(ticker), close_time_ms=1_700_000_000_000 + 5 * 86_400_000))
        discovery.publish(MarketLiquidity(ticker=ticker, facts=FACTS))

    async def assign(self, ticker: str, program: str) -> None:
        wanted = Assignment(ticker=ticker, program=program, strategy="avellaneda_stoikov")
        self.switchboard.outbox("allocation").publish(Assignments(assignments=(wanted,)))
        await trio.sleep(0.1)

    async def say_regime(self, ticker: str, regime: Regime, *, is_stable: bool = True, age_s: float = 0.0) -> None:
        self.switchboard.outbox("volatility_scanner").publish(
            MarketRegime(
                ticker=ticker,
                regime=regime,
                reason=RegimeReason.DRIFT,
                is_stable=is_stable,
                sigma_dollars_per_sqrt_s=0.001,
                mid_e4=PriceE4(5_000),
                last_trade_at_s=None,
                judged_at_s=trio.current_time() - age_s,
            )
        )
        await trio.sleep(0.1)

    async def recorded(self) -> list[dict[str, Any]]:
        """Returns the configurations recorded since the last look."""
        with trio.move_on_after(0.1):
            return [
                dict(m.values)
                for m in await self._ledger.receive()
                if isinstance(m, Record) and m.table == "market_configurations"
            ]
        return []

    async def wish(self, ticker: str) -> TargetQuotes:
        self._sequence += 1
        self.switchboard.outbox("feed").publish(attrs.evolve(live_book(ticker), sequence=self._sequence))
        await trio.sleep(0.2)
        return [m for m in await self._desk.receive() if isinstance(m, TargetQuotes)][-1]


async def test_a_market_is_quoted_with_its_configuration_and_the_ledger_and_people_hear_why(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with trio.open_nursery() as nursery:
        stage = Stage()
        stage.start(nursery)
        stage.list_market("M")
        await stage.assign("M", "fitted")
        (row,) = await stage.recorded()
        assert (row["ticker"], row["program"], row["profile"], row["regime"]) == ("M", "fitted", "low_liquidity", None)
        # $1,000 a day in a book three times as wide as the reference: sqrt(300) dollars, at 55 cents 31 contracts.
        assert "max_position_contracts 31: exposure at the price of the dearer outcome" in row["numbers"]
        wanted = await stage.wish("M")
        assert wanted.bid is not None
        assert wanted.bid.count_e2 == 500  # half of the ten at the touch
        store = LedgerStore(tmp_path / "ledger.sqlite")
        store.record_rows((Record(table="market_configurations", values=tuple(row.items())),))
        store.close()
        lines = latest_configuration(tmp_path / "ledger.sqlite", "M")
        assert lines == tuple(f"for fitted: {line}" for line in row["numbers"].splitlines())
        assert latest_configuration(tmp_path / "ledger.sqlite", "OTHER") == ()
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("program", "is_listed", "why"),
    [("plain", True, "it is not configured per market"), ("fitted", False, "nothing is known of the market")],
)
async def test_where_it_is_switched_off_or_blind_the_programs_own_numbers_stand_and_are_recorded(
    program: str, is_listed: bool, why: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        stage = Stage()
        stage.start(nursery)
        if is_listed:
            stage.list_market("M")
        await stage.assign("M", program)
        (row,) = await stage.recorded()
        assert row["numbers"].splitlines() == [
            f"order_size_contracts 10: the program's, as {why}",
            f"max_position_contracts 100: the program's, as {why}",
        ]
        stage.list_market("M")
        wanted = await stage.wish("M")
        assert wanted.bid is not None
        assert wanted.bid.count_e2 == 1_000
        nursery.cancel_scope.cancel()


async def test_a_change_of_regime_configures_anew_once_it_is_time_and_only_on_a_fresh_stable_word(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        stage = Stage()
        stage.start(nursery)
        stage.list_market("M")
        await stage.say_regime("M", Regime.MEAN_REVERTING)
        await stage.assign("M", "fitted")
        assert [row["regime"] for row in await stage.recorded()] == ["MEAN_REVERTING"]
        await stage.say_regime("M", Regime.TRENDING)
        assert await stage.recorded() == []  # too soon
        await trio.sleep(PARAMETERS.configuration.reconfigure_after_s)
        assert await stage.recorded() == []  # the word is stale by now
        await stage.say_regime("M", Regime.TRENDING, is_stable=False)
        await stage.say_regime("M", Regime.TRENDING, age_s=4.2)
        assert await stage.recorded() == []
        await stage.say_regime("M", Regime.TRENDING)
        (row,) = await stage.recorded()
        assert row["regime"] == "TRENDING"
        assert "max_position_contracts 9:" in row["numbers"]
        assert (await stage.wish("M")).bid is not None  # its actor lives
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("is_over", "sigma"), [(False, "0.0029"), (True, "0.001")])
async def test_an_event_has_its_say_in_sigma_while_it_lasts(
    is_over: bool, sigma: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        stage = Stage()
        stage.start(nursery)
        rules = attrs.evolve(tradable("M"), close_time_ms=1_700_000_600_000)
        stage.list_market("M")
        stage.switchboard.outbox("discovery").publish(rules)
        await stage.say_regime("M", Regime.MEAN_REVERTING)
        stage.switchboard.outbox("volatility_scanner").publish(
            VolatilityEvent(
                ticker="M",
                event_id=1,
                incarnation=1,
                is_over=is_over,
                reason="",
                jump_e4=None,
                sigma_dollars_per_sqrt_s=0.02,
                strength=1.0,
                direction=Direction.NONE,
                category="",
                event_ticker="E",
                close_time_ms=rules.close_time_ms,
                began_at_s=0.0,
                said_at_s=0.0,
            )
        )
        await stage.assign("M", "fitted")
        (row,) = await stage.recorded()
        assert f"sigma {sigma}:" in row["numbers"]
        nursery.cancel_scope.cancel()
