"""The past of a market: trades and candles from before the simulator started, and the candles that live trades make.

The past is invented from the seed when it is first asked for, walking backwards from the price at boot, so
that it costs nothing at start-up and does not depend on what else happened.

The live part is bounded by age and number, and candles lie packed in arrays: three hundred markets remember a day of
minutes in nine megabytes.
"""

from __future__ import annotations

import random
from array import array
from collections import deque
from collections.abc import Iterator
from typing import Final

import attrs

from kalshi.simulator.listings import MarketListing
from kalshi.simulator.orders import Trade
from kalshi.simulator.price_grid import floor_to_grid
from kalshi.types import Side

TAPE_TRADES_MAX: Final = 2_000  # public trades kept per market: half an hour of a busy one
# Older trades are let go, but for the last hundred, which a quiet market may need days for.
TAPE_KEPT_MS: Final = 3_600_000
TAPE_TRADES_MIN: Final = 100
PAST_TRADES: Final = 60
_MINUTE_MS: Final = 60_000
# A day of minutes and a month of hours: what a scanner asks for, at a few hundred kilobytes per market that is asked.
_PAST_MINUTES: Final = 24 * 60
_PAST_HOURS: Final = 30 * 24
_LIVE_MINUTES_MAX: Final = 24 * 60
_PRICES: Final = 4  # of a candle: open, high, low, close


@attrs.define(kw_only=True)
class Candle:
    """Open, high, low, close of one period, in 1/10,000 dollar; volume in 1/100 contract."""

    end_s: int
    open_e4: int
    high_e4: int
    low_e4: int
    close_e4: int
    volume_e2: int

    def merge(self, later: Candle) -> None:
        """Takes a later candle of the same period in."""
        self.high_e4 = max(self.high_e4, later.high_e4)
        self.low_e4 = min(self.low_e4, later.low_e4)
        self.close_e4 = later.close_e4
        self.volume_e2 += later.volume_e2


class MarketHistory:
    """Tape and candles of one market."""

    def __init__(self, listing: MarketListing, seed: int, boot_ms: int) -> None:
        self._listing = listing
        self._seed = seed
        self._boot_ms = boot_ms
        # One entry of each a minute in which trades happened, four prices: no price exceeds 10,000.
        self._live_minutes = array("I")
        self._live_prices_e4 = array("H")
        self._live_volumes_e2 = array("Q")
        self._past: dict[int, tuple[Candle, ...]] = {}
        self.tape: deque[Trade] = deque(self._past_trades(), maxlen=TAPE_TRADES_MAX)

    def record(self, trade: Trade) -> None:
        """Adds a live trade to tape and candles."""
        tape = self.tape
        tape.append(trade)
        while len(tape) > TAPE_TRADES_MIN and tape[0].ts_ms < trade.ts_ms - TAPE_KEPT_MS:
            tape.popleft()
        minute, price_e4 = trade.ts_ms // _MINUTE_MS, trade.price_e4
        minutes, prices_e4, volumes_e2 = self._live_minutes, self._live_prices_e4, self._live_volumes_e2
        if not minutes or minutes[-1] != minute:
            minutes.append(minute)
            prices_e4.extend((price_e4,) * _PRICES)
            volumes_e2.append(trade.count_e2)
            if len(minutes) > _LIVE_MINUTES_MAX:
                del minutes[0], prices_e4[:_PRICES], volumes_e2[0]
            return
        if price_e4 > prices_e4[-3]:
            prices_e4[-3] = price_e4
        elif price_e4 < prices_e4[-2]:
            prices_e4[-2] = price_e4
        prices_e4[-1] = price_e4
        volumes_e2[-1] += trade.count_e2

    def _live_candles(self) -> Iterator[Candle]:
        prices_e4 = self._live_prices_e4
        for number, (minute, volume_e2) in enumerate(zip(self._live_minutes, self._live_volumes_e2, strict=True)):
            open_e4, high_e4, low_e4, close_e4 = prices_e4[number * _PRICES : (number + 1) * _PRICES]
            end_s = (minute + 1) * 60
            yield Candle(
                end_s=end_s, open_e4=open_e4, high_e4=high_e4, low_e4=low_e4, close_e4=close_e4, volume_e2=volume_e2
            )

    def candles(self, start_s: int, end_s: int, period_minutes: int) -> list[Candle]:
        """Returns the candles of that period that end inside [start, end], oldest first."""
        grain_minutes = 1 if period_minutes == 1 else 60
        if grain_minutes not in self._past:
            self._past[grain_minutes] = tuple(self._past_candles(grain_minutes))
        period_s = period_minutes * 60
        merged: list[Candle] = []
        for minute in (*self._past[grain_minutes], *self._live_candles()):
            period_end_s = -(-minute.end_s // period_s) * period_s
            if not start_s <= period_end_s <= end_s:
                continue
            if merged and merged[-1].end_s == period_end_s:
                merged[-1].merge(minute)
            else:
                merged.append(attrs.evolve(minute, end_s=period_end_s))
        return merged

    def _random(self, purpose: str) -> random.Random:
        return random.Random(f"{self._seed}:{self._listing.ticker}:{purpose}")

    def _past_trades(self) -> list[Trade]:
        rng = self._random("trades")
        mean_gap_ms = 60_000 / self._listing.trades_per_minute
        time_ms = self._boot_ms
        trades = []
        for _ in range(PAST_TRADES):
            time_ms -= 1 + int(rng.expovariate(1 / mean_gap_ms))
            if time_ms < self._listing.open_ms:
                break
            price_e4 = floor_to_grid(self._listing.price_ranges, self._listing.fair_e4 + rng.randrange(-150, 151))
            bits = f"{rng.getrandbits(128):032x}"
            trades.append(
                Trade(
                    trade_id=f"{bits[:8]}-{bits[8:12]}-{bits[12:16]}-{bits[16:20]}-{bits[20:]}",
                    ticker=self._listing.ticker,
                    price_e4=price_e4,
                    count_e2=rng.randrange(1, 40) * 100,
                    taker_side=Side.BID if rng.random() < 0.5 else Side.ASK,
                    ts_ms=time_ms,
                )
            )
        return trades[::-1]

    def _past_candles(self, grain_minutes: int) -> list[Candle]:
        rng = self._random(f"candles:{grain_minutes}")
        ranges, grain_ms = self._listing.price_ranges, grain_minutes * _MINUTE_MS
        volume_e2 = max(100, self._listing.volume_24h_e2 * grain_minutes // (24 * 60))
        end_s = self._boot_ms // grain_ms * grain_ms // 1000
        most = _PAST_MINUTES if grain_minutes == 1 else _PAST_HOURS
        close_e4 = floor_to_grid(ranges, self._listing.fair_e4)
        candles = []
        for back in range(min(most, (self._boot_ms - self._listing.open_ms) // grain_ms)):
            # Half the periods stand still; the walk is pulled back to the boot price, so it never leaves the band.
            drift_e4 = (self._listing.fair_e4 - close_e4) // 50
            step_e4 = 0 if rng.random() < 0.5 else rng.randrange(-120, 121) + drift_e4
            open_e4 = floor_to_grid(ranges, close_e4 + step_e4)
            candles.append(
                Candle(
                    end_s=end_s - back * grain_ms // 1000,
                    open_e4=open_e4,
                    high_e4=max(open_e4, close_e4),
                    low_e4=min(open_e4, close_e4),
                    close_e4=close_e4,
                    volume_e2=rng.randrange(volume_e2 * 2),
                )
            )
            close_e4 = open_e4
        return candles[::-1]
