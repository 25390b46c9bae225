"""Order groups: a contract limit over a rolling 15 s window, and a trigger that cancels and refuses.

Rules (Kalshi order groups page; kalshi-rest.md §7.6):
1. When the contracts matched inside the window exceed the limit, the group is triggered; it stays so until a
   reset.
2. A reset also empties the window; the window rolling on resets nothing.
3. Lowering the limit under the present sum triggers at once.
4. A fill that overshoots is not undone: the limit is no hard cap.
Cancelling the group's orders is the caller's work.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import attrs

GROUP_WINDOW_MS: Final = 15_000
GROUPS_PER_ACCOUNT_MAX: Final = 100_000  # documented cap since 2026-08-13
CONTRACTS_LIMIT_MAX_E2: Final = 1_000_000_00


@attrs.define(kw_only=True, eq=False)
class OrderGroup:
    """One group of one account on one shard."""

    group_id: str
    account_id: str
    exchange_index: int
    limit_e2: int
    triggers_at_limit: bool = False
    is_triggered: bool = False
    resting: dict[str, None] = attrs.field(factory=dict)
    _window: deque[tuple[int, int]] = attrs.field(factory=deque)
    _sum_e2: int = 0

    def record_fill(self, now_ms: int, count_e2: int) -> bool:
        """Counts matched contracts; returns whether that triggers the group now."""
        window = self._window
        if window and window[-1][0] == now_ms:
            # Fills of one engine time leave the window together, so that it never holds more entries than milliseconds.
            window[-1] = (now_ms, window[-1][1] + count_e2)
        else:
            window.append((now_ms, count_e2))
        self._sum_e2 += count_e2
        return self._judge(now_ms)

    def set_limit(self, now_ms: int, limit_e2: int) -> bool:
        """Changes the limit; returns whether that triggers the group now."""
        self.limit_e2 = limit_e2
        return self._judge(now_ms)

    def reset(self) -> None:
        """Opens the group again with an empty window."""
        self.is_triggered = False
        self._window.clear()
        self._sum_e2 = 0

    def matched_e2(self, now_ms: int) -> int:
        """Returns the contracts matched inside the window."""
        while self._window and self._window[0][0] <= now_ms - GROUP_WINDOW_MS:
            self._sum_e2 -= self._window.popleft()[1]
        return self._sum_e2

    def _judge(self, now_ms: int) -> bool:
        matched_e2 = self.matched_e2(now_ms)
        over = matched_e2 > self.limit_e2 or (self.triggers_at_limit and matched_e2 == self.limit_e2)
        if self.is_triggered or not over:
            return False
        self.is_triggered = True
        return True
