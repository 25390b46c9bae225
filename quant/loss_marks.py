"""The marks that losses are judged by: for a moment after a sweep a book has one side, or is as wide as it pleases, and
that is no price of anything.

1. A mark with both sides, no wider than WIDE_SPREAD_E4, counts at once.
2. Any other counts once it has been so for PROVES_AFTER_S; until then the last that counted stands.
3. A market that never had one has none, and is unmarked (quant.loss_latch, rule 2).

Exposure and the PnL that people see go on by the marks of the moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from quant.accounting import Mark

PROVES_AFTER_S: Final = 30.0
WIDE_SPREAD_E4: Final = 1_500  # as wide as for a stop loss


@attrs.define
class LossMarks:
    """The marks of held markets; times are monotonic seconds."""

    _counted: dict[str, Mark] = attrs.field(factory=dict, init=False)
    _unsound_since_s: dict[str, float] = attrs.field(factory=dict, init=False)

    def seen(self, marks: Mapping[str, Mark], held: Iterable[str], now_s: float) -> Mapping[str, Mark]:
        """Returns the marks of the held markets that count now, given those of this moment; forgets all others."""
        counted: dict[str, Mark] = {}
        since_s: dict[str, float] = {}
        for ticker in held:
            mark, last = marks.get(ticker), self._counted.get(ticker)
            if mark is not None and not is_sound(mark):
                since_s[ticker] = self._unsound_since_s.get(ticker, now_s)
                mark = mark if now_s - since_s[ticker] >= PROVES_AFTER_S else last
            if mark is not None:
                counted[ticker] = mark
        self._counted, self._unsound_since_s = counted, since_s
        return counted


def is_sound(mark: Mark) -> bool:
    """Says whether both sides are there, and near each other."""
    return mark.bid_e4 is not None and mark.ask_e4 is not None and mark.ask_e4 - mark.bid_e4 <= WIDE_SPREAD_E4
