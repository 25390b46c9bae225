"""Exact numbers: prices, counts and money as scaled integers.

Text becomes an integer once, when it comes off the wire, and text again when it goes back; in between nothing is ever a
float. Units stand in the names, as a power of ten:

    price_e4   1/10,000 of a dollar     "0.5200" <-> 5_200     (the exchange's "centi-cent")
    count_e2   1/100 of a contract      "3.50"   <-> 350
    money_e6   1/1,000,000 of a dollar  "0.017500" <-> 17_500

so that `price_e4 * count_e2` is money_e6 without any scaling at all.

Source: Kalshi fixed-point migration pages of 2026-08-20; recorded answers of 2026-06-11.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NewType

PriceE4 = NewType("PriceE4", int)
CountE2 = NewType("CountE2", int)
MoneyE6 = NewType("MoneyE6", int)

ONE_DOLLAR_E4: Final = PriceE4(10_000)
ONE_CENT_E4: Final = PriceE4(100)
ONE_CONTRACT_E2: Final = CountE2(100)
ONE_DOLLAR_E6: Final = MoneyE6(1_000_000)

# A decimal string longer than this is an attack or a defect, never a price, a count or a balance.
_TEXT_LENGTH_MAX: Final = 32
# There are few prices and a list of markets repeats them: a whole grid of tenths of a cent, written in a few ways.
_PRICE_TEXTS_MAX: Final = 4_096


def bid_or_none(price_e4: PriceE4) -> PriceE4 | None:
    """Returns a listed best bid, None where the exchange shows an empty side: by a price of zero."""
    return price_e4 if price_e4 > 0 else None


def ask_or_none(price_e4: PriceE4) -> PriceE4 | None:
    """Returns a listed best ask, None where the exchange shows an empty side: by one dollar, or by zero."""
    return price_e4 if 0 < price_e4 < ONE_DOLLAR_E4 else None


class NumberFormatError(ValueError):
    """The other side sent text that is no plain decimal, or one finer than its unit allows."""


def parse_scaled(text: str, decimals: int) -> int:
    """Returns the plain decimal `text` as an integer scaled by ten to the `decimals`; trailing zeros may exceed
    `decimals`.

    Raises NumberFormatError for anything else: exponents, blanks, signs other than one leading "-", excess precision.
    """
    digits = text.removeprefix("-")
    whole, _, fraction = digits.partition(".")
    if len(text) > _TEXT_LENGTH_MAX or not (whole + fraction).isdecimal() or not (whole + fraction).isascii():
        raise NumberFormatError(f"expected a plain decimal number, found {text!r}")
    if len(fraction) > decimals and fraction[decimals:].strip("0"):
        raise NumberFormatError(f"expected at most {decimals} decimals, found {text!r}")
    scaled = int((whole or "0") + fraction[:decimals].ljust(decimals, "0"))
    return -scaled if digits is not text else scaled


def format_scaled(value: int, decimals: int) -> str:
    """Returns `value` divided by ten to the `decimals` as text with exactly that many decimals."""
    sign = "-" if value < 0 else ""
    whole, fraction = divmod(abs(value), 10**decimals)
    return f"{sign}{whole}.{fraction:0{decimals}d}"


@lru_cache(maxsize=_PRICE_TEXTS_MAX)
def parse_price(text: str) -> PriceE4:
    """Returns dollars as text, such as "0.5200", in 1/10,000 dollar. Raises NumberFormatError."""
    return PriceE4(parse_scaled(text, 4))


def format_price(price_e4: PriceE4) -> str:
    """Returns the price as the exchange writes it: four decimals."""
    return format_scaled(price_e4, 4)


def parse_count(text: str) -> CountE2:
    """Returns contracts as text, such as "3.50", in 1/100 contract. Raises NumberFormatError."""
    return CountE2(parse_scaled(text, 2))


def format_count(count_e2: CountE2) -> str:
    """Returns the count as the exchange writes it: two decimals."""
    return format_scaled(count_e2, 2)


def parse_money(text: str) -> MoneyE6:
    """Returns dollars as text with up to six decimals in 1/1,000,000 dollar. Raises NumberFormatError."""
    return MoneyE6(parse_scaled(text, 6))


def format_money(money_e6: MoneyE6) -> str:
    """Returns money as the exchange writes fees and costs: six decimals."""
    return format_scaled(money_e6, 6)


def notional(price_e4: PriceE4, count_e2: CountE2) -> MoneyE6:
    """Returns what `count_e2` contracts cost at `price_e4`, exactly."""
    return MoneyE6(price_e4 * count_e2)


def complement(price_e4: PriceE4) -> PriceE4:
    """Returns the price of the other outcome: one dollar less `price_e4`."""
    return PriceE4(ONE_DOLLAR_E4 - price_e4)
