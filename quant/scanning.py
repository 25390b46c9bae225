"""One program's reading of the exchange's list while it comes in page by page.

1. A market is looked at once, when its page comes. What a filter refuses then is settled at once and forgotten; only
   what may be selected is kept until the end. So memory follows what passes, not what is listed.
2. A market that comes on two pages, because the list moved meanwhile, counts as it stood on the later one.
3. The end is `quant.programs.selecting` over what was kept: the result is that of the whole list at once.
"""

from __future__ import annotations

import attrs

from quant.programs import (
    Book,
    Listed,
    Program,
    ProgramSelection,
    SelectionKind,
    concerns,
    incentive_candidate,
    incentive_parameters,
    selecting,
)
from quant.selection import discovery, incentives
from quant.selection.discovery import DiscoveryParameters
from quant.selection.incentives import IncentiveCandidate, IncentiveDiscoveryParameters
from quant.selection.series import SelectionVerdict
from quant.steps import Steps, slices


@attrs.define(eq=False)
class Scan:
    """The reading in progress; see the module."""

    program: Program
    discovery: DiscoveryParameters
    _kept: dict[str, Listed] = attrs.field(factory=dict, init=False)

    def take(self, each: Listed, now_ms: int) -> SelectionVerdict | None:
        """Looks at one market; returns its verdict where it is settled, None where it is kept or nothing to us."""
        ticker = each.market.ticker
        if not concerns(self.program, each.market):
            return None
        if reasons := self._refusals(each, now_ms):
            self._kept.pop(ticker, None)
            return SelectionVerdict(ticker=ticker, is_selected=False, reasons=reasons)
        self._kept[ticker] = each
        return None

    def _refusals(self, each: Listed, now_ms: int) -> tuple[str, ...]:
        match self.program.selection:
            case SelectionKind.SCORED:
                return discovery.refusals(each.candidate, now_ms, self.discovery)
            case SelectionKind.INCENTIVES:
                return incentives.refusals(incentive_candidate(each), now_ms, self._incentives)
            case _:
                return ()

    def keeps(self, ticker: str) -> bool:
        """Returns whether the market may still be selected."""
        return ticker in self._kept

    def books_wanted(self, now_ms: int) -> Steps[tuple[str, ...]]:
        """Returns the markets whose whole books the selection needs, the most promising first, in steps."""
        if self.program.selection is not SelectionKind.INCENTIVES:
            return ()
        candidates: list[IncentiveCandidate] = []
        for part in slices(tuple(self._kept.values())):
            candidates += map(incentive_candidate, part)
            yield
        return (yield from incentives.shortlisting(tuple(candidates), now_ms, self._incentives))

    def give_book(self, ticker: str, book: Book) -> None:
        """Takes the whole book of a market that is kept; of any other it changes nothing."""
        if (each := self._kept.get(ticker)) is not None:
            self._kept[ticker] = attrs.evolve(each, book=book)

    def end(self, now_ms: int) -> Steps[ProgramSelection]:
        """Returns the selection, in steps; verdicts that were settled before are not in it again."""
        return selecting(self.program, tuple(self._kept.values()), now_ms, self.discovery)

    @property
    def _incentives(self) -> IncentiveDiscoveryParameters:
        return incentive_parameters(self.program)
