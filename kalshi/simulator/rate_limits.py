"""Token buckets per account: what a request costs, and who is told to wait.

Rules (kalshi-rest.md §4, rate limits page of October 2026):
1. Reads and writes have buckets of their own; nothing is penalised beyond an empty bucket, and a refused
   request costs nothing.
2. A batch must fit as a whole or is wholly refused.
3. A write for an explicit shard of 1 or more bills that shard's bucket; shard 0 and batches bill the unscoped
   one; an auto-routed write bills every shard's bucket and the unscoped one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs

from kalshi.simulator.accounts import Account

SHARDS: Final = (1, 2, 3)
UNSCOPED: Final = 0

# tier -> read refill, write refill, in tokens per second.
TIERS: Final = {
    "basic": (200, 100),
    "advanced": (300, 300),
    "expert": (600, 600),
    "premier": (1_200, 1_200),
    "paragon": (2_400, 2_400),
    "prime": (4_800, 4_800),
    "prestige": (12_000, 9_600),
}

# tier -> share of the exchange's volume of 30 days that earns it, and that keeps it, in 1/1,000,000.
VOLUME_SHARES_E6: Final = {
    "expert": (750, 500),
    "premier": (1_250, 1_000),
    "paragon": (2_500, 2_000),
    "prime": (5_000, 4_000),
    "prestige": (10_000, 8_000),
}


@attrs.frozen
class TierLimits:
    """Refill in tokens per second, capacity in tokens."""

    read_refill: int
    read_capacity: int
    write_refill: int
    write_capacity: int


def limits_of(tier: str) -> TierLimits:
    """Returns the limits of a tier: three seconds of budget, except where the page says one. Raises KeyError."""
    read, write = TIERS[tier]
    return TierLimits(
        read_refill=read,
        read_capacity=read * (3 if tier in ("basic", "advanced") else 1),
        write_refill=write,
        write_capacity=write * (1 if tier == "basic" else 3),
    )


class TokenBucket:
    """Refills with time, holds at most its capacity. Times in ms."""

    def __init__(self, refill_per_s: float, capacity: float, now_ms: int) -> None:
        self._refill_per_s = refill_per_s
        self._capacity = capacity
        self._tokens = capacity
        self._updated_ms = now_ms

    def has(self, cost: float, now_ms: int) -> bool:
        """Says whether `cost` tokens are there."""
        elapsed_ms = max(0, now_ms - self._updated_ms)
        self._tokens = min(self._capacity, self._tokens + self._refill_per_s * elapsed_ms / 1000)
        self._updated_ms = max(now_ms, self._updated_ms)
        return self._tokens >= cost

    def take(self, cost: float) -> None:
        self._tokens -= cost


class RateLimiter:
    """The buckets of all accounts, and one for everybody who does not sign."""

    def __init__(self, public_requests_per_s: float | None, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._public_per_s = public_requests_per_s
        self._public: TokenBucket | None = None
        self._reads: dict[str, TokenBucket] = {}
        self._writes: dict[tuple[str, int], TokenBucket] = {}
        self.rejected = 0

    def allow_public(self) -> bool:
        """Takes one unsigned request, or refuses it."""
        if self._public_per_s is None:
            return True
        if self._public is None:
            self._public = TokenBucket(self._public_per_s, self._public_per_s, self._now_ms())
        return self._take([self._public], 1)

    def allow_read(self, account: Account, cost: int) -> bool:
        """Takes `cost` read tokens, or refuses."""
        bucket = self._reads.get(account.account_id)
        if bucket is None:
            limits = limits_of(account.tier)
            bucket = TokenBucket(limits.read_refill, limits.read_capacity, self._now_ms())
            self._reads[account.account_id] = bucket
        return self._take([bucket], cost)

    def allow_write(self, account: Account, cost: int, exchange_index: int | None) -> bool:
        """Takes `cost` write tokens from every bucket that the routing bills, or refuses (rule 3)."""
        is_routed = exchange_index is None or exchange_index < 0
        billed = (UNSCOPED, *SHARDS) if is_routed else (exchange_index or UNSCOPED,)
        return self._take([self._write_bucket(account, index) for index in billed], cost)

    def forget(self, account: Account) -> None:
        """Starts the account's buckets anew, full, at its present tier: a grant changed it."""
        self._reads.pop(account.account_id, None)
        for index in (UNSCOPED, *SHARDS):
            self._writes.pop((account.account_id, index), None)

    def _write_bucket(self, account: Account, index: int) -> TokenBucket:
        key = (account.account_id, index if index in SHARDS else UNSCOPED)
        bucket = self._writes.get(key)
        if bucket is None:
            limits = limits_of(account.tier)
            bucket = self._writes[key] = TokenBucket(limits.write_refill, limits.write_capacity, self._now_ms())
        return bucket

    def _take(self, buckets: list[TokenBucket], cost: int) -> bool:
        now_ms = self._now_ms()
        if not all(bucket.has(cost, now_ms) for bucket in buckets):
            self.rejected += 1
            return False
        for bucket in buckets:
            bucket.take(cost)
        return True
