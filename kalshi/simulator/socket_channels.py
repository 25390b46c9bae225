"""The channels of the socket and the error codes of its commands (kalshi-websocket.md §7, §9)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import attrs

ERROR_TEXTS: Final = {
    1: "Unable to process message",
    2: "Params required",
    3: "Channels required",
    4: "Subscription IDs required",
    5: "Unknown command",
    7: "Unknown subscription ID",
    8: "Unknown channel name",
    9: "Authentication required",
    10: "Channel error",
    11: "Invalid parameter",
    12: "Exactly one subscription ID is required",
    13: "Unsupported action",
    14: "Market Ticker required",
    15: "Action required",
    18: "Command timeout",
    19: "shard_factor must be > 0",
    20: "shard_factor is required when shard_key is set",
    21: "shard_key must be >= 0 and < shard_factor",
    22: "shard_factor must be <= 100",
    24: "Index IDs required",
    25: "Subscription buffer overflow",
    26: "Subscription market limit exceeded",
    27: "Too many requests",
    28: "Underlying tickers required",
}
AUTHENTICATION_REQUIRED: Final = 9
CHANNEL_ERROR: Final = 10
COMMAND_TIMEOUT: Final = 18
BUFFER_OVERFLOW: Final = 25
MARKET_LIMIT: Final = 26
TOO_MANY_REQUESTS: Final = 27


class CommandError(Exception):
    """The client's command is refused; `code` is the exchange's number for it, `tickers` what it is about."""

    def __init__(self, code: int, command_id: int | None = None, *, tickers: Sequence[str] = ()) -> None:
        super().__init__(ERROR_TEXTS[code])
        self.code = code
        self.command_id = command_id
        self.tickers = tuple(tickers)


@attrs.frozen
class Channel:
    """One channel: whether its frames carry `seq`; what it does with tickers; whether it tells of one account only.

    `kind` "index" means a feed that is paid for: markets mean nothing there, and access is a switch.
    """

    name: str
    is_sequenced: bool
    tickers: Literal["required", "optional", "ignored"]
    is_private: bool = False
    kind: Literal["market", "index"] = "market"


BOOK: Final = "orderbook_delta"
TICKER: Final = "ticker"
LIFECYCLE: Final = "market_lifecycle_v2"
COMMUNICATIONS: Final = "communications"

CHANNELS: Final = {
    channel.name: channel
    for channel in (
        Channel(BOOK, True, "required"),
        Channel(TICKER, False, "optional"),
        Channel("trade", True, "optional"),
        Channel("fill", False, "optional", is_private=True),
        Channel("user_orders", False, "optional", is_private=True),
        Channel("market_positions", False, "optional", is_private=True),
        Channel(LIFECYCLE, True, "ignored"),
        Channel("multivariate_market_lifecycle", True, "ignored"),
        Channel("order_group_updates", True, "ignored", is_private=True),
        Channel(COMMUNICATIONS, True, "ignored"),
        Channel("cfbenchmarks_value", True, "ignored", kind="index"),
        Channel("cfbenchmarks_value_5hz", True, "ignored", kind="index"),
        Channel("pyth_value", True, "ignored", kind="index"),
    )
}
