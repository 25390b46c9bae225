"""Prices, counts and money as people read them. Display only: nothing calculates with these texts."""

from __future__ import annotations

from actors.messages.control import Totals
from kalshi.numbers import CountE2, MoneyE6, PriceE4, format_scaled

NONE_TEXT = "–"


def cents(price_e4: PriceE4 | None) -> str:
    """Returns a price in cents, with decimals only where there are any: 45¢, 45.5¢."""
    if price_e4 is None:
        return NONE_TEXT
    return f"{_short(price_e4, 2)}¢"


def contracts(count_e2: CountE2) -> str:
    """Returns a count of contracts with thousands separators, and decimals only where there are any."""
    whole, _, fraction = _short(abs(count_e2), 2).partition(".")
    sign = "-" if count_e2 < 0 else ""
    return f"{sign}{int(whole):,}" + (f".{fraction}" if fraction else "")


def signed_contracts(count_e2: CountE2) -> str:
    """Returns a position with its sign; a flat one is a plain 0."""
    return contracts(count_e2) if count_e2 <= 0 else f"+{contracts(count_e2)}"


def signed_dollars(money_e6: MoneyE6, decimals: int = 2) -> str:
    """Returns money with its sign; six decimals are exact, fewer are cut towards zero."""
    whole, _, fraction = format_scaled(abs(money_e6), 6).partition(".")
    sign = "-" if money_e6 < 0 else "+" if money_e6 > 0 else ""
    shown = f"{int(whole):,}.{fraction[:decimals]}"
    # What is cut away entirely has no sign left: -0.00 would be a lie in both directions.
    return shown if not shown.strip("0.,") else f"{sign}{shown}"


def identity(totals: Totals) -> str:
    """Returns the PnL with the sum that it is, to the last unit, and whether the sum holds."""
    marks = signed_dollars(totals.marks_e6, 6)
    joined = f"- {marks[1:]}" if marks.startswith("-") else f"+ {marks.lstrip('+')}"
    verdict = "exact" if totals.is_exact else "NOT EXACT"
    cash = signed_dollars(totals.cash_e6, 6)
    return f"{signed_dollars(totals.pnl_e6, 6)} = cash {cash} {joined} marks ({verdict})"


def _short(value: int, decimals: int) -> str:
    text = format_scaled(value, decimals)
    return text.rstrip("0").rstrip(".")
