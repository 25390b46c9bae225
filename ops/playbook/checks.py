"""What a program scenario must show: what holds for every kind, and what only its own kind has.

`common` holds for a run of any length. `shown` asks for what the kind does, and has meaning only for a run that is long
enough for it (`ProgramScenario.shows_after_s`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import attrs

from ops.playbook.play import ProgramScenario
from ops.playbook.scenarios import (
    DECIDED,
    FED,
    GAMES,
    HELD,
    HELD_E2,
    REFILL_MAX_E2,
    ROUND_E2,
    STAKE_MAX_E2,
    SWINGING,
    TODAY,
)
from ops.playbook.summary import Summary

CATEGORIES_MIN: Final = 4
SESSIONS_MIN: Final = 2
ACCRUAL_TOLERANCE: Final = 0.1  # between our count of a reward and the exchange's
WORKED_OFF: Final = 0.9  # of the inventory


@attrs.frozen(kw_only=True)
class Check:
    """One sentence about a run, and whether it holds."""

    says: str
    holds: bool


def _check(says: str, holds: object) -> Check:
    return Check(says=says, holds=bool(holds))


def common(scenario: ProgramScenario, summary: Summary) -> tuple[Check, ...]:
    """Returns what must hold for every kind and length."""
    over = [market.ticker for market in summary.markets if market.largest_e2 > _limit_e2(scenario, market.program)]
    return (
        _check("no invariant was broken", not summary.violations),
        _check("no actor crashed", not summary.crashes),
        _check("no position passed its program's limit", not over),
        _check("the exchange's cash is explained to the unit", not summary.unexplained_e6),
        _check("the bot's books are the exchange's", not summary.books_differ),
        _check("it left verified flat", summary.verdict == "verified flat"),
        _check("nothing rests at the end or half a minute later", not summary.left_resting),
    )


def shown(summary: Summary) -> tuple[Check, ...]:
    """Returns what a run of this kind must show."""
    return (
        *_KINDS[summary.name](summary),
        _check("only what the program had selected was quoted", summary.quoted <= summary.seen.selected),
        _check("orders of it were filled", summary.fills),
    )


def _limit_e2(scenario: ProgramScenario, program: str) -> int:
    own = scenario.settings.programs.get(program)
    default_e2 = scenario.settings.markets.max_position_e2
    return default_e2 if own is None or own.max_position_e2 is None else own.max_position_e2


def _daily_games(summary: Summary) -> tuple[Check, ...]:
    selected = summary.seen.selected
    today = {ticker for ticker in summary.seen.listed if ticker.startswith(f"{GAMES}-{TODAY}")}
    return (
        _check("exactly the games of today were found", selected and selected == today),
        _check("each was quoted on both sides", selected and summary.two_sided == selected),
        _check("positions were given back by quotes", summary.reduced_e2 > summary.seen.exit_fills_e2),
        _check("the stop loss closed a position that a goal turned", summary.seen.exit_fills_e2),
        _check("a game that ended was paid", summary.settled),
    )


def _scored(summary: Summary) -> tuple[Check, ...]:
    series = {ticker.partition("-")[0] for ticker in summary.seen.selected}
    return (
        _check(f"markets of {CATEGORIES_MIN} series or more were found", len(series) >= CATEGORIES_MIN),
        _check("markets were refused, each for a reason", summary.ledger.refusals),
        _check("all were quoted on both sides", summary.two_sided == summary.seen.selected),
        _check("positions were given back", summary.reduced_e2),
    )


def _incentives(summary: Summary) -> tuple[Check, ...]:
    ours_e6, theirs_e6 = summary.ledger.shadow_e6, summary.accrued_e6
    selected = summary.seen.selected
    is_near = abs(ours_e6 - theirs_e6) <= ACCRUAL_TOLERANCE * theirs_e6
    return (
        _check("only markets with a liquidity program were found", selected and selected <= summary.seen.rewarded),
        _check("each was quoted on both sides", selected and summary.two_sided == selected),
        _check("rewards accrued by our count, and by the exchange's as much", theirs_e6 and is_near),
        _check("nothing is booked as paid before the period is over", summary.ledger.paid_e6 == 0),
        _check("positions were given back", summary.reduced_e2),
    )


def _volatility(summary: Summary) -> tuple[Check, ...]:
    ledger = summary.ledger
    over, opened = ledger.sessions, set(ledger.sessions_open)
    markets = {session.ticker for session in over}
    held = {market.ticker for market in summary.markets if market.position_e2}
    return (
        _check("the scanner saw events begin, in the market that was moved as well", SWINGING in markets),
        _check(f"{SESSIONS_MIN} sessions or more began and ended", len(over) >= SESSIONS_MIN),
        _check("only markets in a session were quoted, on both sides", summary.two_sided == markets | opened),
        _check("each session that ended was unwound", not any(session.left_because for session in over)),
        _check("nothing is held but where a session is open", held <= opened),
        _check("positions were given back", summary.reduced_e2),
    )


def _refill(summary: Summary) -> tuple[Check, ...]:
    filled = {market.ticker: market.opened_e2 + market.reduced_e2 for market in summary.markets}
    committed_e2 = sum(stake.committed_e2 for stake in summary.ledger.stakes)
    told = [text for code, text in summary.ledger.alerts if code == "refill_stopped"]
    return (
        _check("the event's three stakes were quoted", summary.quoted == {f"{FED}-{leg}" for leg in DECIDED}),
        _check("no stake passed its cap", max(filled.values(), default=0) <= STAKE_MAX_E2),
        _check("the event did not pass its cap", sum(filled.values()) <= REFILL_MAX_E2),
        _check("the event's cap has no room for one more round", committed_e2 > REFILL_MAX_E2 - ROUND_E2),
        _check("that a stake's cap was met was told", any("of the stake reached" in text for text in told)),
        _check("that the event's cap was met was told", any("of the event reached" in text for text in told)),
        _check("the event was decided and its stakes paid", set(summary.settled) == {t for t in filled if filled[t]}),
    )


def _touch(summary: Summary) -> tuple[Check, ...]:
    rows = [market for market in summary.markets if market.by_hand_e2]
    return (
        _check("the markets named were quoted", summary.quoted == set(HELD)),
        _check("a person held the inventory before", sum(row.by_hand_e2 for row in rows) == HELD_E2 * len(HELD)),
        _check("in spreads wider than seven cents its ask stood two cents inside", summary.seen.improved_e4[200]),
        _check("the inventory was worked off", summary.reduced_e2 >= WORKED_OFF * HELD_E2 * len(HELD)),
        _check("both sides were quoted again", summary.two_sided == set(HELD)),
    )


_KINDS: Final[Mapping[str, Callable[[Summary], tuple[Check, ...]]]] = {
    "daily-games": _daily_games,
    "scored": _scored,
    "incentives": _incentives,
    "volatility": _volatility,
    "refill-event": _refill,
    "touch-inventory": _touch,
}
