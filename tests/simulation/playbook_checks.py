"""What each program scenario must show of its kind over two simulated hours."""

from __future__ import annotations

from collections.abc import Callable

from ops.playbook.scenarios import FED, HELD, HELD_E2, REFILL_MAX_E2, SWINGING
from ops.playbook.summary import Summary

BOTH = frozenset({"bid", "ask"})


def daily_games(summary: Summary) -> None:
    selected = summary.seen.selected
    assert selected, "no game was found"
    assert all(ticker.startswith("KXNHLGAME-26SEP21") for ticker in selected), selected
    assert set(summary.seen.sides) == selected
    assert summary.fills > 0
    assert summary.settled, "no game was paid"
    assert not set(summary.settled) & summary.positions_e2.keys()


def scored(summary: Summary) -> None:
    selected = summary.seen.selected
    assert len({ticker.partition("-")[0] for ticker in selected}) >= 4, selected
    assert len(summary.seen.sides) >= 4
    assert summary.fills > 0
    assert summary.refusals


def incentives(summary: Summary) -> None:
    assert any(sides == BOTH for sides in summary.seen.sides.values())
    assert summary.reward_shadow_e6 > 0
    assert summary.reward_paid_e6 == 0, "the period is not over"
    assert summary.fills > 0


def volatility(summary: Summary) -> None:
    assert set(summary.seen.sides) == {SWINGING}
    assert len(summary.session_ends) >= 2, summary.session_ends
    assert all(left == "" for _, left in summary.session_ends), summary.session_ends
    assert summary.volatility_events >= 2
    assert summary.fills > 0
    assert not summary.positions_e2 or summary.session_open


def refill(summary: Summary) -> None:
    assert {ticker for ticker in summary.seen.sides if ticker.startswith(FED)} == set(summary.seen.sides)
    assert len(summary.seen.sides) == 3
    assert REFILL_MAX_E2 - 4_000 < summary.contracts_e2 <= REFILL_MAX_E2
    assert any("of the event reached" in text for text in summary.alert_texts), summary.alert_texts


def touch(summary: Summary) -> None:
    assert set(summary.seen.sides) == set(HELD)
    assert summary.seen.improved_e4[200] > 0, "no ask improved by two cents in a spread above seven"
    assert summary.contracts_e2 > HELD_E2 * len(HELD), "nothing but the inventory was ever traded"


CHECKS: dict[str, Callable[[Summary], None]] = {
    "daily-games": daily_games,
    "scored": scored,
    "incentives": incentives,
    "volatility": volatility,
    "refill-event": refill,
    "touch-inventory": touch,
}
