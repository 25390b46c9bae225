"""The statistics of the calibration on frames made by hand, and the bound on recorded runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ops.calibration import BOUND, Statistics, compare, main, measure, simulated
from tests.kalshi.recordings import BTC15M, needs_recordings

_CLOSE_MS = 1_000_000
_TICKER = "KXBTC15M-X"


def snapshot(yes: dict[str, str], no: dict[str, str]) -> dict[str, Any]:
    return {
        "type": "orderbook_snapshot",
        "msg": {
            "market_ticker": _TICKER,
            "yes_dollars_fp": list(yes.items()),
            "no_dollars_fp": list(no.items()),
        },
    }


def delta(ts_ms: int, side: str, price: str, change: str) -> dict[str, Any]:
    msg = {"market_ticker": _TICKER, "side": side, "price_dollars": price, "delta_fp": change, "ts_ms": ts_ms}
    return {"type": "orderbook_delta", "msg": msg}


def ticker(ts_ms: int, volume: str) -> dict[str, Any]:
    return {"type": "ticker", "msg": {"market_ticker": _TICKER, "ts_ms": ts_ms, "volume_fp": volume}}


def hand_made() -> list[dict[str, Any]]:
    """A spread of one cent for 20 s, of three for 20 s (with a crossing inside one ts_ms), then after the close."""
    return [
        snapshot({"0.4000": "10.00"}, {"0.5900": "10.00"}),  # 40 / 41
        ticker(900_000, "100.00"),
        delta(900_000, "yes", "0.3000", "1.00"),  # far from the touch: no new point, but the first moment
        delta(920_000, "yes", "0.4200", "5.00"),  # crosses for a moment ...
        delta(920_000, "no", "0.5900", "-10.00"),
        delta(920_000, "no", "0.5500", "7.00"),  # ... and is 42 / 45 when it is over
        ticker(930_000, "250.50"),
        delta(940_000, "yes", "0.4200", "-5.00"),  # 40 / 45
        delta(_CLOSE_MS + 5, "yes", "0.9000", "5.00"),
        ticker(_CLOSE_MS + 5, "9000.00"),
    ]


def test_spread_volume_and_volatility_of_hand_made_frames() -> None:
    (stretch,) = measure(hand_made(), {_TICKER: _CLOSE_MS})
    assert (stretch.from_left_ms, stretch.to_left_ms, stretch.first_middle_e4) == (100_000, 60_000, 4_050)
    assert (stretch.quoted_ms, stretch.spread_area) == (40_000, 20_000 * 100 + 20_000 * 300)
    assert (stretch.contracts, stretch.ticker_ms) == (150.5, 30_000)
    # Forty samples a second apart: one change of the middle, from 40.5 to 43.5 cents.
    assert (stretch.samples, stretch.variance) == (39, 300.0**2)
    pooled = Statistics.of([stretch, stretch])
    assert pooled.spread_e4 == 200
    assert pooled.volume_per_minute == 301
    assert pooled.volatility_e4 == pytest.approx((300**2 / 39) ** 0.5)


def test_too_little_says_nothing_and_one_side_is_no_spread() -> None:
    assert measure(hand_made()[:3], {_TICKER: _CLOSE_MS}) == []
    frames = [
        *hand_made()[:3],
        delta(910_000, "no", "0.5900", "-10.00"),
        delta(930_000, "no", "0.5900", "10.00"),
        delta(940_000, "yes", "0.4000", "-10.00"),
        ticker(940_000, "100.00"),
    ]
    (stretch,) = measure(frames, {_TICKER: _CLOSE_MS})
    assert stretch.quoted_ms == 10_000 + 10_000


def test_a_simulated_stretch_covers_the_same_part_of_a_life_and_repeats() -> None:
    (like,) = measure(hand_made(), {_TICKER: _CLOSE_MS})
    made = simulated(like, seed=3)
    assert made == simulated(like, seed=3) != simulated(like, seed=4)
    assert abs(made.from_left_ms - like.from_left_ms) < 5_000
    assert abs(made.to_left_ms - like.to_left_ms) < 5_000
    assert abs(made.first_middle_e4 - like.first_middle_e4) < 600


def test_a_folder_without_runs_is_a_mistake_of_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 64
    assert "no recorded runs" in capsys.readouterr().err


@pytest.mark.long
@needs_recordings
def test_the_coin_markets_are_like_the_recorded_ones() -> None:
    real, made = compare(BTC15M[0].parent, seeds=4)
    for (name, wanted), got in zip(real.rows().items(), made.rows().values(), strict=True):
        assert abs(got / wanted - 1) <= BOUND, f"{name}: {got:.1f} simulated, {wanted:.1f} recorded"
