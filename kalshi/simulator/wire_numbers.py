"""Numbers as the exchange reads and writes them: its own parsing, apart from the client's on purpose.

Rules:
1. Money, prices and counts are integers inside: price in 1/10,000 dollar, count in 1/100 contract, money in
   1/1,000,000 dollar.
2. Requests carry decimal strings; a JSON number where a string is due is refused (recorded June 2026).
3. Prices leave with four decimals, counts with two, fees and costs with six.

Source: Kalshi fixed-point migration page of 2026-08-20, recorded demo answers of 2026-06-11.
"""

from __future__ import annotations

import re
from typing import Final

DOLLAR_E4: Final = 10_000
DOLLAR_E6: Final = 1_000_000

_DECIMAL: Final = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{0,12}))?", re.ASCII)


class BadNumber(ValueError):
    """A request carried text that is no decimal of the wanted fineness; the sender's fault."""


def read_decimal(text: str, places: int) -> int:
    """Returns the decimal `text` times ten to the `places`. Raises BadNumber for other text or more decimals."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise BadNumber(f"not a decimal number: {text[:40]!r}")
    sign, whole, fraction = match.group(1), match.group(2), match.group(3) or ""
    if len(fraction) > places:
        # Zeros too: the exchange counts decimals, it does not weigh them.
        raise BadNumber(f"more than {places} decimals: {text[:40]!r}")
    magnitude = int(whole) * int(10**places) + int(fraction.ljust(places, "0") or "0")
    return -magnitude if sign else magnitude


def _write(value: int, places: int) -> str:
    text = str(abs(value)).zfill(places + 1)
    return f"{'-' if value < 0 else ''}{text[:-places]}.{text[-places:]}"


def price_text(price_e4: int) -> str:
    """Returns a price as "0.5200"."""
    return _write(price_e4, 4)


def count_text(count_e2: int) -> str:
    """Returns a count as "3.50"."""
    return _write(count_e2, 2)


def money_text(money_e6: int) -> str:
    """Returns money as "0.017500"."""
    return _write(money_e6, 6)


def cash_text(money_e6: int) -> str:
    """Returns a cash balance as "98.0186"; balances are kept in whole 1/10,000 dollar."""
    return _write(money_e6 // 100, 4)
