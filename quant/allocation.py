"""Allocation: programs claim markets, each market gets one owner, and no more markets than allowed have
orders.

1. A claim names program, ticker, priority and when it ends; a program renews it while it wants the market. An
   expired claim counts for nothing. Of two claims of one program for one market the one that ends later
   counts.
2. The greater priority wins; within a priority the greater score; then the program's name, so that nothing is
   left to chance.
3. The present owner keeps its market, and a market with an owner keeps its place under the market cap, unless
   the challenger is clearly better: of a greater priority, or ahead by more than `stability_margin` in score.
   Switching costs queue places and two rounds of orders.
4. A switch of owners is named as such: the old owner's quotes are withdrawn before the new one's assignment
   is given.

Source: architecture's AllocationActor; feature C8.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs


@attrs.frozen(kw_only=True)
class AllocationParameters:
    """The market cap and how hard an owner is to replace."""

    max_markets_with_orders: int = 20  # with the default lease, renewals then stay under a fifth of the budget
    stability_margin: float = 0.1  # a tenth of the whole span of scores: less is noise between two discoveries


@attrs.frozen(kw_only=True)
class Claim:
    """A program's wish to quote a market until `expires_at_s` (monotonic seconds); a higher priority is
    stronger.
    """

    program: str
    ticker: str
    priority: int
    expires_at_s: float
    score: float = 0.0

    @classmethod
    def lasting(
        cls, *, program: str, ticker: str, priority: int, now_s: float, ttl_s: float, score: float = 0.0
    ) -> Claim:
        """Returns a claim that ends `ttl_s` seconds after `now_s`."""
        return cls(program=program, ticker=ticker, priority=priority, expires_at_s=now_s + ttl_s, score=score)


@attrs.frozen(kw_only=True)
class Assignment:
    """A market and the one program that may quote it."""

    ticker: str
    program: str


@attrs.frozen(kw_only=True)
class Refusal:
    """A live claim that got nothing, and why."""

    claim: Claim
    reason: str


@attrs.frozen(kw_only=True)
class AllocationOutcome:
    """The assignments by ticker order, what changed against the present ones, and the claims that got
    nothing.
    """

    assignments: tuple[Assignment, ...]
    added: tuple[Assignment, ...]
    removed: tuple[Assignment, ...]
    switched: tuple[Assignment, ...]  # the market stays, with another owner
    refusals: tuple[Refusal, ...]


def allocate(
    claims: Iterable[Claim], present: Iterable[Assignment], now_s: float, parameters: AllocationParameters
) -> AllocationOutcome:
    """Returns who may quote what at `now_s` (monotonic seconds), given the present assignments."""
    owner_before = {assignment.ticker: assignment.program for assignment in present}

    def strength(claim: Claim) -> tuple[int, float, bool, str, str]:
        is_owner = owner_before.get(claim.ticker) == claim.program
        bonus = parameters.stability_margin if is_owner else 0.0
        return -claim.priority, -(claim.score + bonus), not is_owner, claim.program, claim.ticker

    refusals: list[Refusal] = []
    winners: dict[str, Claim] = {}
    for claim in sorted(_live(claims, now_s), key=strength):
        winner = winners.setdefault(claim.ticker, claim)
        if winner is not claim:
            refusals.append(Refusal(claim=claim, reason=f"the market belongs to {winner.program}"))
        elif len(winners) > parameters.max_markets_with_orders:
            del winners[claim.ticker]
            reason = f"{parameters.max_markets_with_orders} markets have orders already"
            refusals.append(Refusal(claim=claim, reason=reason))
    assigned = {ticker: winners[ticker].program for ticker in sorted(winners)}
    return _outcome(assigned, owner_before, tuple(refusals))


def _live(claims: Iterable[Claim], now_s: float) -> Iterable[Claim]:
    """Returns the claims that have not ended, one per program and market: the one that ends last."""
    latest: dict[tuple[str, str], Claim] = {}
    for claim in claims:
        key = (claim.program, claim.ticker)
        if claim.expires_at_s > now_s and (key not in latest or claim.expires_at_s > latest[key].expires_at_s):
            latest[key] = claim
    return latest.values()


def _outcome(
    assigned: dict[str, str], owner_before: dict[str, str], refusals: tuple[Refusal, ...]
) -> AllocationOutcome:
    def assignments(owners: dict[str, str], tickers: Iterable[str]) -> tuple[Assignment, ...]:
        return tuple(Assignment(ticker=ticker, program=owners[ticker]) for ticker in sorted(tickers))

    kept = assigned.keys() & owner_before.keys()
    return AllocationOutcome(
        assignments=assignments(assigned, assigned),
        added=assignments(assigned, assigned.keys() - owner_before.keys()),
        removed=assignments(owner_before, owner_before.keys() - assigned.keys()),
        switched=assignments(assigned, (t for t in kept if assigned[t] != owner_before[t])),
        refusals=refusals,
    )
