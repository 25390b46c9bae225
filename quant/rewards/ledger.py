"""Rewards: what was paid is booked, what should have been is shown beside it, and the two are never added.

1. Only a receipt books money, once per receipt id; a program that says "paid out" without a receipt books nothing.
2. A program's shadow is the last accrual told for it. When the period is over it stays, to be compared.
3. Over the programs that are over and paid, paid by shadow is the receipt ratio: what a forecast should be multiplied
   by. Programs that are over and forfeited (nothing came) count with zero, as they must.
4. The ledger keeps `programs_max` programs and forgets the one told of longest ago; booked money stays in the total,
   and ids of receipts are kept as long as their program.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from kalshi.numbers import MoneyE6
from quant.bounded import keep_newest

PROGRAMS_MAX: Final = 2_000  # a hundred days of twenty markets


@attrs.frozen(kw_only=True)
class RewardReceipt:
    """Money that has come for a program, as an account statement or a balance showed it."""

    receipt_id: str
    program_id: str
    ticker: str
    amount_e6: MoneyE6
    paid_at_ms: int


@attrs.frozen(kw_only=True)
class ProgramRewards:
    """One program's shadow and receipts; `is_over` once nothing more is to come."""

    program_id: str
    ticker: str
    shadow_e6: float = 0.0
    paid_e6: MoneyE6 = attrs.field(default=MoneyE6(0))
    receipt_ids: tuple[str, ...] = ()
    is_over: bool = False


@attrs.frozen(kw_only=True)
class RewardLedger:
    """All programs by id, the one told of longest ago first, and all money that ever came."""

    programs: Mapping[str, ProgramRewards] = attrs.field(factory=dict)
    booked_e6: MoneyE6 = attrs.field(default=MoneyE6(0))

    @property
    def shadow_open_e6(self) -> float:
        """What the programs that are not over would pay so far; an estimate, in no total."""
        return sum(program.shadow_e6 for program in self.programs.values() if not program.is_over)

    def receipt_ratio(self, shadow_min_e6: float) -> float | None:
        """Returns paid by shadow over the programs that are over; None while their shadow is under the minimum."""
        over = [program for program in self.programs.values() if program.is_over]
        shadow_e6 = sum(program.shadow_e6 for program in over)
        if shadow_e6 <= 0 or shadow_e6 < shadow_min_e6:
            return None
        return sum(program.paid_e6 for program in over) / shadow_e6


def show_shadow(ledger: RewardLedger, program_id: str, ticker: str, shadow_e6: float) -> RewardLedger:
    """Returns the ledger with the accrual of a program as it stands now."""
    program = ledger.programs.get(program_id) or ProgramRewards(program_id=program_id, ticker=ticker)
    return _with(ledger, attrs.evolve(program, shadow_e6=shadow_e6))


def book(ledger: RewardLedger, receipt: RewardReceipt) -> RewardLedger:
    """Returns the ledger with the receipt in it; one that is in it already changes nothing."""
    program = ledger.programs.get(receipt.program_id)
    if program is None:
        program = ProgramRewards(program_id=receipt.program_id, ticker=receipt.ticker)
    if receipt.receipt_id in program.receipt_ids:
        return ledger
    paid = attrs.evolve(
        program,
        paid_e6=MoneyE6(program.paid_e6 + receipt.amount_e6),
        receipt_ids=(*program.receipt_ids, receipt.receipt_id),
        is_over=True,
    )
    booked = attrs.evolve(ledger, booked_e6=MoneyE6(ledger.booked_e6 + receipt.amount_e6))
    return _with(booked, paid)


def close(ledger: RewardLedger, program_id: str) -> RewardLedger:
    """Returns the ledger with the program over, paid or not; an unknown program changes nothing."""
    program = ledger.programs.get(program_id)
    return ledger if program is None else _with(ledger, attrs.evolve(program, is_over=True))


def _with(ledger: RewardLedger, program: ProgramRewards) -> RewardLedger:
    programs = {key: value for key, value in ledger.programs.items() if key != program.program_id}
    programs[program.program_id] = program
    keep_newest(programs, PROGRAMS_MAX)
    return attrs.evolve(ledger, programs=programs)
