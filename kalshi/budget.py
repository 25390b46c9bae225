"""The account's rate limit: two token buckets that every client of the process shares.

Rules:
1. Tokens are taken before a request goes out and never given back: the exchange bills refused requests as
   well.
2. Waiters are served by priority, and in their order within one priority. The first in line waits for its
   tokens; nobody behind it is served meanwhile, so many small requests cannot starve a large one of the same
   priority.
3. A reserve keeps creates and renewals (priority RENEW and below) from emptying the write bucket, so that the
   exit guard always finds tokens. It is at most half the bucket.
4. Requests sent evenly may arrive in a bunch. The bucket here is smaller than the exchange's by what refills
   within ARRIVAL_JITTER_S, which is the bunching that it can absorb without a 429.
5. The exchange bills a request when it arrives. Until its answer is here it may arrive at any moment, so what is in
   flight does not fill up again: the bucket holds that much less. A request without an answer counts for LATE_S more.
   At most half the bucket is withheld so, or a storm of lost answers would stop us.
6. A cost that the bucket can never hold raises BudgetError at once: split the batch.

Source: Kalshi rate limit page of October 2026; `GET /account/endpoint_costs` as recorded 2026-06-11.
"""

from __future__ import annotations

import enum
import math
from bisect import insort
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Literal

import attrs
import trio

from kalshi.types import AccountLimits, BucketLimits

COST_DEFAULT: Final = 10
COST_ORDER_READ: Final = 2
COST_CANCEL: Final = 2
COST_CREATE: Final = 10

# Rule 4: the spread of one-way delays to the exchange that may compress what we sent evenly.
ARRIVAL_JITTER_S: Final = 0.1
# Rule 5: how long after its time limit a request may still arrive; a proxy's own time limit, at a guess.
LATE_S: Final = 10.0
IN_FLIGHT_SHARE_MAX: Final = 0.5
# Rule 3.
RESERVE_SHARE_MAX: Final = 0.5
# Floating point leaves crumbs; without this a waiter could sleep for times too short for the clock to notice.
_TOKEN_CRUMB: Final = 1e-6


class Priority(enum.IntEnum):
    """Who is served first: the lower number."""

    EXIT_GUARD = 0
    CANCEL = 1
    EXIT = 2
    RENEW = 3
    CREATE = 4
    BACKGROUND = 5


class BudgetError(ValueError):
    """The request costs more than the bucket holds; it must be split."""


@attrs.frozen(kw_only=True)
class BucketStatus:
    """One bucket at one moment, in tokens."""

    tokens: float
    capacity: float
    refill_per_s: float
    reserve: float
    waiting: int
    spent: int
    penalties: int


@attrs.frozen(kw_only=True)
class BudgetStatus:
    read: BucketStatus
    write: BucketStatus


@attrs.define(eq=False)
class Flight:
    """A request on its way; whoever gets its answer says so."""

    is_answered: bool = False

    def landed(self) -> None:
        """The exchange has answered, so it has billed the request."""
        self.is_answered = True


@attrs.define(order=True)
class _Ticket:
    priority: int
    order: int
    cost: int = attrs.field(order=False)
    woken: trio.Event = attrs.field(order=False, factory=trio.Event)


