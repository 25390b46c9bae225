"""PortfolioRisk judges the markets of an event together, by what their rules say of the figure that they ask for."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Sequence

import attrs
import trio
import trio.testing

from actors.messages.market import Assignment, Assignments, MarketRules
from actors.messages.money import AccountRead, FillTape, MarketCap, RiskView
from actors.messages.table import CHANNELS
from actors.runtime.switchboard import Switchboard
from kalshi.numbers import MoneyE6
from kalshi.types import Balance, Fill, Side, Strike, StrikeKind
from quant.fills import NumberedFill
from quant.risk import RiskParameters
from tests.actors.listings import tradable
from tests.actors.test_portfolio_risk import an_actor
from tests.quant.builders import ask, bid, fill, mark

DOLLAR = 1_000_000
RICH = 10**15
PORTFOLIOS = 400
PROBE = "PROBE"  # flat, at 1/10,000 dollar a contract: its limit is its share of what the event's cap leaves, exactly


async def judged(
    parameters: RiskParameters, rules: Sequence[MarketRules], fills: Iterable[Fill]
) -> dict[str, MarketCap]:
    """Returns the word of a risk actor that has heard of these markets, all assigned, and of these fills."""
    switchboard = Switchboard(CHANNELS, trio.current_time)
    desk, _ = switchboard.mailbox("order_desk"), switchboard.mailbox("ledger")
    risk = an_actor(switchboard, parameters=parameters)
    numbered = tuple(NumberedFill(fill_seq=seq, fill=one) for seq, one in enumerate(fills, start=1))
    balance = Balance(total_e6=MoneyE6(RICH), by_shard_e6=((0, MoneyE6(RICH)),), updated_ts_s=0)
    assigned = tuple(Assignment(ticker=one.ticker, program="it", strategy="") for one in rules)
    await risk._take(
        (
            *rules,
            Assignments(assignments=assigned),
            FillTape(last_seq=len(numbered), fills=numbered, complete_to_ms=0),
            AccountRead(as_of_ms=1, balance=balance, positions=()),
        )
    )
    risk._marks |= {PROBE: mark(None, 1)} | {one.ticker: mark(4_900, 5_000) for one in rules if one.ticker != PROBE}
    risk._say()
    (said,) = [message for message in await desk.receive() if isinstance(message, RiskView)]
    return {cap.ticker: cap for cap in said.caps}


def threshold(ticker: str, kind: StrikeKind, floor: float | None = None, cap: float | None = None) -> MarketRules:
    return attrs.evolve(tradable(ticker), strike=Strike(figure="E", kind=kind, floor=floor, cap=cap))


async def test_i8_a_long_above_4000_and_a_short_above_4100_of_one_event_are_judged_together(
    autojump_clock: trio.testing.MockClock,
) -> None:
    low = threshold("E-T4000", StrikeKind.GREATER, floor=4_000)
    high = threshold("E-T4100", StrikeKind.GREATER, floor=4_100)
    fills = [bid(6_000, 10_000, ticker=low.ticker), ask(4_000, 10_000, ticker=high.ticker)]  # $60 each
    parameters = RiskParameters(event_cap_e6=200 * DOLLAR)

    async def left_e6(*rules: MarketRules) -> int:
        probe = attrs.evolve(tradable(PROBE), event_ticker="E")
        caps = await judged(attrs.evolve(parameters, max_position_e2=RICH), [*rules, probe], fills)
        return 3 * caps[PROBE].max_long_e2

    def is_about(found_e6: int, wanted_e6: int) -> bool:
        return 0 <= wanted_e6 - found_e6 < 3

    assert is_about(await left_e6(low, high), 140 * DOLLAR)  # above 4,100 is above 4,000: one of the two pays
    assert is_about(await left_e6(low, attrs.evolve(high, strike=None)), 80 * DOLLAR)
    later = attrs.evolve(high, close_time_ms=high.close_time_ms + 1)
    assert is_about(await left_e6(low, later), 80 * DOLLAR)  # another moment, another figure
    elsewhere = attrs.evolve(high, event_ticker="F")
    assert is_about(await left_e6(low, elsewhere) * 2 // 3, 140 * DOLLAR)  # of an event of two, the other long alone


# Brute force over the value of each figure: a fine grid, with the strikes themselves in it.


def _settles_yes(strike: Strike, figure: float) -> bool:
    floor = -1e9 if strike.floor is None else strike.floor
    cap = 1e9 if strike.cap is None else strike.cap
    return {
        "greater": figure > floor,
        "greater_or_equal": figure >= floor,
        "less": figure < cap,
        "less_or_equal": figure <= cap,
        "between": floor <= figure <= cap,
    }[strike.kind.value]


def _outcomes(rules: list[MarketRules]) -> Iterable[dict[str, bool]]:
    """Yields who settles yes, in every way that can be; where outcomes exclude each other and ranges say that they need
    not, both ways.
    """
    grid = [step / 4 for step in range(-4, 33)]
    ways: list[set[tuple[tuple[str, bool], ...]]] = []
    for figure in {(one.strike.figure, one.close_time_ms) for one in rules if one.strike is not None}:
        mine = [
            (one.ticker, one.strike) for one in rules if one.strike and (one.strike.figure, one.close_time_ms) == figure
        ]
        ways.append({tuple((ticker, _settles_yes(strike, value)) for ticker, strike in mine) for value in grid})
    if rules[0].mutually_exclusive:
        for winner in (None, *rules):
            yield {one.ticker: one is winner for one in rules}
        if not any(sum(is_yes for _, is_yes in way) > 1 for figure_ways in ways for way in figure_ways):
            return
    ways += [{((one.ticker, False),), ((one.ticker, True),)} for one in rules if one.strike is None]
    for chosen in itertools.product(*ways):
        yield dict(itertools.chain.from_iterable(chosen))


def _worst_loss_e6(rules: list[MarketRules], fills: list[Fill], *, is_hedged: bool) -> int:
    """Returns what the positions (one fill a market) lose at worst; a profit elsewhere counts only where hedged."""

    def profit_e6(one: Fill, is_yes: bool) -> int:
        profit = one.side.sign * one.count_e2 * ((10_000 if is_yes else 0) - one.price_e4)
        return profit if is_hedged else min(0, profit)

    return -min(0, *(sum(profit_e6(f, outcome[f.ticker]) for f in fills) for outcome in _outcomes(rules)))


def _event(rng: random.Random) -> list[MarketRules]:
    is_exclusive, has_two = rng.random() < 0.3, rng.random() < 0.3
    rules = []
    for number in range(rng.randint(1, 4)):
        low, high = sorted((float(rng.randint(0, 6)), float(rng.randint(0, 6))))
        kind = rng.choice([*StrikeKind, None])
        figure, later = rng.choice(("E", "E-OTHER")) if has_two else "E", rng.random() < 0.1
        strike = None if kind is None else Strike(figure=figure, kind=kind, floor=low, cap=high)
        one = attrs.evolve(tradable(f"M{number}"), strike=strike, mutually_exclusive=is_exclusive)
        rules.append(attrs.evolve(one, close_time_ms=one.close_time_ms + later))
    return rules


async def test_i8_what_an_events_cap_leaves_equals_brute_force_over_what_its_figures_can_be(
    autojump_clock: trio.testing.MockClock,
) -> None:
    rng, cap_e6, hedged = random.Random("ladders"), 1_000 * DOLLAR, 0
    parameters = RiskParameters(
        event_cap_e6=cap_e6,
        per_market_cap_e6=RICH,
        default_category_cap_e6=RICH,
        global_budget_e6=RICH,
        max_position_e2=RICH,
    )
    for _ in range(PORTFOLIOS):
        rules = _event(rng)
        fills = [
            fill(rng.choice([*Side]), rng.randint(1, 9_999), rng.randint(1, 5_000), ticker=one.ticker) for one in rules
        ]
        probe = attrs.evolve(tradable(PROBE), mutually_exclusive=rules[0].mutually_exclusive)
        left_e6 = (await judged(parameters, [*rules, probe], fills))[PROBE].max_long_e2 * (len(rules) + 1)
        reach_e6 = _worst_loss_e6(rules, fills, is_hedged=False)
        assert 0 <= cap_e6 - reach_e6 - left_e6 <= len(rules), rules
        assert _worst_loss_e6(rules, fills, is_hedged=True) <= reach_e6
        hedged += reach_e6 < _worst_loss_e6(
            [attrs.evolve(r, strike=None, mutually_exclusive=False) for r in rules], fills, is_hedged=False
        )
    assert hedged > PORTFOLIOS // 10  # that there was something to hedge
