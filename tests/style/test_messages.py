"""Messages are values: frozen, named by keyword, and with a word about what they are."""

from __future__ import annotations

import enum
import importlib
import inspect
import pkgutil

import attrs
import pytest

import actors.messages

MODULES = [f"actors.messages.{module.name}" for module in pkgutil.iter_modules(actors.messages.__path__)]
CLASSES = [
    found
    for module in MODULES
    for _, found in inspect.getmembers(importlib.import_module(module), inspect.isclass)
    if found.__module__ == module and not issubclass(found, enum.Enum)
]


@pytest.mark.parametrize("message", CLASSES, ids=lambda message: message.__name__)
def test_a_message_is_frozen_and_built_by_keyword(message: type) -> None:
    assert attrs.has(message)
    assert message.__attrs_props__.is_frozen  # type: ignore[attr-defined]
    assert all(field.kw_only for field in attrs.fields(message))


@pytest.mark.parametrize("message", CLASSES, ids=lambda message: message.__name__)
def test_a_message_holds_nothing_that_can_change_under_its_reader(message: type) -> None:
    """Lists, dicts and sets in a message would be shared state between actors."""
    for field in attrs.fields(attrs.resolve_types(message)):
        assert not str(field.type).startswith(("list", "dict", "set", "bytearray", "typing.List", "typing.Dict")), field


def test_there_are_messages_to_look_at() -> None:
    assert len(CLASSES) > 20
