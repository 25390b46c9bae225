"""What must always hold in a running exchange, and how it says that it does not.

At each operation, where one comparison is enough:
    cash_conserved  the money of a trade adds up: what both sides pay and get, and the dollars behind new pairs
    uncrossed       an order that goes to rest does not meet the other side
    queue           the one who trades has the best price, and came after the one who traded before at that price
About once a second of engine time (`InvariantWatch`), where it takes a look at everything:
    cash_conserved  the cash of each shard, its fees and its collateral add up to what was paid in
    collateral      YES and NO positions of a market are the same number, which is its open interest
    uncrossed, queue, level_total, open_orders   for a share of the markets, so that all are seen within `ROUND_MS`

A broken invariant is a defect of the exchange itself. `InvariantBroken` is never caught inside: everything that would
be said after it could be wrong.
"""

from __future__ import annotations


class InvariantBroken(Exception):
    """The exchange has a defect: `invariant` names what does not hold. Nobody who talks to it is at fault."""

    def __init__(self, invariant: str, details: str) -> None:
        super().__init__(f"{invariant}: {details}")
        self.invariant = invariant
        self.details = details
