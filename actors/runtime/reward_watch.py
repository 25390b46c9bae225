"""The shadow of liquidity rewards: what our resting orders would have earned by the programs' terms, unbooked.

1. Once a look, at most every second, each market where we rest and a program runs is scored by its newest live book
   and our own orders (quant.rewards.scoring), and the program's accrual goes on.
2. The exchange names no payment: its list says that a program was paid out, but neither to whom nor how much, and a
   balance that rises says no program. So nothing here books money by itself; receipts are given to `book` by whoever
   holds a statement. A program whose period is over is closed, and its shadow stays.
3. What changed is recorded every `RECORD_EVERY_S` and when a period ends. A restart begins a new shadow: the older rows
   stand in the Ledger.

The published book has only its best levels; what stands behind them is not seen, so that a target which is reached only
there counts as not reached: a shadow too low rather than too high.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import attrs

from actors.messages.market import BookCondition, BookView
from actors.messages.money import Record
from kalshi.types import Side
from quant.bounded import put_newest
from quant.quoting.own_orders import OwnOrder, others_levels, own_levels
from quant.rewards.accrual import Accrual, accrued_e6, observe
from quant.rewards.ledger import RewardLedger, RewardReceipt, close, show_shadow
from quant.rewards.ledger import book as booked
from quant.rewards.scoring import score_snapshot
from quant.rewards.terms import LiquidityTerms

LOOK_EVERY_S: Final = 1.0  # as often as the exchange takes its snapshots
RECORD_EVERY_S: Final = 300.0
BOOKS_MAX: Final = 2_000


@attrs.define(eq=False)
class RewardWatch:
    """The accruals of the programs of markets where we rest; see the module."""

    ledger: RewardLedger = attrs.field(factory=RewardLedger)
    _books: dict[str, BookView] = attrs.field(factory=dict, init=False)
    _running: dict[str, tuple[Accrual, LiquidityTerms]] = attrs.field(factory=dict, init=False)
    _changed: set[str] = attrs.field(factory=set, init=False)
    _next_look_s: float = attrs.field(default=-math.inf, init=False)
    _next_record_s: float = attrs.field(default=-math.inf, init=False)

    def book_seen(self, view: BookView) -> None:
        """Takes the newest book of a market."""
        put_newest(self._books, view.ticker, view, BOOKS_MAX)

    def receipt(self, receipt: RewardReceipt) -> None:
        """Books money that has come for a program."""
        self.ledger = booked(self.ledger, receipt)
        self._changed.add(receipt.program_id)

    def look(
        self,
        programs: Mapping[str, tuple[LiquidityTerms, ...]],
        own: Mapping[str, tuple[OwnOrder, ...]],
        now_s: float,
        now_ms: int,
    ) -> tuple[Record, ...]:
        """Scores what rests now; returns the rows to be recorded, mostly none."""
        if now_s < self._next_look_s:
            return ()
        self._next_look_s = now_s + LOOK_EVERY_S
        for ticker, orders in own.items():
            view = self._books.get(ticker)
            if view is not None and view.condition is BookCondition.LIVE:
                for terms in programs.get(ticker, ()):
                    self._score(terms, view, orders, now_ms)
        return self._end(now_ms) + self._rows(now_s, now_ms)

    def _score(self, terms: LiquidityTerms, view: BookView, orders: tuple[OwnOrder, ...], now_ms: int) -> None:
        if not terms.is_running(now_ms):
            return
        accrual, _ = self._running.get(terms.program_id, (Accrual(program_id=terms.program_id), terms))
        score = score_snapshot(
            others_levels(view.bids, orders, Side.BID),
            others_levels(view.asks, orders, Side.ASK),
            own_levels(orders, Side.BID),
            own_levels(orders, Side.ASK),
            terms,
        )
        accrual = observe(accrual, score, now_ms, terms)
        self._running[terms.program_id] = (accrual, terms)
        self.ledger = show_shadow(self.ledger, terms.program_id, terms.ticker, accrued_e6(accrual, terms))
        self._changed.add(terms.program_id)

    def _end(self, now_ms: int) -> tuple[Record, ...]:
        over = [program_id for program_id, (_, terms) in self._running.items() if now_ms >= terms.end_ms]
        for program_id in over:
            del self._running[program_id]
            self.ledger = close(self.ledger, program_id)
            self._changed.discard(program_id)
        return tuple(self._row(program_id, now_ms) for program_id in over)

    def _rows(self, now_s: float, now_ms: int) -> tuple[Record, ...]:
        if now_s < self._next_record_s or not self._changed:
            return ()
        self._next_record_s = now_s + RECORD_EVERY_S
        changed, self._changed = self._changed, set()
        return tuple(self._row(program_id, now_ms) for program_id in sorted(changed & self.ledger.programs.keys()))

    def _row(self, program_id: str, now_ms: int) -> Record:
        program = self.ledger.programs[program_id]
        values = (
            ("program_id", program_id),
            ("ticker", program.ticker),
            ("shadow_e6", round(program.shadow_e6)),
            ("paid_e6", program.paid_e6),
            ("is_over", int(program.is_over)),
            ("at_ms", now_ms),
        )
        return Record(table="rewards", values=values)
