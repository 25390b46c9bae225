"""Money is booked from receipts only, once each; the shadow stands beside it and in no total."""

from __future__ import annotations

import msgspec
import pytest

import quant.rewards.ledger
from kalshi.numbers import MoneyE6
from quant.rewards.ledger import RewardLedger, RewardReceipt, book, close, show_shadow

RECEIPT = RewardReceipt(receipt_id="r1", program_id="P", ticker="T", amount_e6=MoneyE6(1_500_000), paid_at_ms=5)


def test_a_shadow_books_nothing_even_when_the_program_is_over() -> None:
    ledger = close(show_shadow(RewardLedger(), "P", "T", 6_000_000.0), "P")
    assert ledger.booked_e6 == 0
    assert ledger.programs["P"].paid_e6 == 0
    assert ledger.programs["P"].shadow_e6 == 6_000_000.0


def test_a_receipt_is_booked_once() -> None:
    ledger = book(show_shadow(RewardLedger(), "P", "T", 6_000_000.0), RECEIPT)
    assert (ledger.booked_e6, ledger.programs["P"].paid_e6) == (1_500_000, 1_500_000)
    assert book(ledger, RECEIPT) is ledger


def test_a_receipt_for_a_program_that_was_never_quoted_counts_too() -> None:
    assert book(RewardLedger(), RECEIPT).booked_e6 == 1_500_000


def test_the_open_shadow_ends_with_the_program() -> None:
    ledger = show_shadow(show_shadow(RewardLedger(), "P", "T", 4.0), "Q", "U", 3.0)
    assert show_shadow(ledger, "P", "T", 5.0).shadow_open_e6 == 8.0
    assert close(ledger, "Q").shadow_open_e6 == 4.0
    assert close(ledger, "unknown") is ledger


def test_the_receipt_ratio_counts_what_was_forfeited() -> None:
    paid = book(show_shadow(RewardLedger(), "P", "T", 6_000_000.0), RECEIPT)
    assert paid.receipt_ratio(0.0) == pytest.approx(0.25)
    with_open = show_shadow(paid, "Q", "U", 6_000_000.0)
    assert with_open.receipt_ratio(0.0) == pytest.approx(0.25)
    assert close(with_open, "Q").receipt_ratio(0.0) == pytest.approx(0.125)


def test_there_is_no_ratio_before_there_is_enough_to_compare() -> None:
    paid = book(show_shadow(RewardLedger(), "P", "T", 6_000_000.0), RECEIPT)
    assert paid.receipt_ratio(6_000_001.0) is None
    assert paid.receipt_ratio(6_000_000.0) == pytest.approx(0.25)
    assert RewardLedger().receipt_ratio(0.0) is None


def test_the_ledger_forgets_the_program_told_of_longest_ago_and_keeps_the_money(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quant.rewards.ledger, "PROGRAMS_MAX", 2)
    ledger = book(RewardLedger(), RECEIPT)
    for program_id in ("A", "B", "A"):
        ledger = show_shadow(ledger, program_id, "T", 1.0)
    assert list(ledger.programs) == ["B", "A"]
    assert ledger.booked_e6 == 1_500_000


def test_a_ledger_survives_being_stored() -> None:
    ledger = close(book(show_shadow(RewardLedger(), "P", "T", 6.5), RECEIPT), "P")
    restored = msgspec.json.decode(msgspec.json.encode(ledger), type=RewardLedger)
    assert restored == ledger
    assert book(restored, RECEIPT) is restored
