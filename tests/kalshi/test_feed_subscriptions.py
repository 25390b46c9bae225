"""Commands: one subscription per channel, answers in any order, nothing sent that could be carried out wrongly."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.feed_subscriptions import (
    ACK_TIMEOUT_S,
    COMMAND_TICKERS_MAX,
    ORDERBOOK,
    RESTART_WINDOW_S,
    RETRY_AFTER_S,
    RETRY_AFTER_S_MAX,
    TICKER,
    Phase,
    Subscriptions,
)


class Desk:
    """Subscriptions with a clock and decoded commands."""

    def __init__(self) -> None:
        self.time = 0.0
        self.subscriptions = Subscriptions(lambda: self.time)

    def commands(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.subscriptions.outbox()]

    def command(self) -> dict[str, Any]:
        (command,) = self.commands()
        return command

    def active(self, name: str, *tickers: str, sid: int = 1) -> Desk:
        self.subscriptions.want(name, tickers)
        self.subscriptions.on_subscribed(self.command()["id"], name, sid)
        return self


def test_order_books_are_subscribed_without_a_leg_and_tickers_with_a_first_value() -> None:
    desk = Desk()
    desk.subscriptions.want(ORDERBOOK, ["A", "B"])
    assert desk.command() == {
        "id": 1,
        "cmd": "subscribe",
        "params": {"channels": [ORDERBOOK], "market_tickers": ["A", "B"], "use_yes_price": False},
    }
    desk.subscriptions.want(TICKER, ["A"])
    assert desk.command()["params"] == {
        "channels": [TICKER],
        "market_tickers": ["A"],
        "send_initial_snapshot": True,
    }


def test_private_channels_are_subscribed_without_markets() -> None:
    desk = Desk()
    desk.subscriptions.want("fill", [])
    assert desk.command()["params"] == {"channels": ["fill"]}
    desk.subscriptions.on_subscribed(1, "fill", 3)
    desk.subscriptions.want("fill", ["A"])
    assert desk.commands() == []


def test_markets_wanted_meanwhile_wait_for_the_sid_and_are_then_added() -> None:
    desk = Desk()
    desk.subscriptions.want(TICKER, ["A"])
    command = desk.command()
    desk.subscriptions.want(TICKER, ["B", "A"])
    assert desk.commands() == []
    desk.subscriptions.on_subscribed(command["id"], TICKER, 4)
    assert desk.command() == {
        "id": 2,
        "cmd": "update_subscription",
        "params": {
            "sids": [4],
            "market_tickers": ["B"],
            "action": "add_markets",
            "send_initial_snapshot": True,
        },
    }
    desk.subscriptions.want(TICKER, ["B"])
    assert desk.commands() == []


def test_markets_are_deleted_and_the_last_one_ends_the_subscription() -> None:
    desk = Desk().active(ORDERBOOK, "A", "B")
    desk.subscriptions.unwant(ORDERBOOK, ["A", "NEVER"])
    assert desk.command()["params"] == {"sids": [1], "market_tickers": ["A"], "action": "delete_markets"}
    desk.subscriptions.unwant(ORDERBOOK, ["B"])
    unsubscribe = desk.command()
    assert unsubscribe["cmd"] == "unsubscribe"
    assert desk.subscriptions.by_sid == {}

    desk.subscriptions.want(ORDERBOOK, ["C"])
    assert desk.commands() == [], "the new subscription waits for the end of the old one"
    assert desk.subscriptions.on_unsubscribed(unsubscribe["id"], 1) is None
    assert desk.command()["params"]["market_tickers"] == ["C"]


def test_an_unsubscribe_of_a_sid_that_is_gone_counts_as_done() -> None:
    desk = Desk().active(ORDERBOOK, "A")
    desk.subscriptions.unwant(ORDERBOOK, ["A"])
    command = desk.command()
    desk.subscriptions.want(ORDERBOOK, ["B"])
    assert desk.subscriptions.on_error(command["id"], 7) == ()
    assert desk.command()["cmd"] == "subscribe"


def test_many_markets_are_split_over_commands() -> None:
    desk = Desk()
    tickers = [f"T{number}" for number in range(2 * COMMAND_TICKERS_MAX + 10)]
    desk.subscriptions.want(ORDERBOOK, tickers)
    command = desk.command()
    assert command["params"]["market_tickers"] == tickers[:COMMAND_TICKERS_MAX]
    desk.subscriptions.on_subscribed(command["id"], ORDERBOOK, 1)
    parts = [command["params"]["market_tickers"] for command in desk.commands()]
    assert [len(part) for part in parts] == [COMMAND_TICKERS_MAX, 10]
    assert [ticker for part in parts for ticker in part] == tickers[COMMAND_TICKERS_MAX:]


def test_a_subscribe_that_was_merged_teaches_the_sid_and_counts_its_own_place() -> None:
    desk = Desk()
    desk.subscriptions.want(ORDERBOOK, ["A"])
    channel = desk.subscriptions.on_ok(desk.command()["id"], 7, 12)
    assert channel is not None
    assert (channel.sid, channel.next_seq, channel.phase) == (7, 13, Phase.ACTIVE)
    desk.subscriptions.want("ticker", ["A"])
    channel = desk.subscriptions.on_ok(desk.command()["id"], 8, None)
    assert channel is not None
    assert channel.next_seq == 1


def test_an_unknown_id_still_teaches_the_sid_of_the_channel() -> None:
    desk = Desk()
    desk.subscriptions.want(ORDERBOOK, ["A"])
    desk.commands()
    desk.subscriptions.on_subscribed(999, ORDERBOOK, 5)
    assert desk.subscriptions.by_sid[5].name == ORDERBOOK
    assert desk.subscriptions.unknown_ids == 1
    assert desk.commands() == []
    desk.subscriptions.on_subscribed(None, "trade", 6)
    assert desk.subscriptions.by_sid[6].name == "trade"
    assert desk.subscriptions.on_ok(555, 6, 1) is None
    assert desk.subscriptions.unknown_ids == 3


def test_a_second_sid_for_a_channel_replaces_the_first() -> None:
    desk = Desk().active(ORDERBOOK, "A", sid=1)
    desk.subscriptions.on_subscribed(None, ORDERBOOK, 2)
    assert set(desk.subscriptions.by_sid) == {2}


@pytest.mark.parametrize("code", [8, 9, 14])
def test_a_refused_channel_stays_closed_until_it_is_asked_for_again(code: int) -> None:
    desk = Desk()
    desk.subscriptions.want("fill", [])
    assert desk.subscriptions.on_error(desk.command()["id"], code) == ()
    assert desk.subscriptions.tick() == []
    assert desk.commands() == []
    desk.subscriptions.want("fill", [])
    assert desk.command()["cmd"] == "subscribe"


def test_refused_books_are_named_and_can_be_wanted_again() -> None:
    desk = Desk().active(ORDERBOOK, "A")
    desk.subscriptions.want(ORDERBOOK, ["B"])
    assert desk.subscriptions.on_error(desk.command()["id"], 26) == ("B",)
    desk.subscriptions.want(ORDERBOOK, ["C"])
    assert desk.command()["params"]["market_tickers"] == ["C"]
    assert desk.subscriptions.want(ORDERBOOK, ["B"]) == ["B"]
    assert desk.command()["params"]["market_tickers"] == ["B"]


def test_a_channel_of_refused_books_alone_is_not_subscribed_to_everything() -> None:
    desk = Desk()
    desk.subscriptions.want(ORDERBOOK, ["B"])
    desk.subscriptions.on_error(desk.command()["id"], 11)
    desk.subscriptions.channel(ORDERBOOK).is_refused = False
    desk.subscriptions.unwant(ORDERBOOK, [])
    assert desk.commands() == []


@pytest.mark.parametrize("code", [18, 27])
def test_a_busy_exchange_is_asked_again_later(code: int) -> None:
    desk = Desk().active(TICKER, "A")
    desk.subscriptions.want(TICKER, ["B"])
    desk.subscriptions.on_error(desk.command()["id"], code)
    desk.subscriptions.want(TICKER, ["C"])
    assert desk.commands() == []
    assert desk.subscriptions.next_deadline() == RETRY_AFTER_S
    desk.time = RETRY_AFTER_S
    assert desk.subscriptions.tick() == []
    assert desk.command()["params"]["market_tickers"] == ["B", "C"]


def test_an_exchange_that_stays_busy_is_asked_ever_more_rarely_until_it_answers() -> None:
    desk = Desk().active(TICKER, "A")
    desk.subscriptions.want(TICKER, ["B"])
    waits = []
    for _ in range(7):
        desk.subscriptions.on_error(desk.command()["id"], 27)
        at = desk.subscriptions.next_deadline()
        assert at is not None
        waits.append(at - desk.time)
        desk.time = at
        desk.subscriptions.tick()
    assert waits == [1, 2, 4, 8, 16, RETRY_AFTER_S_MAX, RETRY_AFTER_S_MAX]
    desk.subscriptions.on_ok(desk.command()["id"], 1, 9)
    desk.subscriptions.want(TICKER, ["C"])
    desk.subscriptions.on_error(desk.command()["id"], 27)
    assert desk.subscriptions.next_deadline() == desk.time + RETRY_AFTER_S


def test_past_the_limit_of_markets_the_books_are_refused_and_the_rest_is_asked_for_again() -> None:
    desk = Desk()
    desk.subscriptions.want(ORDERBOOK, ["A", "B"])
    desk.subscriptions.want(TICKER, ["A", "B"])
    books, tickers = desk.commands()
    assert desk.subscriptions.on_error(books["id"], 26) == ("A", "B")
    assert desk.subscriptions.on_error(tickers["id"], 26) == ()
    # The owner has put B on another connection: what is left is asked for.
    for name in (ORDERBOOK, TICKER):
        desk.subscriptions.unwant(name, ["A", "B"])
        desk.subscriptions.want(name, ["A"])
    assert desk.command()["params"]["channels"] == [ORDERBOOK]
    desk.time = RETRY_AFTER_S
    desk.subscriptions.tick()
    command = desk.command()
    assert (command["params"]["channels"], command["params"]["market_tickers"]) == ([TICKER], ["A"])


@pytest.mark.parametrize("code", [18, 27, 1])
def test_an_end_that_is_refused_leaves_the_subscription_in_doubt_and_takes_a_new_connection(code: int) -> None:
    desk = Desk().active(ORDERBOOK, "A")
    desk.subscriptions.restart(desk.subscriptions.channel(ORDERBOOK))
    command = desk.command()
    assert command["cmd"] == "unsubscribe"
    desk.subscriptions.on_error(command["id"], code)
    desk.time = ACK_TIMEOUT_S
    (overdue,) = desk.subscriptions.tick()
    assert overdue.needs_reconnect


def test_errors_without_a_command_change_nothing() -> None:
    desk = Desk().active(ORDERBOOK, "A")
    assert desk.subscriptions.on_error(None, 1) == ()
    assert desk.subscriptions.on_error(77, 26) == ()
    assert desk.commands() == []


def test_unanswered_commands_are_overdue_except_where_their_effect_is_watched_elsewhere() -> None:
    desk = Desk().active(ORDERBOOK, "A", "B")
    assert desk.subscriptions.request_snapshots(["A"])
    desk.subscriptions.unwant(ORDERBOOK, ["B"])
    desk.subscriptions.want(ORDERBOOK, ["C"])
    desk.time = ACK_TIMEOUT_S
    (overdue,) = desk.subscriptions.tick()
    assert (overdue.channel.name, overdue.needs_reconnect) == (ORDERBOOK, False)
    assert desk.subscriptions.next_deadline() is None


def test_snapshots_can_only_be_asked_for_on_a_subscription() -> None:
    desk = Desk()
    assert not desk.subscriptions.request_snapshots(["A"])
    assert desk.commands() == []


def test_a_restart_is_allowed_once_in_its_window() -> None:
    desk = Desk().active(ORDERBOOK, "A")
    channel = desk.subscriptions.channel(ORDERBOOK)
    assert desk.subscriptions.can_restart(channel)
    desk.subscriptions.restart(channel, is_dead=True)
    assert desk.command()["cmd"] == "subscribe"
    assert not desk.subscriptions.can_restart(channel)
    desk.time = RESTART_WINDOW_S
    assert desk.subscriptions.can_restart(channel)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("ABCDE"), st.booleans()), min_size=1, max_size=40))
def test_the_exchange_ends_up_with_exactly_what_is_wanted(moves: list[tuple[bool, str, bool]]) -> None:
    """A model of the exchange carries out every command, sometimes late; at rest both sides agree."""
    desk = Desk()
    held: dict[str, None] = {}
    sids = [0]
    waiting: list[dict[str, Any]] = []

    def serve() -> None:
        waiting.extend(desk.commands())
        while waiting:
            command = waiting.pop(0)
            params = command["params"]
            if command["cmd"] == "subscribe":
                assert sids[0] % 2 == 0, "a subscribe while a subscription is open"
                sids[0] += 1
                held.update(dict.fromkeys(params["market_tickers"]))
                desk.subscriptions.on_subscribed(command["id"], ORDERBOOK, sids[0])
            elif command["cmd"] == "unsubscribe":
                assert params["sids"] == [sids[0]]
                sids[0] += 1
                held.clear()
                desk.subscriptions.on_unsubscribed(command["id"], params["sids"][0])
            else:
                for ticker in params["market_tickers"]:
                    if params["action"] == "add_markets":
                        held[ticker] = None
                    else:
                        held.pop(ticker)
                desk.subscriptions.on_ok(command["id"], sids[0], None)
            waiting.extend(desk.commands())

    wanted: set[str] = set()
    for is_wanted, ticker, is_served in moves:
        if is_wanted:
            desk.subscriptions.want(ORDERBOOK, [ticker])
            wanted.add(ticker)
        else:
            desk.subscriptions.unwant(ORDERBOOK, [ticker])
            wanted.discard(ticker)
        if is_served:
            serve()
    serve()
    assert set(held) == wanted
    assert desk.subscriptions.next_deadline() is None
