"""Which markets the desk plans for now: those that something happened to, and those whose time has come.

A plan of a market changes when a fact about it does, or when a time passes: a cooldown, the wait before a repeat, the
moment of a renewal. Planning for all markets at every turn would cost more than all the rest of the desk.

Rules:
1. What happened to a market makes it due at once; what happened to all (limits, permit, switches) makes all due.
2. After its plan a market sleeps until `wakes_at_s`; a cooldown counts there only if the plan waits for it. One whose
   command did not find tokens asks again a tick later.
3. One market can change another's plan, through cash or the number of orders. An order that is over makes those due
   whose plans had an objection. Besides, all are planned every WHOLE_EVERY_S; nothing is ever later than that.
4. Another market is first every time, so that scarce tokens starve nobody.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from typing import Final

import attrs

from quant.orders.tracked import TrackedOrder

WHOLE_EVERY_S: Final = 2.0
ALARMS_PER_MARKET_MAX: Final = 8  # of which one counts; beyond, those that were put off are thrown away
# A market with an order of unknown fate is listed this often, and the rarer the longer the doubt lasts already.
LIST_EVERY_S: Final = 0.5
LIST_EVERY_MAX_S: Final = 3.0
LIST_DOUBT_SHARE: Final = 0.25


def wakes_at_s(
    orders: Iterable[TrackedOrder], cooling_until_s: Iterable[float], lease_s: float, now_s: float, wall_s: float
) -> float:
    """Returns when time alone may give a market a new command: the soonest of its waits that is not over yet.

    `orders` are the market's, `cooling_until_s` its sides' cooldowns where a plan waits for one, `lease_s` how long an
    order is given to live.
    """
    waits_s = [*cooling_until_s]
    for order in orders:
        waits_s += (order.next_change_s, order.next_cancel_s)
        if order.expiry_ts_s is not None:
            waits_s.append(now_s + order.expiry_ts_s - lease_s / 2 - wall_s)
    return min((wait_s for wait_s in waits_s if wait_s > now_s), default=math.inf)


def list_again_after_s(doubt_s: float) -> float:
    """Returns how long after one list of a market the next is due, when its youngest doubt is `doubt_s` old."""
    return max(LIST_EVERY_S, min(LIST_DOUBT_SHARE * doubt_s, LIST_EVERY_MAX_S))


@attrs.define
class Rounds:
    """Who is due; times in seconds of the desk's clock."""

    _touched: set[str] = attrs.field(factory=set, init=False)
    _wakes_s: dict[str, float] = attrs.field(factory=dict, init=False)
    _alarms: list[tuple[float, str]] = attrs.field(factory=list, init=False)  # a heap, with what was put off since
    _known: list[str] = attrs.field(factory=list, init=False)  # the markets of the last round
    _whole_at_s: float = attrs.field(default=-math.inf, init=False)
    _turn: int = attrs.field(default=0, init=False)

    def touch(self, tickers: Iterable[str]) -> None:
        """Something happened to these markets."""
        self._touched.update(tickers)

    def touch_all(self) -> None:
        """Something happened that every market's plan depends on."""
        self._whole_at_s = -math.inf

    def sleep(self, ticker: str, until_s: float) -> None:
        """The market was planned; time alone changes nothing before `until_s`."""
        if self._wakes_s.get(ticker) == until_s:
            return
        self._wakes_s[ticker] = until_s
        if until_s < math.inf:
            heapq.heappush(self._alarms, (until_s, ticker))
        if len(self._alarms) > ALARMS_PER_MARKET_MAX * len(self._wakes_s):
            self._alarms = [(wakes_s, one) for one, wakes_s in self._wakes_s.items() if wakes_s < math.inf]
            heapq.heapify(self._alarms)

    def due(self, tickers: list[str], now_s: float) -> list[str]:
        """Returns those of `tickers` to be planned now, and forgets why."""
        if now_s >= self._whole_at_s:
            self._whole_at_s = now_s + WHOLE_EVERY_S
            due = tickers
        else:
            self._wake(tickers, now_s)
            due = [ticker for ticker in tickers if ticker in self._touched] if self._touched else []
        self._touched.clear()
        if len(due) < 2:
            return due
        self._turn = (self._turn + 1) % len(due)
        return due[self._turn :] + due[: self._turn]

    def _wake(self, tickers: list[str], now_s: float) -> None:
        """Touches whose sleep is over, and those that are new or here again."""
        while self._alarms and self._alarms[0][0] <= now_s:
            wakes_s, ticker = heapq.heappop(self._alarms)
            if self._wakes_s.get(ticker) == wakes_s:
                del self._wakes_s[ticker]
                self._touched.add(ticker)
        if tickers != self._known:
            self._known = tickers
            self._touched.update(ticker for ticker in tickers if self._wakes_s.get(ticker, -math.inf) <= now_s)
