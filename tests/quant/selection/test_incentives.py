"""Incentive discovery ranks by net reward per dollar at risk, and says why a market is not worth resting in."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi.numbers import CountE2, MoneyE6
from kalshi.types import MarketStatus
from quant.rewards.expectation import ExpectationParameters
from quant.selection.incentives import (
    IncentiveCandidate,
    IncentiveDiscoveryParameters,
    IncentiveForecast,
    rank_incentives,
    shortlist,
)
from tests.quant.builders import level
from tests.quant.rewards.builders import HOUR_MS, START_MS, TERMS, with_

PARAMETERS = IncentiveDiscoveryParameters()
# 900 of others on each side at 48 and 52: our hundred are a tenth of each, and reach the target of a thousand.
GOOD = IncentiveCandidate(
    ticker="T",
    event_ticker="E",
    status=MarketStatus.ACTIVE,
    close_time_ms=START_MS + 24 * HOUR_MS,
    programs=(TERMS,),
    bids=(level(4_800, 90_000),),
    asks=(level(5_200, 90_000),),
)


def candidate(**changes: object) -> IncentiveCandidate:
    return attrs.evolve(GOOD, **changes)  # type: ignore[arg-type]


def reasons(one: IncentiveCandidate, parameters: IncentiveDiscoveryParameters = PARAMETERS) -> tuple[str, ...]:
    return rank_incentives((one,), START_MS, parameters).verdicts[0].reasons


def forecast(one: IncentiveCandidate) -> IncentiveForecast:
    found = rank_incentives((one,), START_MS, PARAMETERS).verdicts[0].forecast
    assert found is not None
    return found


def test_a_good_market_is_selected_with_its_forecast() -> None:
    outcome = rank_incentives((GOOD,), START_MS, PARAMETERS)
    assert (outcome.selected, outcome.verdicts[0].reasons) == (("T",), ())
    expected = forecast(GOOD)
    assert expected.reward_per_day_e6 == pytest.approx(100_000_000 * 0.1 * 0.25 * 24)
    assert expected.adverse_per_day_e6 == pytest.approx(2 * 100 * 0.26 * 0.004 * 24 * 1_000_000)
    assert expected.at_risk_e6 == 96_000_000
    assert expected.payout_by_end_e6 == pytest.approx(10_000_000)
    net = expected.reward_per_day_e6 - expected.adverse_per_day_e6
    assert expected.net_per_dollar_day == pytest.approx(net / 96_000_000)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": MarketStatus.CLOSED}, "status is closed"),
        ({"close_time_ms": START_MS + HOUR_MS - 1}, "closes too soon"),
        ({"programs": ()}, "no liquidity program is running"),
        ({"programs": (with_(start_ms=START_MS + 1),)}, "no liquidity program is running"),
        ({"programs": (with_(end_ms=START_MS + 599_999),)}, "the program ends too soon"),
        ({"bids": ()}, "the book is one-sided or empty"),
        ({"asks": ()}, "the book is one-sided or empty"),
        ({"asks": (level(4_800, 90_000),)}, "the book is crossed or locked"),
        ({"bids": (level(400, 90_000),), "asks": (level(1_000, 90_000),)}, "an outcome is under 5 cents"),
        ({"bids": (level(9_000, 90_000),), "asks": (level(9_600, 90_000),)}, "an outcome is under 5 cents"),
        ({"asks": (level(6_400, 90_000),)}, "spread is too wide"),
        ({"block_reason": "toxic fills last week"}, "toxic fills last week"),
        ({"bids": (level(4_800, 89_999),)}, "a side does not reach the program's target size"),
        ({"programs": (with_(period_reward_e6=MoneyE6(19_999_999)),)}, "the least payout is out of reach"),
        ({"adverse_selection_per_contract": 0.06}, "the reward does not pay for the risk"),
    ],
)
def test_a_market_that_fails_is_refused_with_the_reason(changes: dict[str, object], reason: str) -> None:
    assert reason in reasons(candidate(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"close_time_ms": START_MS + HOUR_MS},
        {"programs": (with_(end_ms=START_MS + 600_000),)},
        {"bids": (level(500, 90_000),), "asks": (level(1_000, 90_000),)},
        {"asks": (level(6_300, 90_000),)},
        {"bids": (level(4_800, 90_000),)},
        {"programs": (with_(period_reward_e6=MoneyE6(20_000_001)),)},
        {"adverse_selection_per_contract": 0.04},
    ],
)
def test_at_the_boundary_itself_a_market_passes(changes: dict[str, object]) -> None:
    assert reasons(candidate(**changes)) == ()


def test_every_failed_filter_is_named() -> None:
    assert len(reasons(candidate(status=MarketStatus.CLOSED, programs=(), bids=()))) == 3


def test_a_market_whose_fills_lost_more_ranks_lower_and_one_whose_fills_gained_no_higher() -> None:
    unknown, losing = candidate(ticker="B"), candidate(ticker="A", adverse_selection_per_contract=0.02)
    assert rank_incentives((losing, unknown), START_MS, PARAMETERS).selected == ("B", "A")
    gained = forecast(candidate(adverse_selection_per_contract=-0.05))
    assert gained.adverse_per_day_e6 == forecast(candidate(adverse_selection_per_contract=0.0)).adverse_per_day_e6


@pytest.mark.parametrize(
    "better",
    [
        {"programs": (with_(period_reward_e6=MoneyE6(200_000_000)),)},
        {"programs": (TERMS, with_(program_id="Q"))},
        {"bids": (level(4_700, 90_000),)},  # the same reward for less money bound
    ],
)
def test_each_part_counts_in_its_direction(better: dict[str, object]) -> None:
    pair = (candidate(ticker="A-worse"), candidate(ticker="Z-better", **better))
    assert rank_incentives(pair, START_MS, PARAMETERS).selected == ("Z-better", "A-worse")


def test_the_haircut_decides_whether_a_program_is_worth_it() -> None:
    believing = attrs.evolve(PARAMETERS, expectation=ExpectationParameters(receipt_factor=1.0))
    doubting = attrs.evolve(PARAMETERS, expectation=ExpectationParameters(receipt_factor=0.01))
    assert reasons(GOOD, believing) == ()
    assert reasons(GOOD, doubting) == ("the reward does not pay for the risk",)


def test_one_event_gives_only_its_share_and_the_list_ends() -> None:
    one_event = tuple(candidate(ticker=str(n)) for n in range(6))
    outcome = rank_incentives(one_event, START_MS, PARAMETERS)
    assert outcome.selected == ("0", "1", "2", "3")
    assert outcome.verdicts[5].reasons == ("its event has 4 markets already",)
    many = tuple(candidate(ticker=f"{n:02}", event_ticker=f"E{n}") for n in range(21))
    assert rank_incentives(many, START_MS, PARAMETERS).verdicts[20].reasons == ("not among the best 20",)


@settings(max_examples=30, deadline=None)
@given(
    rewards=st.lists(st.integers(1_000_000, 1_000_000_000), min_size=1, max_size=25),
    sizes=st.lists(st.integers(80_000, 200_000), min_size=25, max_size=25),
)
def test_the_selection_is_the_best_of_what_passed_and_every_candidate_has_a_verdict(
    rewards: list[int], sizes: list[int]
) -> None:
    candidates = tuple(
        candidate(
            ticker=f"{n:02}",
            event_ticker=f"E{n}",
            programs=(with_(period_reward_e6=MoneyE6(reward)),),
            bids=(level(4_800, CountE2(size)),),
        )
        for n, (reward, size) in enumerate(zip(rewards, sizes, strict=False))
    )
    outcome = rank_incentives(candidates, START_MS, PARAMETERS)
    assert [verdict.ticker for verdict in outcome.verdicts] == [one.ticker for one in candidates]
    by_ticker = {verdict.ticker: verdict for verdict in outcome.verdicts}
    ranks = []
    for ticker in outcome.selected:
        found = by_ticker[ticker].forecast
        assert found is not None
        assert by_ticker[ticker].reasons == ()
        ranks.append(found.net_per_dollar_day)
    assert ranks == sorted(ranks, reverse=True)
    assert all(verdict.reasons for verdict in outcome.verdicts if verdict.ticker not in outcome.selected)
    assert rank_incentives(candidates[::-1], START_MS, PARAMETERS).selected == outcome.selected


def test_the_greatest_pools_of_those_that_pass_the_filters_are_worth_a_book() -> None:
    def pool(ticker: str, dollars: int, **changes: object) -> IncentiveCandidate:
        terms = with_(period_reward_e6=MoneyE6(dollars * 1_000_000))
        return candidate(ticker=ticker, programs=(terms,), **changes)

    many = (
        pool("A", 10),
        pool("B", 30),
        pool("C", 99, status=MarketStatus.CLOSED),
        pool("D", 20),
        pool("E", 20),
        candidate(ticker="F", programs=()),
    )
    parameters = attrs.evolve(PARAMETERS, books_max=3)
    assert shortlist(many, START_MS, parameters) == ("B", "D", "E")
    assert shortlist(many, START_MS, PARAMETERS) == ("B", "D", "E", "A")


def test_pools_are_compared_by_the_hour_and_added_up() -> None:
    long = with_(end_ms=START_MS + 100 * HOUR_MS, period_reward_e6=TERMS.period_reward_e6)
    slow, twice = candidate(ticker="S", programs=(long,)), candidate(ticker="2", programs=(TERMS, long))
    assert shortlist((slow, GOOD, twice), START_MS, PARAMETERS) == ("2", "T", "S")
