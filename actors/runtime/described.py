"""A message in a few words, for a crash report: never long, and never long in the making."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Final

import attrs

ITEMS_SHOWN: Final = 4  # of a collection; a tape of fills or a whole book is told by its size
DEPTH_SHOWN: Final = 3
CHARACTERS_MAX: Final = 300


def described(message: object) -> str:
    """Returns type and fields of a message as one short text."""
    text = _described(message, DEPTH_SHOWN)
    return text if len(text) <= CHARACTERS_MAX else f"{text[:CHARACTERS_MAX]} ..."


def _described(value: object, depth: int) -> str:
    kind = type(value)
    if attrs.has(kind):
        if not depth:
            return f"{kind.__name__}(...)"
        fields = (
            f"{field.name}={_described(getattr(value, field.name), depth - 1)}"
            for field in attrs.fields(kind)
            if field.repr  # what an attrs class does not show of itself may be a secret
        )
        return f"{kind.__name__}({', '.join(fields)})"
    if isinstance(value, Mapping):
        return f"{{{len(value)} entries}}"
    if isinstance(value, tuple | list | Set):
        if len(value) > ITEMS_SHOWN or not depth:
            return f"({len(value)} items)"
        return f"({', '.join(_described(item, depth - 1) for item in value)})"
    if isinstance(value, str | bytes):
        return repr(value[:CHARACTERS_MAX])
    return repr(value) if isinstance(value, int | float | None) else f"<{kind.__name__}>"
