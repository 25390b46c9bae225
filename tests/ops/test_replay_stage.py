"""The stage goes from connection to connection, the directors follow it, and the witness counts what it sees."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from actors.messages.market import Assignments, FeedHealth, MarketRules, WantedMarkets
from actors.messages.orders import QuoteTarget, TargetQuotes
from actors.messages.table import CHANNELS
from actors.runtime.switchboard import Switchboard
from kalshi.numbers import CountE2, PriceE4
from ops.replay_account import RecordedClock, catalogue_of
from ops.replay_recording import Recording, load_recording
from ops.replay_server import Pace
from ops.replay_stage import Stage, Witness, event_of, market_rules, series_of
from tests.ops.replay.recordings import START_MS, TICKERS, run_of_two, write


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return load_recording(write(tmp_path / "run.jsonl", run_of_two()))


def health(*, reconnects: int, gaps: int) -> FeedHealth:
    return FeedHealth(
        connected=True,
        generation=1,
        proof_at_s=0.0,
        published_at_s=0.0,
        reconnects=reconnects,
        gaps=gaps,
        reason="connected",
    )


def target(ticker: str, *, bid: bool, decided_at_s: float = 1.0, generation: int = 1) -> TargetQuotes:
    return TargetQuotes(
        ticker=ticker,
        bid=QuoteTarget(price_e4=PriceE4(4_500), count_e2=CountE2(1_000)) if bid else None,
        ask=None,
        reasons=(),
        generation=generation,
        sequence=1,
        incarnation=1,
        decided_at_s=decided_at_s,
        fair_value_e4=None,
    )


def test_the_stage_goes_from_connection_to_connection(recording: Recording) -> None:
    stage, seen = Stage(recording), []
    assert not stage.grow()  # there is no further step in this run
    while stage.connection is not None:
        seen.append(stage.wanted)
        stage.next_connection()
    assert seen == [(TICKERS[0],), (TICKERS[1],)]
    assert stage.version == 3


def test_when_the_recording_is_over_nothing_is_wanted(recording: Recording) -> None:
    assert not Stage(recording, number=2).wanted


def test_a_tickers_name_tells_its_event_and_series() -> None:
    assert (event_of(TICKERS[0]), series_of(TICKERS[0])) == ("KXTEST15M-26MAY110600", "KXTEST15M")
    assert (event_of("LONELY"), series_of("LONELY")) == ("LONELY", "LONELY")


def test_rules_and_listing_agree_on_the_grid(recording: Recording) -> None:
    structure = recording.structures[TICKERS[0]]
    rules = market_rules(TICKERS[0], structure, START_MS, is_tradable=True)
    listed = catalogue_of(recording).markets[0]
    steps = [(part.start_e4, part.end_e4, part.step_e4) for part in listed.price_ranges]
    assert [(part.start_e4, part.end_e4, part.step_e4) for part in rules.price_ranges] == steps
    assert (rules.event_ticker, rules.series_ticker) == (listed.event_ticker, listed.series_ticker)


def test_rules_and_listing_have_the_category_that_is_said(recording: Recording) -> None:
    listed = catalogue_of(recording, "Crypto")
    assert {event.category for event in listed.events} == {series.category for series in listed.series} == {"Crypto"}
    said = market_rules(TICKERS[0], recording.structures[TICKERS[0]], START_MS, is_tradable=True, category="Crypto")
    assert said.category == "Crypto"


def test_the_account_closes_no_market_before_the_recording_does(recording: Recording) -> None:
    listed = catalogue_of(recording).markets
    assert len(listed) == 2
    assert all(market.close_ms > recording.last_close_ms for market in listed)


def test_the_recorded_clock_never_goes_back() -> None:
    clock = RecordedClock(5_000_000)
    clock.reach(7_900_000)
    clock.reach(6_000_000)
    assert clock.wall_ms() == 7


async def test_the_witness_counts_quotes_gaps_and_disconnects_over_restarts_of_the_feed(
    autojump_clock: MockClock,
) -> None:
    switchboard, witness = Switchboard(CHANNELS, trio.current_time), Witness()
    market, feed = switchboard.outbox("market:A"), switchboard.outbox("feed")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(witness.run, witness.mailbox(switchboard))
        for message in (health(reconnects=1, gaps=2), health(reconnects=2, gaps=2), health(reconnects=0, gaps=1)):
            feed.publish(message)
            await trio.sleep(0.1)
        for message_to in (target("A", bid=True), target("B", bid=False), target("A", bid=True, generation=-1)):
            market.publish(message_to)
            await trio.sleep(0.1)
        nursery.cancel_scope.cancel()
    assert (witness.gaps, witness.disconnects, witness.quotes) == (3, 2, 2)
    assert witness.has_decided(["B"], since_s=1.0)
    assert not witness.has_decided(["B"], since_s=1.5)
    assert not witness.has_decided(["A"], since_s=0.0)  # it had no book yet
    assert not witness.has_decided(["C"], since_s=0.0)
    assert witness.wants_quotes(["B", "A"])
    assert not witness.wants_quotes(["B", "C"])


async def test_a_factor_keeps_the_time_between_moments(autojump_clock: MockClock) -> None:
    pace = Pace(2.0, 1_000_000_000)
    await pace.wait_for(5_000_000_000)
    assert trio.current_time() == 2.0
    await pace.wait_for(4_000_000_000)  # late is late
    assert trio.current_time() == 2.0
    await Pace(None, 0).wait_for(10**18)
    assert trio.current_time() == 2.0


def test_the_messages_that_the_directors_send_are_allowed_to_their_names() -> None:
    senders = {spec.message: spec.senders for spec in CHANNELS}
    assert "discovery" in senders[MarketRules]
    assert "allocation" in senders[Assignments]
    assert "allocation" in senders[WantedMarkets]
