"""One stake while it runs: fills and books in, what should rest out, and what must be stored before that may rest.

1. A round is stored before its order is wanted, and the store refuses it where the stakes of the event would together
   pass a cap of the event (`proposed`, then `stored` or `refused`). Between two rounds of a stake, what is filled and
   what may still be only change places; so what was stored last is its worst for all the others, however late anybody
   hears of a fill.
2. The numbered fills are counted from the Ledger's beginning, per side. A round may fill up to that count plus its
   rest, and no order passes it (`ceiling_e2`): a wish that lags its fills cannot buy twice.
3. Everything that is filled in the market since the stake was opened counts, exits by the stop loss included: a cap is
   a promise about the account, not about a kind of order.
"""

from __future__ import annotations

import attrs

from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, MoneyE6
from kalshi.types import Fill, Side
from quant.quoting.decision import QuoteInputs
from quant.quoting.refill import EventParameters, RefillStep, SharedRoom, refill
from quant.quoting.refill_state import StakeParameters, StakeState, applied


@attrs.frozen(kw_only=True)
class Committed:
    """What stakes have filled or may still fill."""

    count_e2: int = 0
    money_e6: int = 0


class StakeMaker:
    """See the module."""

    def __init__(
        self,
        event: EventParameters,
        stake: StakeParameters,
        state: StakeState,
        filled_e2: dict[Side, int],
        stored: Committed,
    ) -> None:
        self.event = event
        self.stake = stake
        self.state = state
        self._filled_e2 = dict(filled_e2)
        self._stored = stored
        self._others: Committed | None = None

    def fill(self, number: int, fill: Fill) -> None:
        """Counts the next numbered fill of the market."""
        self._filled_e2[fill.side] += fill.count_e2
        self.state = applied(self.state, fill, number, self.stake)

    @property
    def exceeds_what_is_stored(self) -> bool:
        """Whether fills of other orders than the stake's made it commit more than the others know of."""
        now = committed(self.state)
        return now.count_e2 > self._stored.count_e2 or now.money_e6 > self._stored.money_e6

    def proposed(self, inputs: QuoteInputs, now_ms: int, grid: PriceGrid) -> RefillStep:
        """Returns what should rest, with a state that must be stored first where it is not the present one."""
        return refill(inputs, self.state, now_ms, self.stake, grid, self._room())

    def stored(self, state: StakeState) -> None:
        """The state is stored, and holds from now on."""
        self.state, self._stored, self._others = state, committed(state), None

    def refused(self, others: Committed) -> None:
        """The store refused: the event's other stakes have committed so much."""
        self._others = others

    def ceiling_e2(self, side: Side) -> CountE2:
        """Returns how much may ever be filled on one side, counted from the Ledger's beginning."""
        return CountE2(self._filled_e2[side] + self.state.leg(side).remaining_e2)

    def _room(self) -> SharedRoom:
        others = self._others
        if others is None:
            return SharedRoom()
        count, money = self.event.max_count_e2, self.event.max_money_e6
        return SharedRoom(
            count_e2=None if count is None else count - others.count_e2,
            money_e6=None if money is None else money - others.money_e6,
        )


def committed(state: StakeState) -> Committed:
    """Returns what one stake has filled or may still fill."""
    return Committed(count_e2=state.committed_e2, money_e6=state.committed_e6)


def fits(new: Committed, before: Committed, others: Committed, max_e2: CountE2 | None, max_e6: MoneyE6 | None) -> bool:
    """Says whether a stake may commit `new` instead of `before`, beside what the others have committed.

    One that commits no more than before always may.
    """
    is_more_count, is_more_money = new.count_e2 > before.count_e2, new.money_e6 > before.money_e6
    if is_more_count and max_e2 is not None and others.count_e2 + new.count_e2 > max_e2:
        return False
    return not (is_more_money and max_e6 is not None and others.money_e6 + new.money_e6 > max_e6)
