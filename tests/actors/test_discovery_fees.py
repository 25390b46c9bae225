"""C1.18-21: what makers pay in the series of a claimed market is read, goes with its rules, and follows its changes."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import trio
import trio.testing

from actors.messages.selection import ReadFeeChanges, ReadSeries
from actors.runtime.ledger_store.reading import latest_verdicts
from actors.runtime.selection_facts import FactsParameters
from actors.runtime.series_fees import FeeParameters
from kalshi.fees import FeeSchedule
from kalshi.rest_exchange_answers import SeriesFeeChange
from quant.programs import Program
from tests.actors.discovery_stage import NOW_MS, Exchange, Stage, event, market

MAKERS_PAY = "quadratic_with_maker_fees"
FEES = FeeParameters(series_every_s=60.0)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def a_stage(exchange: Exchange, ledger: Path, fees: FeeParameters = FEES) -> Stage:
    return Stage(exchange, {"it": Program()}, ledger, facts=FactsParameters(tapes_max=0, fees=fees))


def fees_of(stage: Stage, ticker: str) -> FeeSchedule | None:
    return stage.rules[ticker].fees if ticker in stage.rules else None


async def test_the_fees_of_a_claimed_market_come_with_its_rules_and_are_read_again_in_time(
    ledger: Path, autojump_clock: trio.testing.MockClock
) -> None:
    exchange = Exchange(pages=[(event(market("KXA-1-X")), event(market("KXB-1-X")))], fee_types={"KXB": MAKERS_PAY})
    stage = a_stage(exchange, ledger)
    async with stage.playing(), stage.living():
        await stage.wait_until(lambda: len(stage.claimed()) == 2)
        assert fees_of(stage, "KXA-1-X") is None  # claimed before they were read
        await trio.sleep(25)
        assert fees_of(stage, "KXA-1-X") == FeeSchedule("quadratic", 10_000)
        assert fees_of(stage, "KXB-1-X") == FeeSchedule(MAKERS_PAY, 10_000)
        assert sorted(read.ticker for read in exchange.asked(ReadSeries)) == ["KXA", "KXB"]
        exchange.fee_types["KXA"] = MAKERS_PAY
        await stage.wait_until(lambda: fees_of(stage, "KXA-1-X") == FeeSchedule(MAKERS_PAY, 10_000))
    assert len(exchange.asked(ReadFeeChanges)) == 2


async def test_an_announced_change_holds_from_its_time_on_and_an_event_may_override_it(
    ledger: Path, autojump_clock: trio.testing.MockClock
) -> None:
    special = attrs.evolve(event(market("KXA-2-X")), fee_multiplier_override_e4=5_000)
    change = SeriesFeeChange(
        series_ticker="KXA", fee_type=MAKERS_PAY, fee_multiplier_e4=20_000, scheduled_time_ms=NOW_MS + 40_000
    )
    exchange = Exchange(pages=[(event(market("KXA-1-X")), special)], fee_changes=(change,))
    stage = a_stage(exchange, ledger, FeeParameters())
    async with stage.playing(), stage.living():
        await trio.sleep(35)
        assert fees_of(stage, "KXA-1-X") == FeeSchedule("quadratic", 10_000)
        await trio.sleep(25)
        assert fees_of(stage, "KXA-1-X") == FeeSchedule(MAKERS_PAY, 20_000)
        assert fees_of(stage, "KXA-2-X") == FeeSchedule(MAKERS_PAY, 5_000)


async def test_a_market_whose_fees_cannot_be_computed_is_not_quoted_and_the_verdict_says_so(
    ledger: Path, autojump_clock: trio.testing.MockClock
) -> None:
    exchange = Exchange(pages=[(event(market("KXA-1-X")), event(market("KXB-1-X")))], fee_types={"KXB": "flat"})
    stage = a_stage(exchange, ledger)
    async with stage.playing(), stage.living():
        await stage.wait_until(lambda: stage.claimed() == ["KXA-1-X"])
        assert (stage.rules["KXA-1-X"].is_tradable, stage.rules["KXB-1-X"].is_tradable) == (True, False)
        await trio.sleep(15)
    (verdict,) = latest_verdicts(ledger, "KXB-1-X")
    assert "the fee type 'flat' is unknown here" in str(verdict)


async def test_where_nothing_answers_the_claims_stand_and_it_is_asked_again(
    ledger: Path, autojump_clock: trio.testing.MockClock
) -> None:
    exchange = Exchange(pages=[(event(market("KXA-1-X")),)])
    stage = a_stage(exchange, ledger)
    async with stage.playing(), stage.living():
        await stage.wait_until(lambda: stage.claimed() == ["KXA-1-X"])
        exchange.failures = 3
        await stage.wait_until(lambda: fees_of(stage, "KXA-1-X") is not None)
    assert len(exchange.asked(ReadSeries)) >= 1
