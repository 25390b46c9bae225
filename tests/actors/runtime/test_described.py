"""A message in a few words: bounded whatever it holds, and without what its class does not show."""

from __future__ import annotations

import attrs

from actors.runtime.described import CHARACTERS_MAX, described


@attrs.frozen
class Level:
    price_e4: int
    count_e2: int


@attrs.frozen
class Book:
    ticker: str
    levels: tuple[Level, ...]
    key: str = attrs.field(default="canary", repr=False)
    by_price: dict[int, int] = attrs.field(factory=dict)
    reply: object = None


def test_type_and_fields_are_named() -> None:
    text = described(Book("KX-1", (Level(1, 2),), by_price={1: 2}))
    assert text == "Book(ticker='KX-1', levels=(Level(price_e4=1, count_e2=2)), by_price={1 entries}, reply=None)"


def test_a_large_collection_is_told_by_its_size_and_an_object_by_its_type() -> None:
    text = described(Book("KX-1", (Level(1, 2),) * 50_000, reply=object()))
    assert "levels=(50000 items)" in text
    assert "reply=<object>" in text


def test_nothing_is_long_and_what_a_class_hides_stays_hidden() -> None:
    deep: object = "x" * 100_000
    for _ in range(50):
        deep = (deep, Book("KX-1", (), reply=deep))
    text = described(Book("KX-1", (), reply=deep))
    assert len(text) <= CHARACTERS_MAX + 4
    assert "canary" not in text
