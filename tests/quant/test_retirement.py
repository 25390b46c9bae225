"""When a market's account is let go, and which flat one is looked at."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from kalshi.numbers import CountE2, PriceE4
from quant.accounting import MarketAccount
from quant.retirement import Retirement, RetirementParameters

FLAT = MarketAccount(ticker="F", fills=2)
HELD = attrs.evolve(FLAT, position_e2=CountE2(100))
OVER = attrs.evolve(FLAT, settled_value_e4=PriceE4(0))
PARAMETERS = RetirementParameters(after_s=100.0, read_every_s=10.0)


def test_a_settled_market_is_due_its_time_after_it_was_first_seen_settled() -> None:
    retirement = Retirement(PARAMETERS)
    accounts: Mapping[str, MarketAccount] = {"F": FLAT, "H": HELD, "O": OVER}
    assert retirement.due(accounts, 0.0) == ()
    assert retirement.due(accounts, 99.9) == ()
    assert retirement.due(accounts, 100.0) == ("O",)


def test_one_that_comes_again_is_due_its_whole_time_later() -> None:
    retirement = Retirement(PARAMETERS)
    retirement.due({"O": OVER}, 0.0)
    retirement.due({}, 50.0)
    assert retirement.due({"O": OVER}, 120.0) == ()
    assert retirement.due({"O": OVER}, 220.0) == ("O",)


def test_flat_markets_are_read_in_turn_and_those_that_are_held_over_or_traded_never() -> None:
    retirement = Retirement(PARAMETERS)
    accounts = {"A": FLAT, "B": FLAT, "C": FLAT, "H": HELD, "O": OVER, "T": FLAT}
    read = [retirement.to_read(accounts, lambda ticker: ticker == "T", float(now_s)) for now_s in range(0, 75, 5)]
    assert [ticker for ticker in read if ticker] == ["A", "B", "C", "A", "B", "C", "A"]
    assert read[:3] == [None, None, "A"]
    assert Retirement(PARAMETERS).to_read({"H": HELD}, lambda _: False, 100.0) is None
