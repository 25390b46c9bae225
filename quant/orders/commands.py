"""What the desk asks of the Wire, and what comes back, as plain values."""

from __future__ import annotations

import enum

import attrs

from kalshi.types import (
    AmendAck,
    AmendOrder,
    CancelAck,
    CancelOrder,
    CreateAck,
    CreateOrder,
    DecreaseAck,
    DecreaseOrder,
)

OrderRequest = CreateOrder | AmendOrder | DecreaseOrder | CancelOrder
OrderAck = CreateAck | AmendAck | DecreaseAck | CancelAck


class CommandClass(enum.IntEnum):
    """Who goes first when tokens are short; also which last check applies before the first byte."""

    CANCEL = 1  # cancels and decreases: always pass
    EXIT = 2  # reduce-only exits
    RENEW = 3  # expiry-only amends
    QUOTE = 4  # creates and amends of quotes


class OutcomeKind(enum.StrEnum):
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    NEVER_SENT = "never_sent"


@attrs.frozen(kw_only=True)
class PlannedCommand:
    """One command, decided but not yet given to the Wire."""

    kind: CommandClass
    client_order_id: str
    request: OrderRequest
    valid_s: float


@attrs.frozen(kw_only=True)
class CommandOutcome:
    """What became of one order command. `server_ms` is an upper bound of the exchange's time of the answer."""

    client_order_id: str
    kind: OutcomeKind
    request: OrderRequest
    server_ms: int
    ack: OrderAck | None = None
    code: str = ""
