"""The strike fields of a listed market: which figure it asks for, and at which values of it the market settles yes.

1. A strike is known where the type is one of StrikeKind and its bounds are finite numbers. Anything else (another type,
   a word for a number, a bound that is missing or lies on the wrong side) is no strike and never an error: the market
   is listed all the same, and settles as it likes.
2. The bounds are JSON numbers by the schema; decimal text means the same. More digits than a float tells apart are
   refused, so that two strikes never become one.
3. One event may ask for several figures. In recorded answers of June 2026 the event of a game lists the hits of each of
   its players, all of them of type `greater` and told apart by nothing but the ticker. A ladder's tickers end in the
   strike (`-T91.89`, `-B4050`, `-2`), so what stands before it names the figure. A ticker that ends in anything else
   (`-KC3`: a team and its margin) may be about a figure of its own, and has no strike here.
4. So has a market with a custom or functional strike: that names what the figure alone does not say.

Source: Kalshi OpenAPI 3.34.0 of October 2026 (`Market`); recorded answers of June 2026.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from kalshi.types import Strike, StrikeKind

ABSENT: Final = msgspec.Raw(b"null")

# By their JSON text: the type, and whether floor and cap are bounds of it.
_KINDS: Final = {
    b'"greater"': (StrikeKind.GREATER, True, False),
    b'"greater_or_equal"': (StrikeKind.GREATER_OR_EQUAL, True, False),
    b'"less"': (StrikeKind.LESS, False, True),
    b'"less_or_equal"': (StrikeKind.LESS_OR_EQUAL, False, True),
    b'"between"': (StrikeKind.BETWEEN, True, True),
}
_NOTHING: Final = (b"null", b"{}", b'""')
_NUMBER: Final = re.compile(rb'"?(-?([0-9]{1,20})(?:\.([0-9]{1,20}))?(?:[eE][+-]?[0-9]{1,2})?)"?')
_DIGITS_MAX: Final = 15  # which any float keeps
_STRIKE_IN_TICKER: Final = re.compile(r"[TB]?[0-9]+(?:\.[0-9]+)?")


class StrikeFields(msgspec.Struct, gc=False, kw_only=True):
    """The fields as they came, of any JSON type: what they mean must not decide on whether a market is heard of."""

    strike_type: msgspec.Raw = ABSENT
    floor_strike: msgspec.Raw = ABSENT
    cap_strike: msgspec.Raw = ABSENT
    functional_strike: msgspec.Raw = ABSENT
    custom_strike: msgspec.Raw = ABSENT


def strike_of(fields: StrikeFields, ticker: str, event_ticker: str) -> Strike | None:
    """Returns the strike of a binary market; None where none is known (rules 1 to 4)."""
    known = _KINDS.get(bytes(fields.strike_type))
    if known is None or not (_is_nothing(fields.functional_strike) and _is_nothing(fields.custom_strike)):
        return None
    kind, has_floor, has_cap = known
    floor, cap = _number(fields.floor_strike) if has_floor else None, _number(fields.cap_strike) if has_cap else None
    if (floor is not None, cap is not None) != (has_floor, has_cap):
        return None
    if floor is not None and cap is not None and floor > cap:
        return None
    figure, _, last = ticker.rpartition("-")
    is_of_event = figure == event_ticker or figure.startswith(f"{event_ticker}-")
    if not is_of_event or _STRIKE_IN_TICKER.fullmatch(last) is None:
        return None
    return Strike(figure=figure, kind=kind, floor=floor, cap=cap)


def _is_nothing(raw: msgspec.Raw) -> bool:
    return raw is ABSENT or bytes(raw) in _NOTHING


def _number(raw: msgspec.Raw) -> float | None:
    found = _NUMBER.fullmatch(bytes(raw))
    if found is None:
        return None
    text, whole, fraction = found.groups()
    digits = (whole + (fraction or b"")).strip(b"0")
    return float(text) if len(digits) <= _DIGITS_MAX else None
