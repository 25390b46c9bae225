"""Many candidate orders on one side of one book: the figures of `expectation`, for a fraction of the work.

A decision tries some dozens of prices and sizes on the same book. What no candidate changes is computed once per side,
what depends on the price alone once per price, and only the rest for each size.

Rules:
1. The figures are those of `quant.rewards.expectation` to the last bit: every sum is made of the same terms in the same
   order as in `score_side`. Ties between candidates are broken by rule and must not be by rounding.
2. At a price behind the level that is the reference without us, the reference and the weights are the same for every
   size. At that level or better than it, what stands ahead of us weighs one, and the reference may move with our size.
3. The bound of a price is what its largest size would bring if nobody stood behind it. No size brings more: with the
   size our part of what is counted grows, and who stands behind us only makes it smaller.

Rejected: a search over sizes that trusts the net to have one maximum; where a size ends the walk a level earlier, the
net jumps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from kalshi.numbers import CountE2, PriceE4
from quant.rewards.expectation import SIDES, ExpectationParameters, SideBook, adverse_e6, fills_at, hourly_pool_e6
from quant.rewards.scoring import NEAR_CERTAIN_E4, REFERENCE_PART, weight_of
from quant.rewards.terms import LiquidityTerms, Rule

# The bound is made of a handful of roundings, each of one part in 10^16.
_ROUNDING: Final = 1e-12


@attrs.frozen(kw_only=True)
class Bound:
    """What no order at a price exceeds, in 1/1,000,000 dollar per hour."""

    nominal_e6: float
    net_e6: float


class SideCandidates:
    """The orders that could be placed on one side; `book` and `parameters` as for `expectation`."""

    def __init__(self, book: SideBook, parameters: ExpectationParameters) -> None:
        self.parameters = parameters
        self.best_e4 = book.others[0].price_e4 if book.others else None
        self.levels = _Levels(book)
        self.programs = tuple(_Program(terms, self.levels) for terms in book.programs)

    def at(self, price_e4: PriceE4) -> PriceCandidates:
        """Returns the orders that could be placed at the outcome's price `price_e4`."""
        return PriceCandidates(self, price_e4)


class PriceCandidates:
    """The orders that could be placed at one price."""

    __slots__ = ("_fills", "_parameters", "_places", "_pools")

    def __init__(self, side: SideCandidates, price_e4: PriceE4) -> None:
        self._parameters = side.parameters
        self._fills = fills_at(side.best_e4, price_e4, side.parameters)
        ahead, here_e2 = side.levels.ahead_of(price_e4)
        self._places = [_Place(program, side.levels, price_e4, ahead, here_e2) for program in side.programs]
        self._pools = [program.pool_e6 for program in side.programs]

    def bound(self, counts: Sequence[CountE2]) -> Bound:
        """Returns what no order of these sizes exceeds here (rule 3); the sizes rise and are above zero."""
        parameters = self._parameters
        smallest, largest = counts[0], counts[-1]
        nominal_e6 = 0.0
        for pool_e6, place in zip(self._pools, self._places, strict=True):
            nominal_e6 += pool_e6 * place.share_max(largest) / SIDES
        nominal_e6 *= 1 + _ROUNDING
        reward_e6 = nominal_e6 * parameters.receipt_factor if parameters.receipt_factor > 0 else 0.0
        lost_e6 = min(adverse_e6(self._fills, smallest, parameters), adverse_e6(self._fills, largest, parameters))
        return Bound(nominal_e6=nominal_e6, net_e6=reward_e6 - lost_e6 + _ROUNDING * (reward_e6 + abs(lost_e6)))

    def expected(self, counts: Sequence[CountE2]) -> list[tuple[float, float]]:
        """Returns what an order of each size, all above zero, earns by the terms and nets, in 1/1,000,000 dollar per
        hour.
        """
        nominal_e6 = [0.0] * len(counts)
        for pool_e6, place in zip(self._pools, self._places, strict=True):
            for number, share in enumerate(place.shares(counts)):
                nominal_e6[number] += pool_e6 * share / SIDES
        parameters, fills = self._parameters, self._fills
        factor = parameters.receipt_factor
        return [
            (nominal, nominal * factor - adverse_e6(fills, count_e2, parameters))
            for nominal, count_e2 in zip(nominal_e6, counts, strict=True)
        ]


class _Levels:
    """Others on the side, best first: prices, sizes, and the sums of the sizes before each level."""

    __slots__ = ("before_e2", "plain", "prices", "sizes")

    def __init__(self, book: SideBook) -> None:
        by_price: dict[PriceE4, int] = {}
        for level in book.others:
            by_price[level.price_e4] = by_price.get(level.price_e4, 0) + level.count_e2
        self.prices = sorted((price for price, size in by_price.items() if size > 0), reverse=True)
        self.sizes = [by_price[price] for price in self.prices]
        before_e2, plain = 0, 0.0
        self.before_e2, self.plain = [before_e2], [plain]
        for size in self.sizes:
            before_e2 += size
            plain += size / 100
            self.before_e2.append(before_e2)
            self.plain.append(plain)  # in contracts

    def ahead_of(self, price_e4: PriceE4) -> tuple[int, int]:
        """Returns how many levels are better than the price, and what rests at it."""
        ahead = 0
        for price in self.prices:
            if price <= price_e4:
                return ahead, self.sizes[ahead] if price == price_e4 else 0
            ahead += 1
        return ahead, 0


