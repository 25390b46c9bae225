"""The table of order states x faults: which fault has met an order in which state, and which pairs cannot meet.

A campaign that is long enough must have seen every pair that is possible; one that it missed is a promise that nobody
has tested. States as the desk knows them:

    sent         created, no answer yet
    unknown      created, and the answer was lost: it may rest
    resting      rests untouched
    part_filled  rests with a part filled
    amending     rests with an amend or decrease in flight
    cancelling   rests with a cancel in flight
    ended        certainly rests no more, its fills are not complete yet
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from kalshi.types import CancelOrder
from ops.campaign.faults import ALL_KINDS, STREAM_KINDS
from quant.orders.tracked import OrderState, TrackedOrder

STATES: Final = ("sent", "unknown", "resting", "part_filled", "amending", "cancelling", "ended")
# Faults of a request strike the order that the request is about, so these pairs cannot meet.
_NO_REQUEST: Final = "no request is under way about such an order"
_ONLY_POSTS: Final = "it strikes creates and amends alone"
_REQUEST_KINDS: Final = (
    "latency",
    "lost_reply",
    "late_write",
    "too_many_requests",
    "server_error",
    "html_error",
    "truncated_json",
)
Cell = tuple[str, str]


def _not_applicable() -> dict[Cell, str]:
    cells = {(kind, state): _NO_REQUEST for kind in _REQUEST_KINDS for state in ("resting", "part_filled")}
    for state in ("resting", "part_filled", "cancelling", "ended"):
        cells["fill_before_answer", state] = _ONLY_POSTS
    return cells


NOT_APPLICABLE: Final[Mapping[Cell, str]] = _not_applicable()


def state_of(order: TrackedOrder) -> str | None:
    """Returns the row of the table that the order belongs to; None for one that is over and done."""
    match order.state:
        case OrderState.SENT:
            return "sent"
        case OrderState.UNKNOWN:
            return "unknown"
        case OrderState.ENDED:
            return "ended"
        case OrderState.CLOSED:
            return None
        case OrderState.RESTING:
            if order.pending is not None:
                return "cancelling" if isinstance(order.pending, CancelOrder) else "amending"
            return "part_filled" if order.filled_known_e2 else "resting"


def possible(kinds: Iterable[str] = ALL_KINDS) -> list[Cell]:
    """Returns the pairs that can meet."""
    return [(kind, state) for kind in kinds for state in STATES if (kind, state) not in NOT_APPLICABLE]


def missing(seen: Counter[Cell], kinds: Iterable[str] = ALL_KINDS) -> list[Cell]:
    """Returns the possible pairs that were never seen."""
    return [cell for cell in possible(kinds) if not seen[cell]]


def table(seen: Counter[Cell], kinds: Iterable[str] = ALL_KINDS) -> list[str]:
    """Returns the table as lines: counts, `-` for pairs that cannot meet, `MISSING` for those that should have."""
    lines = [f"{'fault':<20}" + "".join(f"{state:>13}" for state in STATES)]
    for kind in kinds:
        cells = []
        for state in STATES:
            count = seen[kind, state]
            empty = "-" if (kind, state) in NOT_APPLICABLE else "MISSING"
            cells.append(f"{count:,}" if count else empty)
        mark = "*" if kind in STREAM_KINDS else ""
        lines.append(f"{kind + mark:<20}" + "".join(f"{cell:>13}" for cell in cells))
    return lines
