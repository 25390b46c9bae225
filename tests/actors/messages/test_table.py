"""I11, I12: the one table of channels: no waiting circle, every bound finite, every name somebody's."""

from __future__ import annotations

from actors.messages.table import CHANNELS
from actors.runtime.channels import Policy
from actors.runtime.switchboard import blocking_edges, find_cycle

ACTORS = {
    "ledger",
    "fill_reconciler",
    "portfolio_risk",
    "order_desk",
    "stop_loss",
    "feed",
    "discovery",
    "allocation",
    "market_supervisor",
    "market",
    "volatility_scanner",
}
OUTER_SCOPE = {"wire", "desk_watch", "service_watch", "snapshot", "records", "outer", "supervision"}


def test_nobody_can_wait_for_somebody_who_waits_for_him() -> None:
    assert find_cycle(blocking_edges(CHANNELS)) is None


def test_the_ledger_and_the_wire_wait_for_nobody() -> None:
    waiting = {sender for sender, _ in blocking_edges(CHANNELS)}
    assert not waiting & {"ledger", "wire", "feed"}


def test_every_channel_is_bounded_and_joins_known_parties() -> None:
    for channel in CHANNELS:
        assert 0 < channel.bound < 10_000, channel.message
        assert {*channel.senders, *channel.receivers} <= ACTORS | OUTER_SCOPE, channel.message


def test_each_message_has_one_channel() -> None:
    messages = [channel.message for channel in CHANNELS]
    assert len(messages) == len(set(messages))


def test_market_data_is_conflated_and_commands_wait() -> None:
    policies = {channel.message.__name__: channel.policy for channel in CHANNELS}
    assert policies["BookView"] is policies["TargetQuotes"] is policies["FillTape"] is Policy.LATEST
    assert policies["WireCommand"] is policies["RecordFills"] is policies["Record"] is Policy.BLOCK
    assert policies["TradeSeen"] is policies["PrivateFillSeen"] is Policy.SAMPLE