class _Program:
    """One program on this side: its figures, the reference without us, and what others weigh from there."""

    __slots__ = ("is_depth", "pool_e6", "reference_at", "sums", "target_e2", "terms", "weights")

    def __init__(self, terms: LiquidityTerms, levels: _Levels) -> None:
        self.terms = terms
        self.pool_e6 = hourly_pool_e6(terms)
        self.target_e2 = terms.target_e2
        self.is_depth = terms.rule is Rule.DEPTH
        self.reference_at = self._reference_at(levels)
        self.weights: list[float] = []
        self.sums = [0.0]  # of those before each level
        if self.reference_at < len(levels.prices):
            reference_e4, total = levels.prices[self.reference_at], 0.0
            for price_e4, size in zip(levels.prices, levels.sizes, strict=True):
                self.weights.append(weight := weight_of(reference_e4 - price_e4, terms))
                self.sums.append(total := total + weight * size / 100)

    def _reference_at(self, levels: _Levels) -> int:
        """Returns the place of the level that is the reference without us; past the last where there is none."""
        if not self.is_depth:
            return 0
        for place, walked_e2 in enumerate(levels.before_e2[1:]):
            if walked_e2 * REFERENCE_PART >= self.target_e2:
                return place
        return len(levels.prices)


class _Place:
    """One program at one price: our part of the side there, by size."""

    __slots__ = (
        "_ahead",
        "_before_e2",
        "_can_score",
        "_here_e2",
        "_is_behind",
        "_levels",
        "_next",
        "_price_e4",
        "_program",
        "_sum",
        "_weight",
    )

    def __init__(self, program: _Program, levels: _Levels, price_e4: PriceE4, ahead: int, here_e2: int) -> None:
        self._program, self._levels = program, levels
        self._price_e4, self._ahead, self._here_e2 = price_e4, ahead, here_e2
        self._next = ahead + 1 if here_e2 else ahead
        self._before_e2 = levels.before_e2[ahead]
        self._is_behind = ahead > program.reference_at  # rule 2
        best_e4 = levels.prices[0] if ahead else price_e4
        self._can_score = self._before_e2 < program.target_e2 and (program.is_depth or best_e4 < NEAR_CERTAIN_E4)
        if self._is_behind:
            reference_e4 = levels.prices[program.reference_at]
            self._weight = weight_of(reference_e4 - price_e4, program.terms)
            self._sum = program.sums[ahead]
        else:
            self._weight, self._sum = 1.0, levels.plain[ahead]

    def share_max(self, count_e2: CountE2) -> float:
        """Returns a share that no order of up to `count_e2` exceeds."""
        if not self._can_score:
            return 0.0
        own_e2, others_e2 = self._counted(count_e2)
        total = self._sum + self._weight * (own_e2 + others_e2) / 100
        return self._weight * own_e2 / 100 / total if total > 0 else 0.0

    def shares(self, counts: Sequence[CountE2]) -> list[float]:
        """Returns our part of the side with an order of each size, 0 to 1."""
        if not self._can_score:
            return [0.0] * len(counts)
        return [self._share(count_e2) for count_e2 in counts]

    def _counted(self, count_e2: CountE2) -> tuple[int, int]:
        """Returns what counts at this price of our order and of others, who stand before us."""
        if self._program.terms.boundary_counts_whole:
            return count_e2, self._here_e2
        room_e2 = self._program.target_e2 - self._before_e2
        others_e2 = min(self._here_e2, room_e2)
        return min(count_e2, room_e2 - others_e2), others_e2

    def _share(self, count_e2: CountE2) -> float:
        target_e2 = self._program.target_e2
        if self._levels.before_e2[-1] + count_e2 < target_e2:
            return 0.0
        own_e2, others_e2 = self._counted(count_e2)
        own = self._weight * own_e2 / 100
        total = self._sum + self._weight * (own_e2 + others_e2) / 100
        if self._before_e2 + self._here_e2 + count_e2 < target_e2:
            total = self._with_those_behind(total, count_e2)
        return own / total if total > 0 else 0.0

    def _with_those_behind(self, total: float, count_e2: CountE2) -> float:
        """Returns the total of the side after the levels behind this price down to where the target is reached."""
        sizes, terms, target_e2 = self._levels.sizes, self._program.terms, self._program.target_e2
        weights = self._program.weights if self._is_behind else self._weights_from(self._reference_e4(count_e2))
        walked_e2 = self._before_e2 + self._here_e2 + count_e2
        for place in range(self._next, len(sizes)):
            room_e2 = target_e2 - walked_e2
            if room_e2 <= 0:
                break
            size_e2 = sizes[place]
            walked_e2 += size_e2
            counted_e2 = size_e2 if terms.boundary_counts_whole else min(size_e2, room_e2)
            total += weights[place] * counted_e2 / 100
        return total

    def _reference_e4(self, count_e2: CountE2) -> PriceE4:
        """Returns the reference where it is our own price, or a level behind it that our order lets come later."""
        program, levels = self._program, self._levels
        here_e2 = self._before_e2 + self._here_e2 + count_e2
        if not program.is_depth or here_e2 * REFERENCE_PART >= program.target_e2:
            return self._price_e4
        for place in range(self._next, len(levels.prices)):
            if (levels.before_e2[place + 1] + count_e2) * REFERENCE_PART >= program.target_e2:
                return levels.prices[place]
        raise AssertionError("the side reaches the target, and with it a fifth of it")

    def _weights_from(self, reference_e4: PriceE4) -> list[float]:
        return [weight_of(reference_e4 - price_e4, self._program.terms) for price_e4 in self._levels.prices]
