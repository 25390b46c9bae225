"""What a client may say on the socket, and the error codes of what it may not (kalshi-websocket.md §5, §7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import attrs
import msgspec

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
    25: "Subscription buffer overflow",
}
BUFFER_OVERFLOW: Final = 25
CHANNEL_ERROR: Final = 10


@attrs.frozen
class Channel:
    """One channel: whether its frames carry `seq`, and whether tickers are required, optional or ignored."""

    name: str
    is_sequenced: bool
    tickers: Literal["required", "optional", "ignored"]


CHANNELS: Final = {
    channel.name: channel
    for channel in (
        Channel("orderbook_delta", True, "required"),
        Channel("ticker", False, "optional"),
        Channel("trade", True, "optional"),
        Channel("fill", False, "optional"),
        Channel("user_orders", False, "optional"),
        Channel("market_positions", False, "optional"),
        Channel("market_lifecycle_v2", True, "ignored"),
        Channel("order_group_updates", True, "ignored"),
    )
}


class CommandError(Exception):
    """The client's command is refused; `code` is the exchange's number for it."""

    def __init__(self, code: int, command_id: int | None = None) -> None:
        super().__init__(ERROR_TEXTS[code])
        self.code = code
        self.command_id = command_id


@attrs.frozen(kw_only=True)
class Command:
    """A command whose envelope is sound; parameters are read through the methods, which raise CommandError."""

    command_id: int | None
    name: str
    params: Mapping[str, object]

    def channels(self) -> tuple[str, ...]:
        names = self.params.get("channels")
        if names is None or names == []:
            raise CommandError(3)
        return _texts(names)

    def tickers(self) -> tuple[str, ...] | None:
        """Returns the market tickers, None where none are named."""
        single, several = self.params.get("market_ticker"), self.params.get("market_tickers")
        if "market_id" in self.params or "market_ids" in self.params or (single and several):
            raise CommandError(11)
        if single is not None:
            return _texts([single])
        tickers = _texts(several) if several is not None else ()
        return tickers or None

    def one_sid(self) -> int:
        """Returns the only subscription id, given as sid or as sids of one."""
        sid, sids = self.params.get("sid"), self.params.get("sids")
        if (sid is None) == (sids is None):
            raise CommandError(12)
        wanted = _integers(sids) if sids is not None else _integers([sid])
        if len(wanted) != 1:
            raise CommandError(12)
        return wanted[0]

    def sids(self) -> tuple[int, ...]:
        sids = _integers(self.params.get("sids") or [])
        if not sids:
            raise CommandError(4)
        return sids

    def action(self) -> str:
        action = self.params.get("action")
        if not isinstance(action, str) or not action:
            raise CommandError(15)
        return action

    def flag(self, name: str) -> bool:
        value = self.params.get(name, False)
        if not isinstance(value, bool):
            raise CommandError(1)
        return value


def read_command(text: str) -> Command:
    """Returns the command in a frame. Raises CommandError for what cannot be processed."""
    try:
        message = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as bad:
        raise CommandError(1) from bad
    if not isinstance(message, dict):
        raise CommandError(1)
    number = message.get("id")
    if number is not None and type(number) is not int:
        raise CommandError(1)
    command_id = number or None
    name, params = message.get("cmd"), message.get("params")
    if name not in ("subscribe", "unsubscribe", "update_subscription", "list_subscriptions"):
        raise CommandError(5, command_id)
    if params is None and name == "list_subscriptions":
        params = {}
    if not isinstance(params, dict):
        raise CommandError(2 if params is None else 1, command_id)
    return Command(command_id=command_id, name=str(name), params=params)


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise CommandError(1)
    return tuple(values)


def _integers(values: object) -> tuple[int, ...]:
    if not isinstance(values, list) or not all(type(value) is int for value in values):
        raise CommandError(1)
    return tuple(values)
