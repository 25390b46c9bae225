"""The best of many candidate orders on one side of a book, by the figures of `expectation`, for a fraction of the work.

A decision tries some dozens of prices and sizes on the same book. What no candidate changes is computed once per side,
what depends on the price alone once per price, and only the rest for each size.

Rules:
1. The figures are those of `quant.rewards.expectation` to the last bit: every sum is made of the same terms in the same
   order as in `score_side`. Ties between candidates are broken by rule and must not be by rounding.
2. At a price behind the level that is the reference without us, the reference and the weights are the same for every
   size. At that level or better than it, what stands ahead of us weighs one, and the reference may move with our size.
3. Sizes and prices that cannot be enough or the best are not looked into. No smaller size brings more than the largest:
   the smaller ours, the more of those behind us counts. And its part grows by no more than in proportion to the size,
   against what others score beside the largest, while losses grow in proportion: a straight line bounds the net.

Rejected: a search over sizes that trusts the net to have one maximum; where a size ends the walk a level earlier, the
net jumps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

import attrs

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Level, Side
from quant.rewards.expectation import SIDES, ExpectationParameters, fills_at, hourly_pool_e6
from quant.rewards.scoring import NEAR_CERTAIN_E4, REFERENCE_PART, weight_of
from quant.rewards.terms import LiquidityTerms, Rule

# A bound is made of a dozen roundings at most, each of one part in 10^16.
_ROUNDING: Final = 1e-12
# Dollars per contract in 1/1,000,000 dollar per 1/100 contract.
_E6_OF_E2: Final = 1e4


@attrs.frozen
class Candidate:
    """A place (YES price) and a size; what they earn by the terms and what they net, in 1/1,000,000 dollar per hour."""

    price_e4: PriceE4
    count_e2: CountE2
    nominal_per_hour_e6: float
    net_per_hour_e6: float


class SideCandidates:
    """The orders that could be placed on one side of a YES book; `levels` are others' there, best first."""

    __slots__ = ("_best_e4", "_greatest_target_e2", "_levels", "_parameters", "_programs", "_side")

    def __init__(
        self,
        levels: Sequence[Level],
        side: Side,
        programs: Iterable[LiquidityTerms],
        parameters: ExpectationParameters,
    ) -> None:
        self._side, self._parameters = side, parameters
        self._best_e4 = side.outcome_price(levels[0].price_e4) if levels else None
        self._levels = side_levels = _Levels(levels, side)
        self._programs = [_Program(terms, side_levels) for terms in programs]
        self._greatest_target_e2 = max((program.target_e2 for program in self._programs), default=0)

    def best(
        self, prices: Iterable[PriceE4], counts: Sequence[CountE2], nominal_min_e6: float, net_above_e6: float
    ) -> Candidate | None:
        """Returns the candidate with the greatest net above `net_above_e6` whose nominal is `nominal_min_e6` or more.

        `prices` come best first; among equals the last price wins, then the smallest size. `counts` rise and are above
        zero.
        """
        best: Candidate | None = None
        parameters, levels = self._parameters, self._levels
        adverse = parameters.adverse_selection_per_contract
        must_earn = net_above_e6 >= 0 and adverse * parameters.fills_per_contract_hour >= 0
        for price_e4 in prices:
            outcome_e4 = self._side.outcome_price(price_e4)
            ahead, here_e2 = levels.ahead_of(outcome_e4)
            places = [
                _Place(program, levels, outcome_e4, ahead, here_e2)
                for program in self._programs
                if program.can_score(outcome_e4, ahead)
            ]
            if must_earn and not places:
                if levels.before_e2[ahead] >= self._greatest_target_e2:
                    break  # nor does anything farther from the touch
                continue
            lost = fills_at(self._best_e4, outcome_e4, parameters) * adverse
            least_e6 = net_above_e6 if best is None else best.net_per_hour_e6
            here = self._best_here(price_e4, places, lost, counts, nominal_min_e6, least_e6)
            if here is not None and here.net_per_hour_e6 > net_above_e6:
                best = here
        return best

    def _best_here(
        self,
        price_e4: PriceE4,
        places: Sequence[_Place],
        lost: float,
        counts: Sequence[CountE2],
        nominal_min_e6: float,
        best_e6: float,
    ) -> Candidate | None:
        """Returns the best candidate at one price that nets `best_e6` or more; `lost` is in dollars per contract and
        hour.
        """
        nominal_e6 = per_e2 = 0.0
        for place in places:
            share, others = place.share(counts[-1])
            nominal_e6 += place.pool_e6 * share / SIDES
            per_e2 += place.pool_e6 * place.weight / 100 / SIDES / others if others > 0 else math.inf
        if nominal_e6 * (1 + _ROUNDING) < nominal_min_e6:
            return None
        factor, lost_e6 = self._parameters.receipt_factor, lost * _E6_OF_E2
        line_e6 = per_e2 * max(0.0, factor)
        slope_e6 = line_e6 - lost_e6 + _ROUNDING * (line_e6 + abs(lost_e6))
        best: tuple[float, CountE2] | None = None
        for count_e2 in reversed(counts):  # the largest is mostly the best, and then its half cannot be
            if slope_e6 * count_e2 < best_e6:
                continue
            if count_e2 != counts[-1]:
                nominal_e6 = 0.0
                for place in places:
                    nominal_e6 += place.pool_e6 * place.share(count_e2)[0] / SIDES
            net_e6 = nominal_e6 * factor - lost * count_e2 / 100.0 * 1_000_000.0
            if net_e6 >= best_e6 and nominal_e6 >= nominal_min_e6:
                best_e6, best = net_e6, (nominal_e6, count_e2)
        return None if best is None else Candidate(price_e4, best[1], best[0], best_e6)


