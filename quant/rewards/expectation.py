"""What one more resting order is expected to earn and to lose per hour: the arithmetic that incentive quoting and
incentive discovery share.

Earned: reward per hour of the period x our part of the side / 2, times a haircut, because forecasts of this kind have
promised two to eight times what came. Lost: contracts that are filled per hour x what a fill loses.

Fills follow the distance to the touch: at the touch, resting orders in these books were filled with 0.26 contracts
per contract and hour, and the intensity falls by exp(-1.16) per cent of distance.

Source: strategy notes on the liquidity program and on calibrating the fill intensity (live and recorded, 2026).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Level
from quant.rewards.scoring import score_side, total_size_e2
from quant.rewards.terms import LiquidityTerms

HOUR_S: Final = 3_600.0
SIDES: Final = 2
_CENT_E4: Final = 100.0
_E6_PER_DOLLAR: Final = 1_000_000.0
_CONTRACT_E2: Final = 100.0


@attrs.frozen(kw_only=True)
class ExpectationParameters:
    """How much of a forecast to believe, and what resting costs."""

    receipt_factor: float = 0.25  # forecasts promised 2 to 8 times what was paid; the ledger's ratio replaces it
    adverse_selection_per_contract: float = 0.004  # dollars; live 30-second markout of 14,549 maker fills
    fills_per_contract_hour: float = 0.26  # at the touch, measured in incentivised books
    fill_decay_per_cent: float = 1.16  # of distance behind the touch


@attrs.frozen(kw_only=True)
class SideBook:
    """The bids of one outcome that are not ours, best first, and the programs that score them."""

    others: tuple[Level, ...]
    programs: tuple[LiquidityTerms, ...]


@attrs.frozen(kw_only=True)
class Expectation:
    """One order's earnings and losses in 1/1,000,000 dollar per hour: by the program's terms, and as expected."""

    nominal_per_hour_e6: float
    reward_per_hour_e6: float  # after the haircut
    adverse_per_hour_e6: float

    @property
    def net_per_hour_e6(self) -> float:
        """What is left of the expected reward."""
        return self.reward_per_hour_e6 - self.adverse_per_hour_e6


def expectation(book: SideBook, price_e4: PriceE4, count_e2: CountE2, parameters: ExpectationParameters) -> Expectation:
    """Returns what an order of ours at the outcome's price `price_e4` is expected to do, snapshots counting."""
    own = (Level(price_e4=price_e4, count_e2=count_e2),)
    reward = sum(hourly_pool_e6(terms) * score_side(book.others, own, terms).share / SIDES for terms in book.programs)
    fills = fills_at(book.others[0].price_e4 if book.others else None, price_e4, parameters)
    lost = fills * parameters.adverse_selection_per_contract * count_e2 / _CONTRACT_E2 * _E6_PER_DOLLAR
    return Expectation(
        nominal_per_hour_e6=reward,
        reward_per_hour_e6=reward * parameters.receipt_factor,
        adverse_per_hour_e6=lost,
    )


def fills_at(best_e4: PriceE4 | None, price_e4: PriceE4, parameters: ExpectationParameters) -> float:
    """Returns the contracts filled per contract and hour at `price_e4`, where others' best is `best_e4` (None: nobody
    is there).
    """
    behind_cents = (best_e4 - price_e4) / _CENT_E4 if best_e4 is not None else 0.0
    return parameters.fills_per_contract_hour * math.exp(-parameters.fill_decay_per_cent * behind_cents)


def hourly_pool_e6(terms: LiquidityTerms) -> float:
    """Returns the reward of both sides per hour of the period, in 1/1,000,000 dollar."""
    return terms.period_reward_e6 / terms.period_s * HOUR_S


def countable(others: Sequence[Level], programs: Iterable[LiquidityTerms]) -> tuple[Level, ...]:
    """Returns the levels, best first, that may count in any of the programs: the walk ends where a target is reached.

    Orders of our own only end the walk earlier, so that what is cut off never counts.
    """
    greatest_e2 = max((terms.target_e2 for terms in programs), default=CountE2(0))
    kept: list[Level] = []
    walked_e2 = 0
    for level in others:
        if walked_e2 >= greatest_e2:
            break
        kept.append(level)
        walked_e2 += level.count_e2
    return tuple(kept)


def shortfall_e2(others: Sequence[Level], programs: Iterable[LiquidityTerms]) -> CountE2:
    """Returns what others lack on a side to reach the least target of the programs, zero where they reach it."""
    least_e2 = min((terms.target_e2 for terms in programs), default=CountE2(0))
    return CountE2(max(0, least_e2 - total_size_e2(others)))