class _Bucket:
    """One token bucket with its waiting line."""

    def __init__(self, now: Callable[[], float], limits: BucketLimits) -> None:
        self._now = now
        self._line: list[_Ticket] = []
        self._tickets_issued = 0
        self._filled_at = now()
        self._spent = 0
        self._penalties = 0
        self._reserve_wanted = 0.0
        self._in_flight = 0
        self._late: deque[tuple[float, int]] = deque()  # until when, how much; what was lost within LATE_S
        self.refill_per_s, self.capacity = _usable(limits)
        self._tokens = self.capacity

    async def acquire(self, cost: int, priority: Priority) -> None:
        """Waits until `cost` tokens may be taken and takes them. Raises BudgetError."""
        await trio.lowlevel.checkpoint()
        self._tickets_issued += 1
        ticket = _Ticket(priority=priority, order=self._tickets_issued, cost=cost)
        insort(self._line, ticket)
        if len(self._line) > 1 and self._line[0] is ticket:
            self._line[1].woken.set()  # it sleeps for its tokens and must learn that it is no longer first
        try:
            while (wait_s := self._seconds_until(ticket)) > 0:
                ticket.woken = trio.Event()
                with trio.move_on_after(wait_s):
                    await ticket.woken.wait()
            self._tokens -= cost
            self._spent += cost
        finally:
            self._line.remove(ticket)
            self.wake_first()

    def _seconds_until(self, ticket: _Ticket) -> float:
        # Whoever is not first in line sleeps until it is woken.
        if self._line[0] is not ticket:
            return math.inf
        floor = self.reserve if ticket.priority >= Priority.RENEW else 0.0
        if ticket.cost > self.capacity - floor:
            raise BudgetError(
                f"a request of {ticket.cost} tokens can never fit: the bucket holds {self.capacity:g}, "
                f"of which {floor:g} are reserved; split the batch"
            )
        self._refill()
        missing = ticket.cost + floor - self._tokens
        return 0.0 if missing <= _TOKEN_CRUMB else missing / self.refill_per_s

    @property
    def reserve(self) -> float:
        return min(self._reserve_wanted, self.capacity * RESERVE_SHARE_MAX)

    def set_reserve(self, tokens: float) -> None:
        self._reserve_wanted = max(0.0, tokens)
        self.wake_first()

    def update(self, limits: BucketLimits) -> None:
        self._refill()
        self.refill_per_s, self.capacity = _usable(limits)
        self._tokens = min(self._tokens, self.capacity)
        self.wake_first()

    def empty(self) -> None:
        self._refill()
        self._tokens = min(self._tokens, 0.0)
        self._penalties += 1

    def wake_first(self) -> None:
        if self._line:
            self._line[0].woken.set()

    @contextmanager
    def in_flight(self, cost: int) -> Iterator[Flight]:
        flight = Flight()
        self._refill()
        self._in_flight += cost
        try:
            yield flight
        finally:
            self._refill()
            if not flight.is_answered:
                self._late.append((self._now() + LATE_S, cost))
            else:
                self._in_flight -= cost
                self.wake_first()

    def status(self) -> BucketStatus:
        self._refill()
        return BucketStatus(
            tokens=self._tokens,
            capacity=self.capacity,
            refill_per_s=self.refill_per_s,
            reserve=self.reserve,
            waiting=len(self._line),
            spent=self._spent,
            penalties=self._penalties,
        )

    def _refill(self) -> None:
        now = self._now()
        while self._late and self._late[0][0] <= now:
            self._in_flight -= self._late.popleft()[1]
        withheld = min(self._in_flight, self.capacity * IN_FLIGHT_SHARE_MAX)
        refilled = self._tokens + max(0.0, now - self._filled_at) * self.refill_per_s
        self._tokens = min(self.capacity - withheld, refilled)
        self._filled_at = now


class RateBudget:
    """The read and the write bucket of the account; one object for all clients of the process."""

    def __init__(self, now: Callable[[], float], read: BucketLimits, write: BucketLimits) -> None:
        self._read = _Bucket(now, read)
        self._write = _Bucket(now, write)

    async def acquire_read(self, cost: int = COST_DEFAULT, priority: Priority = Priority.BACKGROUND) -> None:
        """Waits for `cost` read tokens and takes them. Raises BudgetError where they can never fit."""
        await self._read.acquire(cost, priority)

    async def acquire_write(self, cost: int, priority: Priority) -> None:
        """Waits for `cost` write tokens and takes them. Raises BudgetError where they can never fit."""
        await self._write.acquire(cost, priority)

    def in_flight(self, kind: Literal["read", "write"], cost: int) -> AbstractContextManager[Flight]:
        """Counts a request as on its way while the block lasts, and longer where its answer never came (rule 5)."""
        return (self._read if kind == "read" else self._write).in_flight(cost)

    def set_reserve(self, tokens: float) -> None:
        """Keeps this many write tokens (at most half the bucket) from renewals and creates."""
        self._write.set_reserve(tokens)

    def update_limits(self, limits: AccountLimits) -> None:
        """Takes over the account's real limits; what is left in the buckets stays, up to the new capacity."""
        self._read.update(limits.read)
        self._write.update(limits.write)

    def penalise(self, kind: Literal["read", "write"]) -> None:
        """Empties a bucket after a 429: the exchange's own count is lower than ours."""
        (self._read if kind == "read" else self._write).empty()

    @property
    def write_capacity(self) -> float:
        """What one write request may cost at most, before any reserve."""
        return self._write.capacity

    @property
    def write_refill_per_s(self) -> float:
        return self._write.refill_per_s

    def snapshot(self) -> BudgetStatus:
        """Returns both buckets as they are now."""
        return BudgetStatus(read=self._read.status(), write=self._write.status())


def _usable(limits: BucketLimits) -> tuple[float, float]:
    if limits.refill_per_s <= 0 or limits.capacity <= 0:
        raise BudgetError(f"expected a bucket that refills and holds something, found {limits}")
    return limits.refill_per_s, limits.capacity - min(limits.capacity / 2, limits.refill_per_s * ARRIVAL_JITTER_S)
