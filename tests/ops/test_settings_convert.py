"""Plain values become settings classes: types, units, and every mistake at once."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.numbers import CountE2, MoneyE6, PriceE4
from ops.settings_convert import (
    Problem,
    SettingsError,
    SettingsReader,
    key_without_unit,
    plain,
    shown_value,
    yaml_key,
)


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


@attrs.frozen(kw_only=True)
class Window:
    first: int = attrs.field(default=1, validator=attrs.validators.ge(0))
    second_s: float = 2.0


@attrs.frozen(kw_only=True)
class Named:
    name: str


@attrs.frozen(kw_only=True)
class Everything:
    number: float = 1.5
    count: int = 3
    is_on: bool = False
    word: str = "x"
    colour: Colour = Colour.RED
    choice: Literal["a", "b"] = "a"
    cap_e6: MoneyE6 = attrs.field(default=MoneyE6(0))
    loss_e4_per_contract: int | None = 1_500
    size_e2: int = attrs.field(default=100, validator=attrs.validators.ge(50))
    caps_e6: Mapping[str, int] = attrs.field(factory=dict)
    pairs_e4: tuple[tuple[str, PriceE4], ...] = ()
    ranges_e2: tuple[CountE2, CountE2] = (CountE2(100), CountE2(200))
    tags: frozenset[str] = frozenset()
    names: tuple[Named, ...] = ()
    by_name: Mapping[str, Window] = attrs.field(factory=dict)
    window: Window = attrs.field(default=Window(first=7, second_s=9.0))
    optional: str | None = None


def read(values: object) -> tuple[Everything, list[Problem]]:
    reader = SettingsReader()
    return reader.read(values, Everything), reader.problems


def refused(values: object) -> list[tuple[str, str]]:
    """The keys and rules of what is wrong with `values`."""
    return [(problem.key, problem.rule) for problem in read(values)[1]]


def test_units_in_names_become_words_for_people() -> None:
    assert yaml_key("per_market_cap_e6") == "per_market_cap_dollars"
    assert yaml_key("stop_loss_e4_per_contract") == "stop_loss_cents_per_contract"
    assert yaml_key("order_min_e2") == "order_min_contracts"
    assert yaml_key("interval_s") == "interval_s"
    assert key_without_unit("stop_loss_e4_per_contract") == "stop_loss_per_contract"


def test_every_kind_of_value_is_read() -> None:
    values = {
        "number": 2,
        "count": 4,
        "is_on": True,
        "word": "y",
        "colour": "blue",
        "choice": "b",
        "cap_dollars": 12.5,
        "loss_cents_per_contract": 0.25,
        "size_contracts": 1.5,
        "caps_dollars": {"crypto": 8},
        "pairs_cents": {"one": 1, "two": 2.5},
        "ranges_contracts": [1, 2.25],
        "tags": ["b", "a"],
        "names": [{"name": "n"}],
        "by_name": {"w": {"first": 0}},
        "window": {"second_s": 3},
        "optional": "z",
    }
    found, problems = read(values)
    assert problems == []
    assert found == Everything(
        number=2.0,
        count=4,
        is_on=True,
        word="y",
        colour=Colour.BLUE,
        choice="b",
        cap_e6=MoneyE6(12_500_000),
        loss_e4_per_contract=25,
        size_e2=150,
        caps_e6={"crypto": 8_000_000},
        pairs_e4=(("one", PriceE4(100)), ("two", PriceE4(250))),
        ranges_e2=(CountE2(100), CountE2(225)),
        tags=frozenset({"a", "b"}),
        names=(Named(name="n"),),
        by_name={"w": Window(first=0)},
        window=Window(first=7, second_s=3.0),
        optional="z",
    )
    assert read(plain(found)) == (found, [])


def test_keys_that_are_not_given_keep_the_default_of_their_place() -> None:
    """The section's default instance, not its class's own defaults, fills a partly written section."""
    assert read({"window": {}})[0].window == Window(first=7, second_s=9.0)
    assert read({"window": None, "caps_dollars": None})[0] == Everything()
    assert read(None)[0] == Everything()


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"number": "1e3"}, "must be a number"),
        ({"number": True}, "must be a number"),
        ({"number": float("nan")}, "must be a number"),
        ({"count": 3.0}, "must be a whole number"),
        ({"count": True}, "must be a whole number"),
        ({"is_on": "yes"}, "must be true or false"),
        ({"is_on": 1}, "must be true or false"),
        ({"word": 5}, "must be text"),
        ({"colour": "green"}, "must be one of red, blue"),
        ({"colour": 1}, "must be one of red, blue"),
        ({"choice": "c"}, "must be one of a, b"),
        ({"cap_dollars": 0.0000001}, "at most 6 decimals"),
        ({"cap_dollars": "5"}, "a number of dollars"),
        ({"cap_dollars": float("inf")}, "a number of dollars"),
        ({"loss_cents_per_contract": 0.001}, "at most 2 decimals"),
        ({"size_contracts": 0.25}, "must be >= 0.5"),
        ({"tags": "a"}, "must be a list"),
        ({"pairs_cents": 3}, "must be a mapping"),
        ({"ranges_contracts": [1]}, "a list of 2 values"),
        ({"by_name": [1]}, "must be a mapping"),
        ({"window": 3}, "must be a section"),
        ({"optional": 3}, "must be text"),
        ({"cap_e6": 3}, "is no known key here; known are number,"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key_and_rule(values: dict[str, object], rule: str) -> None:
    ((key, said),) = refused(values)
    assert key == next(iter(values))
    assert rule in said


def test_all_mistakes_are_named_at_once_with_their_full_keys() -> None:
    values = {
        "count": "a",
        "nonsense": 1,
        "window": {"first": -1, "other": 2},
        "names": [{"name": "ok"}, {"name": 3}, {}],
        "by_name": {"w": {"second_s": "x"}},
        "caps_dollars": {"crypto": "much"},
        "pairs_cents": {"one": "x"},
        "tags": [1],
    }
    assert [key for key, _ in refused(values)] == [
        "count",
        "nonsense",
        "window.other",
        "window.first",
        "names[1].name",
        "names[2].name",
        "by_name.w.second_s",
        "caps_dollars.crypto",
        "pairs_cents.one",
        "tags[0]",
    ]


def test_what_is_no_mapping_at_all_is_one_problem() -> None:
    assert refused([1, 2]) == [("(the whole file)", "must be a section with keys of its own")]


def test_a_value_that_could_be_a_secret_is_never_repeated() -> None:
    assert shown_value("exchange.private_key", "abc") == "(hidden)"
    assert shown_value("word", "-----BEGIN RSA PRIVATE KEY-----") == "(hidden)"
    assert "abc" not in str(SettingsError(tuple(read({"access_key": "abc"})[1])))


def test_a_long_value_is_shortened_to_a_line() -> None:
    assert len(shown_value("word", "x" * 500 + "\n")) == 60
    assert shown_value("word", None) == "(nothing)"


def test_the_error_counts_and_lists_its_problems() -> None:
    one = SettingsError((Problem(key="a.b", value="3", rule="must be less than 2"),))
    assert "one problem" in str(one)
    assert "a.b: 3 — must be less than 2" in str(one)


@given(st.integers(-(10**12), 10**12))
def test_amounts_survive_the_way_through_people_s_units_exactly(amount: int) -> None:
    found = Everything(cap_e6=MoneyE6(amount), loss_e4_per_contract=amount, size_e2=abs(amount) + 50)
    assert read(plain(found)) == (found, [])


@given(st.decimals(-(10**6), 10**6, places=2))
def test_cents_as_written_become_the_same_integer_as_by_hand(cents: Decimal) -> None:
    found, problems = read({"loss_cents_per_contract": float(cents)})
    assert problems == []
    assert found.loss_e4_per_contract == int(cents * 100)
