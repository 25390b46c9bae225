"""Books laid down from a file of shapes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import attrs
import pytest

from kalshi.simulator.exchange import SimulatedExchange
from kalshi.simulator.price_grid import is_on_grid
from kalshi.simulator.seed_books import SeedBooksError, load_shapes
from kalshi.simulator.settings import SimulatorSettings
from kalshi.types import MarketStatus
from tests.kalshi.recordings import SHARED
from tests.kalshi.simulator.customer import Clock

_BOOK = {
    "ticker": "KXA",
    "yes_bids": [[0.46, 120.0], [0.45, 80.5], [0.40, 1000.0], [0.20, 5.0]],
    "no_bids": [[0.52, 90.0], [0.51, 60.0], [0.30, 700.25]],
}


def test_a_shape_is_the_distance_from_the_best_of_each_side(tmp_path: Path) -> None:
    path = tmp_path / "books.jsonl"
    path.write_text(json.dumps(_BOOK) + "\n" + json.dumps({"yes_bids": [[0.1, 1.0]], "no_bids": []}) + "\n")
    (shape,) = load_shapes(path)
    assert shape.bids == ((0, 12_000), (100, 8_050), (600, 100_000), (2_600, 500))
    assert shape.asks == ((0, 9_000), (100, 6_000), (2_200, 70_025))


@pytest.mark.parametrize(
    "content", ["", "no json\n", '{"yes_bids": 3, "no_bids": []}\n', '{"yes_bids":[],"no_bids":[]}\n']
)
def test_a_file_that_holds_no_books_is_refused_with_its_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "books.jsonl"
    path.write_text(content)
    with pytest.raises(SeedBooksError, match=r"books\.jsonl"):
        load_shapes(path)
    with pytest.raises(SeedBooksError, match="cannot be read"):
        load_shapes(tmp_path / "absent.jsonl")


def _levels(settings: SimulatorSettings) -> dict[str, int]:
    exchange = SimulatedExchange(seed=4, wall_ms=Clock(), settings=settings)
    markets = [one for one in exchange.core.markets.values() if one.status is MarketStatus.ACTIVE]
    for market in markets:
        sides = (*market.engine.bids.levels(), *market.engine.asks.levels())
        assert all(is_on_grid(market.listing.price_ranges, price_e4) for price_e4, _ in sides)
        quote = market.quote()
        assert quote.bid_e4 < quote.ask_e4
    assert exchange.truth.imbalance_e6() == 0
    return {market.ticker: len(market.engine.bids.levels()) + len(market.engine.asks.levels()) for market in markets}


def test_seeded_books_are_deeper_and_sound(tmp_path: Path) -> None:
    path = tmp_path / "books.jsonl.gz"
    path.write_bytes(gzip.compress((json.dumps(_BOOK) + "\n").encode()))
    plain = _levels(SimulatorSettings())
    seeded = _levels(attrs.evolve(SimulatorSettings(), seed_books=str(path)))
    assert sum(seeded.values()) > sum(plain.values()) + 2 * len(plain)


def test_the_recorded_books_lie_down_too() -> None:
    recorded = sorted((SHARED / "books").glob("*.jsonl.gz"))
    if not recorded:
        pytest.skip("the recorded books are not beside this repository")
    seeded = _levels(attrs.evolve(SimulatorSettings(), seed_books=str(recorded[0])))
    assert sum(seeded.values()) > 15 * len(seeded)
