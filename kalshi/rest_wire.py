"""What the parsers of REST answers share; the parsers are in the `rest_*_answers` modules.

Every parser takes the body of a successful answer and returns values, or raises one of PARSE_ERRORS. Unknown keys are
ignored; keys that came or went during 2026 are optional, so that older recordings parse as well.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from kalshi.numbers import NumberFormatError
from kalshi.wire import WireError

# What a parser may raise. Number, time and direction errors are all ValueErrors.
PARSE_ERRORS: Final = (msgspec.MsgspecError, ValueError, RecursionError)

_MULTIPLIER_SCALE: Final = 10_000

T = TypeVar("T")


def decode(body: bytes, shape: type[T]) -> T:
    """Returns the body in the given shape. Raises one of PARSE_ERRORS."""
    return msgspec.json.decode(body, type=shape)


def given(value: T | None, name: str) -> T:
    """Returns a value that must not be missing. Raises WireError."""
    if value is None:
        raise WireError(f"the answer lacks {name}")
    return value


def fee_multiplier_e4(value: Decimal) -> int:
    """Returns a fee multiplier in 1/10,000. Raises NumberFormatError for a finer, negative or infinite one."""
    scaled = value * _MULTIPLIER_SCALE
    if not scaled.is_finite() or scaled != int(scaled) or scaled < 0:
        raise NumberFormatError(f"expected a fee multiplier with at most four decimals, found {value}")
    return int(scaled)
