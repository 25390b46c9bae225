"""What a client may say on the socket, read and checked before anything is changed (kalshi-websocket.md §5, §7).

Rules:
1. A frame that is no JSON object, or in which a value has the wrong JSON type, is error 1, whatever else is
   wrong with it.
2. `id` is an integer from 1 on; 0 or none means that the answer carries none.
3. A command is read as a whole first, so that a bad one changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import attrs
import msgspec

from kalshi.simulator.socket_channels import CommandError

_NAMES: Final = ("subscribe", "unsubscribe", "update_subscription", "list_subscriptions")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_SHARD_FACTOR_MAX: Final = 100
_INTEGER_MAX: Final = 2**63 - 1


@attrs.frozen(kw_only=True)
class Markets:
    """The markets that a command names; None where it names none that way. At most one of the two is given."""

    tickers: tuple[str, ...] | None = None
    ids: tuple[str, ...] | None = None


@attrs.frozen(kw_only=True)
class SubscribeOptions:
    """The switches of a subscribe command; `yes_price` None means that the client left the choice to the exchange."""

    markets: Markets
    yes_price: bool | None
    skip_ack: bool
    initial_ticker: bool


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

    def options(self) -> SubscribeOptions:
        """Returns the switches of a subscribe command."""
        return SubscribeOptions(
            markets=self.markets(),
            yes_price=self.flag("use_yes_price") if "use_yes_price" in self.params else None,
            skip_ack=self.flag("skip_ticker_ack"),
            initial_ticker=self.flag("send_initial_snapshot"),
        )

    def markets(self) -> Markets:
        """Returns the markets that are named: by tickers or by ids, not by both, and not twice."""
        tickers = self._one_or_several("market_ticker")
        ids = self._one_or_several("market_id")
        if tickers is not None and ids is not None:
            raise CommandError(11)
        if ids is not None and not all(_UUID.fullmatch(one) for one in ids):
            raise CommandError(11)
        return Markets(tickers=tickers, ids=None if ids is None else tuple(one.lower() for one in ids))

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
        sids = self.params.get("sids")
        if sids is None or sids == []:
            raise CommandError(4)
        return _integers(sids)

    def action(self) -> str:
        action = self.params.get("action")
        if action is None or action == "":
            raise CommandError(15)
        if not isinstance(action, str):
            raise CommandError(1)
        return action

    def flag(self, name: str) -> bool:
        value = self.params.get(name, False)
        if not isinstance(value, bool):
            raise CommandError(1)
        return value

    def names(self, name: str, code: int) -> tuple[str, ...]:
        """Returns a list of names that must be there, such as index ids; `code` is the error without it."""
        values = self.params.get(name)
        if values is None or values == []:
            raise CommandError(code)
        return _texts(values)

    def check_communications(self) -> None:
        """Checks how a client wants its share of the communications (errors 11, 19 to 22)."""
        if self.params.get("user_filter", "") not in ("", "self"):
            raise CommandError(11)
        factor, key = self.params.get("shard_factor"), self.params.get("shard_key")
        for number in (factor, key):
            if number is not None and type(number) is not int:
                raise CommandError(1)
        if factor is None:
            if key is not None:
                raise CommandError(20)
            return
        if not isinstance(factor, int) or factor <= 0:
            raise CommandError(19)
        if factor > _SHARD_FACTOR_MAX:
            raise CommandError(22)
        if key is not None and not (isinstance(key, int) and 0 <= key < factor):
            raise CommandError(21)

    def _one_or_several(self, name: str) -> tuple[str, ...] | None:
        single, several = self.params.get(name), self.params.get(f"{name}s")
        if single is not None and several is not None:
            raise CommandError(11)
        if single is not None:
            return _texts([single])
        return (_texts(several) or None) if several is not None else None


def read_command(text: str) -> Command:
    """Returns the command in a frame. Raises CommandError for what cannot be processed."""
    try:
        message = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as bad:
        raise CommandError(1) from bad
    if not isinstance(message, dict):
        raise CommandError(1)
    number = message.get("id")
    if number is not None and (type(number) is not int or not 0 <= number <= _INTEGER_MAX):
        raise CommandError(1)
    command_id = number or None
    name, params = message.get("cmd"), message.get("params")
    if name is not None and not isinstance(name, str):
        raise CommandError(1, command_id)
    if name not in _NAMES:
        raise CommandError(5, command_id)
    if params is None:
        if name != "list_subscriptions":
            raise CommandError(2, command_id)
        params = {}
    if not isinstance(params, dict):
        raise CommandError(1, command_id)
    return Command(command_id=command_id, name=str(name), params=params)


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise CommandError(1)
    return tuple(values)


def _integers(values: object) -> tuple[int, ...]:
    if not isinstance(values, list) or not all(type(value) is int for value in values):
        raise CommandError(1)
    return tuple(values)
