"""Numbered fills: the account's executions in one dense sequence, counted from 1 without a hole.

A fill is (order_id, fill_id). The Ledger gives each its number once, inside the transaction that stores it (I4); from
there on the number alone tells a consumer whether it sees a repetition, the next one, or a gap.
"""

from __future__ import annotations

import attrs

from kalshi.types import Fill


@attrs.frozen(kw_only=True)
class NumberedFill:
    """A fill with its place in the account's one sequence."""

    fill_seq: int
    fill: Fill
