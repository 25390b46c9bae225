"""I3: a refill stake's beginning, state and commitment outlive restarts, and an event's caps hold between stakes."""

from __future__ import annotations

from pathlib import Path

import attrs

from actors.messages.refill import OpenStake, StoreStake
from actors.messages.table import CHANNELS
from actors.runtime.ledger_store.store import LedgerStore
from actors.runtime.mailbox import ReplySlot
from actors.runtime.switchboard import Switchboard
from kalshi.numbers import CountE2, MoneyE6
from kalshi.types import Side
from tests.quant.builders import fill


def slot() -> ReplySlot:
    return Switchboard(CHANNELS, lambda: 0.0).mailbox("market:M").reply_slot()


def opening(ticker: str = "M", program: str = "p") -> OpenStake:
    return OpenStake(program=program, ticker=ticker, reply=slot())


def storing(count_e2: int, ticker: str = "M", program: str = "p", state: str = "s") -> StoreStake:
    return StoreStake(
        program=program,
        ticker=ticker,
        state=state,
        committed_e2=CountE2(count_e2),
        committed_e6=MoneyE6(count_e2 * 10),
        max_e2=CountE2(1_000),
        max_e6=None,
        reply=slot(),
    )


def test_a_stake_begins_after_the_fills_that_were_there_and_keeps_its_beginning(tmp_path: Path) -> None:
    store = LedgerStore(tmp_path / "ledger.sqlite")
    store.record_fills(((fill(Side.BID, 4_000, 300, fill_id="1"), "rest"),))
    new = store.open_stake(opening())
    assert (new.state, new.opened_seq, new.fills, new.bought_e2, new.last_seq) == ("", 1, (), 300, 1)
    more = (
        (fill(Side.BID, 4_000, 200, fill_id="2"), "rest"),
        (fill(Side.ASK, 6_000, 50, fill_id="3"), "rest"),
        (fill(Side.BID, 4_000, 999, fill_id="4", ticker="N"), "rest"),
    )
    store.record_fills(more)
    store.close()
    again = LedgerStore(tmp_path / "ledger.sqlite").open_stake(opening())
    assert [numbered.fill_seq for numbered in again.fills] == [2, 3]
    assert (again.opened_seq, again.bought_e2, again.sold_e2, again.last_seq) == (1, 500, 50, 4)


def test_a_stored_state_comes_back_after_a_restart(tmp_path: Path) -> None:
    store = LedgerStore(tmp_path / "ledger.sqlite")
    store.open_stake(opening())
    assert store.store_stake(storing(700, state="round 1")).is_stored
    store.close()
    back = LedgerStore(tmp_path / "ledger.sqlite").open_stake(opening())
    assert (back.state, back.committed_e2, back.committed_e6) == ("round 1", 700, 7_000)


def test_two_stakes_of_a_program_never_pass_its_caps_together(tmp_path: Path) -> None:
    store = LedgerStore(tmp_path / "ledger.sqlite")
    for ticker, program in (("M", "p"), ("N", "p"), ("M", "other")):
        store.open_stake(opening(ticker, program))
    assert store.store_stake(storing(600)).is_stored
    assert store.store_stake(storing(1_000, program="other")).is_stored, "another program has caps of its own"
    refused = store.store_stake(storing(401, "N"))
    assert (refused.is_stored, refused.others_e2, refused.others_e6) == (False, 600, 6_000)
    assert store.store_stake(storing(400, "N")).is_stored
    assert not store.store_stake(storing(601)).is_stored
    assert store.store_stake(storing(600, state="stopped")).is_stored, "the same commitment may always be kept"
    unbounded = attrs.evolve(storing(5_000), max_e2=None)
    assert store.store_stake(unbounded).is_stored, "what is filled already is told, whatever the cap"
    dear = attrs.evolve(storing(5_001), max_e2=None, max_e6=MoneyE6(54_009))
    assert not store.store_stake(dear).is_stored
    assert store.store_stake(attrs.evolve(dear, max_e6=MoneyE6(54_010))).is_stored


def test_a_stake_that_was_never_opened_is_not_stored(tmp_path: Path) -> None:
    assert not LedgerStore(tmp_path / "ledger.sqlite").store_stake(storing(1)).is_stored


def test_stakes_ask_the_ledger_without_a_cycle_of_waiting() -> None:
    ways = {spec.message: (spec.senders, spec.receivers) for spec in CHANNELS}
    assert ways[OpenStake] == ways[StoreStake] == (("market",), ("ledger",))