class _Levels:
    """Others on the side, best first: prices of the outcome, sizes, and the sums of the sizes before each level."""

    __slots__ = ("before_e2", "plain", "prices", "sizes")

    def __init__(self, levels: Sequence[Level], side: Side) -> None:
        by_price: dict[PriceE4, int] = {}
        for level in levels:
            price_e4, size_e2 = level.price_e4, level.count_e2
            if size_e2 > 0:
                by_price[price_e4] = by_price.get(price_e4, 0) + size_e2
        prices = sorted(by_price, reverse=side is Side.BID)
        self.sizes = [by_price[price_e4] for price_e4 in prices]
        self.prices = prices if side is Side.BID else [side.outcome_price(price_e4) for price_e4 in prices]
        self.before_e2 = list(accumulate(self.sizes, initial=0))
        self.plain = list(accumulate([size_e2 / 100 for size_e2 in self.sizes], initial=0.0))  # in contracts

    def ahead_of(self, price_e4: PriceE4) -> tuple[int, int]:
        """Returns how many levels are better than the price, and what rests at it."""
        ahead = 0
        for price in self.prices:
            if price <= price_e4:
                return ahead, self.sizes[ahead] if price == price_e4 else 0
            ahead += 1
        return ahead, 0


class _Program:
    """One program on this side: its figures, the reference without us, and what others weigh."""

    __slots__ = (
        "_levels",
        "_sums",
        "_weights",
        "counts_whole",
        "is_depth",
        "pool_e6",
        "reference_at",
        "target_e2",
        "terms",
    )

    def __init__(self, terms: LiquidityTerms, levels: _Levels) -> None:
        self.terms = terms
        self.pool_e6 = hourly_pool_e6(terms)
        self.target_e2 = terms.target_e2
        self.counts_whole = terms.boundary_counts_whole
        self.is_depth = terms.rule is Rule.DEPTH
        self._levels = levels
        self.reference_at = self._reference_at()
        self._weights: dict[PriceE4, list[float]] = {}
        self._sums: list[float] = []

    def _reference_at(self) -> int:
        """Returns the place of the level that is the reference without us; past the last where there is none."""
        if not self.is_depth:
            return 0
        for place, walked_e2 in enumerate(self._levels.before_e2):
            if walked_e2 * REFERENCE_PART >= self.target_e2:
                return place - 1
        return len(self._levels.prices)

    def can_score(self, price_e4: PriceE4, ahead: int) -> bool:
        """Returns whether an order can count behind so many better levels."""
        levels = self._levels
        if levels.before_e2[ahead] >= self.target_e2:
            return False
        return self.is_depth or (levels.prices[0] if ahead else price_e4) < NEAR_CERTAIN_E4

    def weights_from(self, reference_e4: PriceE4) -> list[float]:
        """Returns what others weigh at each level, from this reference."""
        weights = self._weights.get(reference_e4)
        if weights is None:
            terms = self.terms
            weights = [weight_of(reference_e4 - price_e4, terms) for price_e4 in self._levels.prices]
            self._weights[reference_e4] = weights
        return weights

    def sums_ahead(self, reference_e4: PriceE4) -> list[float]:
        """Returns what stands before each level, weighed from the reference without us."""
        if not self._sums:
            weights = self.weights_from(reference_e4)
            weighed = [weight * size / 100 for weight, size in zip(weights, self._levels.sizes, strict=True)]
            self._sums = list(accumulate(weighed, initial=0.0))
        return self._sums


