"""One truth per event: values that belong together, and results that follow from them."""

from __future__ import annotations

import pytest

from kalshi.simulator.catalogue import WorldBuilder
from kalshi.simulator.fair_values import CoinLadder, FairValues, coin_chance_e4, coin_strike, cut
from kalshi.simulator.listings import EventListing
from tests.kalshi.simulator.customer import START_MS


def listed(seed: int) -> tuple[FairValues, dict[str, EventListing]]:
    fairs = FairValues(seed)
    events = WorldBuilder(seed, fairs, scale=2).boot(START_MS).events
    for event in events:
        fairs.add(event, START_MS)
    return fairs, {event.ticker: event for event in events}


@pytest.mark.parametrize("seed", [1, 2])
def test_values_stay_coherent_while_time_and_news_move_them(seed: int) -> None:
    fairs, events = listed(seed)
    for step in range(120):
        for coin in fairs.coins.values():
            coin.step()
        for ticker, fair in fairs.events.items():
            fair.step(START_MS + step * fair.step_ms)
            if step % 60 == 50:
                fair.shift(0, 400.0 if step == 50 else -400.0, START_MS + step * fair.step_ms)
            values = [fair.ahead_e4(index) for index in range(len(events[ticker].markets))]
            assert all(0 < value < 10_000 for value in values)
            if events[ticker].mutually_exclusive:
                assert abs(sum(values) - 10_000) < 160 * len(values)
            else:
                assert values == sorted(values, reverse=True), ticker


@pytest.mark.parametrize("seed", range(4))
def test_an_exclusive_event_has_one_winner_and_a_ladder_one_cut(seed: int) -> None:
    fairs, events = listed(seed)
    for ticker, fair in fairs.events.items():
        fair.close()
        results = fair.results({})
        assert results == fair.results({}), "asked twice, answered alike"
        if events[ticker].mutually_exclusive:
            assert results.count(True) == 1
        else:
            assert list(results) == sorted(results, reverse=True)


def test_a_race_is_won_as_often_as_its_value_says() -> None:
    wins, expected_e4 = 0, 0.0
    for seed in range(200):
        fairs = FairValues(seed)
        builder = WorldBuilder(seed, fairs)
        plan = next(one for one in builder.plans if one.series.ticker == "KXFEDDECISION")
        fair = fairs.add(builder.event(plan, START_MS + 86_400_000, START_MS), START_MS)
        expected_e4 += fair.ahead_e4(0)
        wins += fair.results({})[0]
    assert abs(wins - expected_e4 / 10_000) < 25  # three and a half standard deviations


def test_what_was_determined_by_hand_binds_the_rest_of_the_event() -> None:
    fairs, events = listed(1)
    race = next(ticker for ticker, event in events.items() if event.mutually_exclusive and len(event.markets) >= 4)
    assert fairs.events[race].results({2: True}) == tuple(i == 2 for i in range(len(events[race].markets)))
    assert cut([1.0, 2.0, 3.0], 0.5, {1: True}) == (True, True, False)
    assert cut([1.0, 2.0, 3.0], 9.0, {1: False}) == (True, False, False)


def test_a_coin_market_is_decided_by_the_price_at_its_close_and_moves_most_at_the_end() -> None:
    fairs, events = listed(5)
    ticker = next(one for one in events if one.startswith("KXBTC15M"))
    fair, coin = fairs.events[ticker], fairs.coin("BTC")
    assert isinstance(fair, CoinLadder)
    strike = coin.price
    early, late = coin_chance_e4(strike * 1.0005, strike, 900), coin_chance_e4(strike * 1.0005, strike, 30)
    assert 5_000 < early < late < 10_000
    assert coin_chance_e4(strike, coin_strike(strike, 7_300, 400), 400) == pytest.approx(7_300)
    coin.shift(0.01)
    fair.close()
    coin.shift(-0.05)
    assert fair.results({}) == (True,), "what comes after the close decides nothing"
