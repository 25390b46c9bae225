"""The channel table: what it refuses, and how a cycle of waiting senders is found (I12)."""

from __future__ import annotations

from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given

from actors.runtime.channels import (
    ChannelSpec,
    Policy,
    WiringError,
    blocking_edges,
    find_cycle,
    kind_of,
    specs_by_message,
)


class Command:
    pass


class View:
    pass


class Answer:
    pass


def test_the_kind_of_an_actor_is_its_name_up_to_the_first_colon() -> None:
    assert kind_of("market:KXBTC-26:A") == "market"
    assert kind_of("ledger") == "ledger"


def test_the_key_of_a_message_is_the_rows_function_of_it_or_empty() -> None:
    assert ChannelSpec(View, Policy.LATEST, 1, ("a",), ("b",)).key_of(View()) == ""
    assert ChannelSpec(View, Policy.LATEST, 1, ("a",), ("b",), lambda _: "K").key_of(View()) == "K"


def test_only_block_channels_are_edges_one_per_sender_and_receiver() -> None:
    table = (
        ChannelSpec(Command, Policy.BLOCK, 8, ("a", "b"), ("c", "d")),
        ChannelSpec(View, Policy.LATEST, 8, ("c",), ("a",)),
        ChannelSpec(Answer, Policy.SAMPLE, 8, ("d",), ("a",)),
    )
    assert blocking_edges(table) == {("a", "c"), ("a", "d"), ("b", "c"), ("b", "d")}
    assert set(specs_by_message(table)) == {Command, View, Answer}


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (ChannelSpec(View, Policy.LATEST, 0, ("a",), ("b",)), "at least 1"),
        (ChannelSpec(View, Policy.LATEST, 1, (), ("b",)), "at least one sender"),
        (ChannelSpec(View, Policy.LATEST, 1, ("a",), ()), "one receiver"),
        (ChannelSpec(View, Policy.SAMPLE, 1, ("a",), ("b",), quiet_to=("b",)), "quiet only as a LATEST value"),
        (ChannelSpec(View, Policy.LATEST, 1, ("a",), ("b",), quiet_to=("c",)), "receivers of its own"),
        (ChannelSpec(Command, Policy.LATEST, 1, ("a",), ("b",)), "declared twice"),
        (ChannelSpec(View, Policy.BLOCK, 1, ("b",), ("a",)), "I12.*a -> b -> a"),
    ],
)
def test_a_wrong_row_is_refused_with_its_rule(row: ChannelSpec, complaint: str) -> None:
    with pytest.raises(WiringError, match=complaint):
        specs_by_message((ChannelSpec(Command, Policy.BLOCK, 1, ("a",), ("b",)), row))


def test_an_actor_that_waits_for_itself_is_a_cycle() -> None:
    assert find_cycle({("a", "a")}) == ("a", "a")


def test_a_diamond_is_no_cycle() -> None:
    assert find_cycle({("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")}) is None


def test_a_cycle_behind_a_long_way_in_is_found_without_the_way() -> None:
    assert find_cycle({("a", "b"), ("b", "c"), ("c", "d"), ("d", "b")}) == ("b", "c", "d", "b")


nodes = st.sampled_from("abcdef")


@given(st.sets(st.tuples(nodes, nodes), max_size=15))
def test_a_cycle_is_found_exactly_when_repeatedly_removing_sinks_leaves_something(
    edges: set[tuple[str, str]],
) -> None:
    rest = set(edges)
    while removable := {edge for edge in rest if edge[1] not in {sender for sender, _ in rest}}:
        rest -= removable
    cycle = find_cycle(edges)
    assert (cycle is not None) == bool(rest)
    if cycle is not None:
        assert cycle[0] == cycle[-1]
        assert set(pairwise(cycle)) <= edges
