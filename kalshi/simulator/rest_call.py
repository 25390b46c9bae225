"""One REST request without the web framework: what a handler may ask of it, and how it answers.

Handlers are plain functions from a `Call` to an `Answer`. They hold no framework types, so the same code
serves a socket, an in-memory transport and a unit test.
"""

from __future__ import annotations

import base64
import binascii
import bisect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

import attrs
import msgspec

from kalshi.simulator.accounts import Account
from kalshi.simulator.api_keys import ApiKey, locked
from kalshi.simulator.read_model import AccountView
from kalshi.simulator.refusals import QueryInvalid, Refused, TooManyRequests, Undecodable
from kalshi.simulator.rest_body import JSON_WORDS, Body
from kalshi.simulator.services import Services

Item = TypeVar("Item")
# What pages are ordered by: a number that may repeat, and a name that may not.
Key = tuple[int, str]

DEFAULT_COST: Final = 10


@attrs.frozen(kw_only=True)
class Answer:
    """Status and JSON body; None means no body at all."""

    status: int = 200
    body: object = None


@attrs.frozen(kw_only=True)
class Call:
    """One request as a handler sees it."""

    services: Services
    method: str
    path_parameters: Mapping[str, str] = attrs.field(factory=dict)
    query: tuple[tuple[str, str], ...] = ()
    raw_body: bytes = b""
    signer: Account | None = None
    key: ApiKey | None = None

    @property
    def account(self) -> Account:
        """The account that signed; routes that need one are only called with one."""
        if self.signer is None:
            raise Refused(401, "signature_is_missing_from_headers")
        return self.signer

    def subaccount(self, number: int | None) -> Account:
        """Returns the account to act on: the named one, else the key's own, else the primary. Raises Refused."""
        own = self.key.subaccount if self.key is not None else None
        if own is not None and number not in (None, own):
            raise locked()
        return self.services.treasury.account(self.account, own or number or 0)

    def subaccounts(self) -> list[Account]:
        """Returns the accounts that a read covers: the one named in the query, else all that the key may see."""
        number = self.integer("subaccount")
        own = self.key.subaccount if self.key is not None else None
        if number is not None or own is not None:
            return [self.subaccount(number)]
        return list(self.services.treasury.subaccounts(self.account).values())

    def view(self, account: Account) -> AccountView:
        """Returns the account as portfolio reads see it now."""
        return self.services.reads.view(account)

    def text(self, name: str) -> str | None:
        """Returns a query parameter, the last one of that name; None where absent or empty."""
        return next((value for key, value in reversed(self.query) if key == name and value), None)

    def texts(self, name: str) -> tuple[str, ...]:
        """Returns a repeated or comma-separated query parameter as a tuple."""
        joined = ",".join(value for key, value in self.query if key == name)
        return tuple(part.strip() for part in joined.split(",") if part.strip())

    def flag(self, name: str) -> bool:
        return (self.text(name) or "").lower() in ("true", "1")

    def integer(self, name: str) -> int | None:
        """Returns a whole query number. Raises Refused for other text."""
        text = self.text(name)
        if text is None:
            return None
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 15):
            raise Refused(400, "bad_request", details=f"invalid {name}")
        return int(text)

    def body(self, type_name: str, known: Sequence[str] = ()) -> Body:
        """Returns the body as a JSON object. Raises Undecodable, also for unknown fields if they are refused."""
        if not self.raw_body.strip():
            return Body(type_name, {})
        try:
            fields = msgspec.json.decode(self.raw_body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as bad:
            raise Undecodable(f"json: {bad}") from bad
        return self.body_of(type_name, fields, known)

    def body_of(self, type_name: str, fields: object, known: Sequence[str] = ()) -> Body:
        """Returns an already decoded object as a Body, with the same checks."""
        if not isinstance(fields, dict):
            word = JSON_WORDS.get(type(fields), "value")
            raise Undecodable(f"json: cannot unmarshal {word} into Go value of type {type_name}")
        if known and self.services.core.settings.reject_unknown_fields:
            unknown = [name for name in fields if name not in known]
            if unknown:
                raise Undecodable(f"json: unknown field {unknown[0]}")
        return Body(type_name, fields)

    def spend_write(self, cost: int, exchange_index: int | None) -> None:
        """Takes write tokens before anything is done. Raises TooManyRequests."""
        services = self.services
        if not services.limiter.allow_write(self.account, cost, exchange_index):
            raise self.too_many_requests()

    def too_many_requests(self) -> TooManyRequests:
        return TooManyRequests(nested=self.services.core.settings.too_many_requests_shape == "nested")

    def limit(self, operation: str, default: int, maximum: int, tags: tuple[str, str] = ("min", "max")) -> int:
        """Returns the page size; zero means the default. Raises QueryInvalid outside of what the operation allows."""
        wanted = self.integer("limit")
        too_low, too_high = tags
        if wanted is not None and wanted > maximum:
            raise QueryInvalid(operation, "Limit", too_high)
        if wanted is not None and wanted < 0:
            raise QueryInvalid(operation, "Limit", too_low)
        return wanted or default

    def cursor(self) -> Key | None:
        """Returns the place that the call's cursor names; None for none and for garbage."""
        wanted = _read_cursor(self.text("cursor"))
        return None if wanted is None else wanted[0]

    def page(self, items: Iterable[Item], key: Callable[[Item], Key], limit: int) -> tuple[Sequence[Item], str]:
        """Returns the page after the call's cursor in the order of `key`, and the next cursor ("" at the end).

        The cursor names a place in the order, not an item, so that an item that goes between two pages neither hides
        others nor starts the walk again. Garbage gives page one (recorded).
        """
        ordered = sorted(items, key=key)
        wanted = _read_cursor(self.text("cursor"))
        start = 0
        if wanted is not None:
            place, is_owed = wanted
            if is_owed:
                return (), _write_cursor(place, is_owed=False)
            start = bisect.bisect_right(ordered, place, key=key)
        chosen = ordered[start : start + limit]
        if start + limit >= len(ordered):
            return chosen, ""
        return chosen, _write_cursor(key(chosen[-1]), is_owed=self.services.core.settings.paging == "loose")


def _write_cursor(place: Key, *, is_owed: bool) -> str:
    """Returns a cursor; `is_owed` puts an empty page before the next one."""
    return base64.urlsafe_b64encode(msgspec.json.encode((*place, is_owed))).decode().rstrip("=")


def _read_cursor(cursor: str | None) -> tuple[Key, bool] | None:
    if cursor is None:
        return None
    try:
        number, name, is_owed = msgspec.json.decode(
            base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=tuple[int, str, bool]
        )
    except (binascii.Error, ValueError):
        return None
    return (number, name), is_owed
