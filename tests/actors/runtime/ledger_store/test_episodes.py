"""Open episodes and what the stop loss has seen of them come back in the next life as they were told last."""

from __future__ import annotations

from pathlib import Path

import attrs

from actors.messages.money import Record, RetireMarket
from actors.runtime.ledger_store.store import LedgerStore
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from quant.episodes import Episode
from quant.positions import Totals
from quant.stop_loss import Excursion, SeenExcursion

OPEN = Episode(opened_seq=7, began_ms=70, largest_e2=CountE2(300), adverse_e6=MoneyE6(5), favourable_e4=PriceE4(2))
SHORT = SeenExcursion(
    ticker="A", opened_seq=7, excursion=Excursion(sign=-1, best_touch_e4=4_000, worst_e6=MoneyE6(9_000_000))
)


def row(ticker: str, episode: Episode) -> Record:
    return Record(table="episodes", values=(("ticker", ticker), *attrs.asdict(episode).items()))


def test_the_newest_word_on_an_open_episode_comes_back_and_an_ended_one_does_not(tmp_path: Path) -> None:
    first = LedgerStore(tmp_path / "ledger.sqlite")
    further = attrs.evolve(OPEN, adverse_e6=MoneyE6(6), held_e2_ms=4)
    other = attrs.evolve(OPEN, opened_seq=8)
    first.record_rows((row("A", OPEN), row("B", other)))
    first.record_rows((row("A", further), row("B", attrs.evolve(other, ended_ms=90)), row("C", other)))
    first.close()
    second = LedgerStore(tmp_path / "ledger.sqlite")
    assert second.books().episodes == (("A", further), ("C", other))
    second.close()


def test_an_excursion_is_replaced_and_goes_with_its_market(tmp_path: Path) -> None:
    first = LedgerStore(tmp_path / "ledger.sqlite")
    other = SeenExcursion(ticker="B", opened_seq=3)
    first.keep_excursions((attrs.evolve(SHORT, opened_seq=1), other))
    first.keep_excursions((SHORT,))
    first.close()
    second = LedgerStore(tmp_path / "ledger.sqlite")
    assert second.excursions() == (other, SHORT)
    second.retire((RetireMarket(ticker="A", totals=Totals()),))
    assert second.excursions() == (other,)
    second.close()
