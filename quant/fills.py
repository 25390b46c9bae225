"""Numbered fills: the account's executions in one dense sequence, counted from 1 without a hole.

A fill is (order_id, fill_id). The Ledger gives each its number once, inside the transaction that stores it (I4); from
there on the number alone tells a consumer whether it sees a repetition, the next one, or a gap.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from kalshi.types import Fill


@attrs.frozen(kw_only=True)
class NumberedFill:
    """A fill with its place in the account's one sequence."""

    fill_seq: int
    fill: Fill


@attrs.frozen(kw_only=True)
class NumberedFills:
    """Fills that follow one another in the account's sequence, after the number `after_seq`.

    Each is numbered when it is asked for, so that storing tens of thousands of a catch-up does not wait for that.
    """

    after_seq: int
    fills: tuple[Fill, ...]

    def __len__(self) -> int:
        return len(self.fills)

    def __iter__(self) -> Iterator[NumberedFill]:
        return (NumberedFill(fill_seq=seq, fill=fill) for seq, fill in enumerate(self.fills, self.after_seq + 1))
