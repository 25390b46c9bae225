"""One REST request without the web framework: what a handler may ask of it, and how it answers.

Handlers are plain functions from a `Call` to an `Answer`. They hold no framework types, so the same code
serves a socket, an in-memory transport and a unit test.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

import attrs
import msgspec

from kalshi.simulator.accounts import Account
from kalshi.simulator.read_model import AccountView
from kalshi.simulator.refusals import QueryInvalid, Refused, TooManyRequests, Undecodable, invalid
from kalshi.simulator.services import Services
from kalshi.simulator.wire_numbers import BadNumber, read_decimal

Item = TypeVar("Item")

_JSON_WORDS: Final = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}
_GO_TYPES: Final = {str: "string", int: "int", bool: "bool", dict: "map", list: "slice"}


@attrs.frozen(kw_only=True)
class Answer:
    """Status and JSON body; None means no body at all."""

    status: int = 200
    body: object = None


class Body:
    """A JSON object from a request; its getters raise as the exchange's decoder does."""

    def __init__(self, type_name: str, fields: Mapping[str, object]) -> None:
        self._type_name = type_name
        self._fields = fields

    def names(self) -> tuple[str, ...]:
        return tuple(self._fields)

    def text(self, name: str) -> str | None:
        value = self._typed(name, str)
        return value if isinstance(value, str) else None

    def integer(self, name: str) -> int | None:
        value = self._typed(name, int)
        return value if isinstance(value, int) else None

    def flag(self, name: str) -> bool:
        return self._typed(name, bool) is True

    def objects(self, name: str) -> tuple[Mapping[str, object], ...]:
        """Returns a list of JSON objects. Raises Undecodable."""
        values = self._typed(name, list)
        if not isinstance(values, list):
            raise invalid(f"{name} is required")
        rows: list[Mapping[str, object]] = []
        for value in values:
            if not isinstance(value, dict):
                raise self._mismatch(name, value, dict)
            rows.append(value)
        return tuple(rows)

    def required_text(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise invalid(f"{name} is required")
        return value

    def decimal(self, name: str, places: int, code: str) -> int | None:
        """Returns a decimal string scaled; raises Refused with `code` for text that is no such number."""
        text = self.text(name)
        if text is None:
            return None
        try:
            return read_decimal(text, places)
        except BadNumber as bad:
            raise Refused(400, code, details=str(bad)) from bad

    def required_decimal(self, name: str, places: int, code: str) -> int:
        value = self.decimal(name, places, code)
        if value is None:
            raise invalid(f"{name} is required")
        return value

    def _typed(self, name: str, wanted: type) -> object:
        value = self._fields.get(name)
        if value is not None and type(value) is not wanted:
            raise self._mismatch(name, value, wanted)
        return value

    def _mismatch(self, name: str, value: object, wanted: type) -> Undecodable:
        return Undecodable(
            f"json: cannot unmarshal {_JSON_WORDS.get(type(value), 'value')} into Go struct field "
            f"{self._type_name}.{name} of type {_GO_TYPES[wanted]}"
        )


@attrs.frozen(kw_only=True)
class Call:
    """One request as a handler sees it."""

    services: Services
    method: str
    path_parameters: Mapping[str, str] = attrs.field(factory=dict)
    query: tuple[tuple[str, str], ...] = ()
    raw_body: bytes = b""
    signer: Account | None = None

    @property
    def account(self) -> Account:
        """The account that signed; routes that need one are only called with one."""
        if self.signer is None:
            raise Refused(401, "signature_is_missing_from_headers")
        return self.signer

    @property
    def view(self) -> AccountView:
        """The account as portfolio reads see it now."""
        return self.services.reads.view(self.account)

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
            word = _JSON_WORDS.get(type(fields), "value")
            raise Undecodable(f"json: cannot unmarshal {word} into Go value of type {type_name}")
        if known and self.services.core.settings.reject_unknown_fields:
            unknown = [name for name in fields if name not in known]
            if unknown:
                raise Undecodable(f"json: unknown field {unknown[0]}")
        return Body(type_name, fields)

    def spend_write(self, cost: int, exchange_index: int | None) -> None:
        """Takes write tokens before anything is done. Raises TooManyRequests."""
        services = self.services
        now_ms = services.core.now_ms()
        if not services.limiter.allow_write(self.account, cost, exchange_index, now_ms):
            raise self.too_many_requests()

    def too_many_requests(self) -> TooManyRequests:
        return TooManyRequests(nested=self.services.core.settings.too_many_requests_shape == "nested")

    def limit(self, operation: str, default: int, maximum: int) -> int:
        """Returns the page size; zero means the default. Raises QueryInvalid above the maximum or below zero."""
        wanted = self.integer("limit")
        if wanted is not None and wanted > maximum:
            raise QueryInvalid(operation, "Limit", "lte")
        if wanted is not None and wanted < 0:
            raise QueryInvalid(operation, "Limit", "gte")
        return wanted or default

    def page(self, items: Sequence[Item], key: Callable[[Item], str], limit: int) -> tuple[Sequence[Item], str]:
        """Returns the page after the call's cursor, and the next one ("" at the end); garbage gives page one."""
        start = 0
        last_seen = _read_cursor(self.text("cursor"))
        if last_seen is not None:
            positions = (index + 1 for index, item in enumerate(items) if key(item) == last_seen)
            start = next(positions, 0)
        chosen = items[start : start + limit]
        has_more = start + limit < len(items)
        return chosen, _write_cursor(key(chosen[-1])) if has_more else ""


def _write_cursor(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _read_cursor(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        return None
