"""A JSON object from a request, read as the exchange's own decoder reads it: wrong types are refused, word for word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kalshi.simulator.refusals import Refused, Undecodable, invalid
from kalshi.simulator.wire_numbers import BadNumber, read_decimal

JSON_WORDS: Final = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}
_INT64: Final = 1 << 63
_GO_TYPES: Final = {str: "string", int: "int", bool: "bool", dict: "map", list: "slice"}


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
        if not isinstance(value, int):
            return None
        if not -_INT64 <= value < _INT64:
            raise self._mismatch(name, value, int)
        return value

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

    def texts(self, name: str) -> tuple[str, ...] | None:
        """Returns a list of texts, None where there is none. Raises Undecodable."""
        values = self._typed(name, list)
        if not isinstance(values, list):
            return None
        for value in values:
            if not isinstance(value, str):
                raise self._mismatch(name, value, str)
        return tuple(values)

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
            f"json: cannot unmarshal {JSON_WORDS.get(type(value), 'value')} into Go struct field "
            f"{self._type_name}.{name} of type {_GO_TYPES[wanted]}"
        )