class _Place:
    """One program at one price where an order can score."""

    __slots__ = (
        "_ahead_e2",
        "_here_e2",
        "_levels",
        "_next",
        "_price_e4",
        "_program",
        "_reference_e4",
        "_sum",
        "pool_e6",
        "weight",
    )

    def __init__(self, program: _Program, levels: _Levels, price_e4: PriceE4, ahead: int, here_e2: int) -> None:
        self._program, self._levels, self.pool_e6 = program, levels, program.pool_e6
        self._price_e4, self._here_e2 = price_e4, here_e2
        self._ahead_e2 = levels.before_e2[ahead]
        self._next = ahead + 1 if here_e2 else ahead  # the first level behind
        self._reference_e4: PriceE4 | None = None
        if ahead > program.reference_at:  # rule 2
            self._reference_e4 = levels.prices[program.reference_at]
            self.weight = weight_of(self._reference_e4 - price_e4, program.terms)
            self._sum = program.sums_ahead(self._reference_e4)[ahead]
        else:
            self.weight, self._sum = 1.0, levels.plain[ahead]

    def _counted(self, count_e2: CountE2) -> tuple[int, int]:
        """Returns what counts at this price of our order and of others, who stand before us."""
        if self._program.counts_whole:
            return count_e2, self._here_e2
        room_e2 = self._program.target_e2 - self._ahead_e2
        others_e2 = min(self._here_e2, room_e2)
        return min(count_e2, room_e2 - others_e2), others_e2

    def share(self, count_e2: CountE2) -> tuple[float, float]:
        """Returns our part of the side with an order of this size, 0 to 1, and what others score beside it at least."""
        target_e2, weight = self._program.target_e2, self.weight
        if self._levels.before_e2[-1] + count_e2 < target_e2:
            return 0.0, math.inf
        own_e2, others_e2 = self._counted(count_e2)
        own = weight * own_e2 / 100
        total = self._sum + weight * (own_e2 + others_e2) / 100
        walked_e2 = self._ahead_e2 + self._here_e2 + count_e2
        if walked_e2 < target_e2:
            total = self._with_those_behind(total, walked_e2, count_e2)
        return (own / total, total - own - total * _ROUNDING) if total > 0 else (0.0, 0.0)

    def _with_those_behind(self, total: float, walked_e2: int, count_e2: CountE2) -> float:
        """Returns the total of the side after the levels behind this price down to where the target is reached."""
        program, sizes = self._program, self._levels.sizes
        weights = program.weights_from(self._reference_e4 or self._moved_reference_e4(walked_e2, count_e2))
        for place in range(self._next, len(sizes)):
            size_e2, room_e2 = sizes[place], program.target_e2 - walked_e2
            total += weights[place] * (size_e2 if program.counts_whole or size_e2 < room_e2 else room_e2) / 100
            walked_e2 += size_e2
            if size_e2 >= room_e2:
                break
        return total

    def _moved_reference_e4(self, walked_e2: int, count_e2: CountE2) -> PriceE4:
        """Returns the reference where it is our own price, or a level behind it that our order lets come later."""
        program, levels = self._program, self._levels
        if not program.is_depth or walked_e2 * REFERENCE_PART >= program.target_e2:
            return self._price_e4
        for place in range(self._next, len(levels.prices)):
            if (levels.before_e2[place + 1] + count_e2) * REFERENCE_PART >= program.target_e2:
                return levels.prices[place]
        raise AssertionError("the side reaches the target, and with it a fifth of it")
