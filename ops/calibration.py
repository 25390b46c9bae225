"""How near the simulated fifteen-minute coin markets are to recorded ones: `python -m ops.calibration FOLDER`.

For each stretch of a recorded market (what one connection saw of it before its close) a simulated KXBTC15M market is
run over the same stretch of its life from the same price on, several seeds each, and both are measured by the same code
from the same kind of frames: `orderbook_snapshot`, `orderbook_delta` and `ticker`.

    spread      best ask less best bid, weighted by time, in 1/10,000 dollar
    volume      contracts a minute, from the differences of the ticker's volume
    volatility  of the middle of the book per square root of a second, from samples a second apart

Crossed and one-sided moments are left out of spread and volatility, on both sides. Volatility depends on the path
of the price more than on the model, so a stretch counts by the variance that it had, and the seeds are pooled.

The simulated exchange runs in this process on a clock that is moved by hand.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec

from kalshi.signing import Signer, generate_key_pair
from kalshi.simulator.catalogue import WorldBuilder
from kalshi.simulator.exchange import SOCKET_PATH, SimulatedExchange
from kalshi.simulator.fair_values import FairValues, coin_strike
from kalshi.simulator.listings import Catalogue
from kalshi.simulator.settings import AccountSettings, SimulatorSettings
from kalshi.simulator.socket_session import SocketSession
from ops.replay_books import DOLLAR, price, size
from ops.replay_recording import RecordingError, load_recording

SERIES: Final = "KXBTC15M"
BOUND: Final = 0.25  # how far a statistic may lie from the recorded one
SEEDS: Final = 6
SAMPLE_MS: Final = 1_000
# Shorter stretches say nothing, and a book that has moved less often was only looked at in passing.
STRETCH_MS_MIN: Final = 30_000
_QUARTER_MS: Final = 900_000
_TICK_MS: Final = 50
# Some Monday at noon in New York; coins do not care.
_EPOCH_MS: Final = 1_778_515_200_000
_USAGE_EXIT_CODE: Final = 64

Frame = Mapping[str, Any]


@attrs.frozen(kw_only=True)
class Stretch:
    """What was measured of one market; times are ms before its close, money in 1/10,000 dollar."""

    ticker: str
    from_left_ms: int
    to_left_ms: int
    first_middle_e4: float
    quoted_ms: int
    spread_area: float
    contracts: float
    ticker_ms: int
    variance: float
    samples: int


@attrs.frozen(kw_only=True)
class Statistics:
    """Spread in 1/10,000 dollar, contracts a minute, 1/10,000 dollar per square root of a second."""

    spread_e4: float
    volume_per_minute: float
    volatility_e4: float

    @staticmethod
    def of(stretches: Sequence[Stretch]) -> Statistics:
        """Pools the stretches by their time. Raises ZeroDivisionError where nothing was seen."""
        return Statistics(
            spread_e4=sum(one.spread_area for one in stretches) / sum(one.quoted_ms for one in stretches),
            volume_per_minute=(
                sum(one.contracts for one in stretches) * 60_000 / sum(one.ticker_ms for one in stretches)
            ),
            volatility_e4=math.sqrt(
                sum(one.variance for one in stretches) / sum(one.samples for one in stretches) * 1_000 / SAMPLE_MS
            ),
        )

    def rows(self) -> dict[str, float]:
        return {
            "spread, 1/10,000 $": self.spread_e4,
            "contracts a minute": self.volume_per_minute,
            "volatility, 1/10,000 $ per √s": self.volatility_e4,
        }


@attrs.define
class _Meter:
    """Reads the frames of one market, in order, up to its close."""

    ticker: str
    close_ms: int
    bids: dict[int, int] = attrs.field(factory=dict)
    asks: dict[int, int] = attrs.field(factory=dict)
    points: list[tuple[int, int | None, int | None]] = attrs.field(factory=list)
    volumes: list[tuple[int, int]] = attrs.field(factory=list)

    def take(self, kind: str, msg: Frame) -> None:
        match kind:
            case "orderbook_snapshot":
                self.bids = {price(at): size(count) for at, count in msg.get("yes_dollars_fp") or ()}
                self.asks = {DOLLAR - price(at): size(count) for at, count in msg.get("no_dollars_fp") or ()}
            case "orderbook_delta" if msg["ts_ms"] < self.close_ms:
                self._change(msg)
            case "ticker" if msg["ts_ms"] < self.close_ms:
                self.volumes.append((int(msg["ts_ms"]), size(msg["volume_fp"])))
            case _:
                pass

    def _change(self, msg: Frame) -> None:
        is_yes = msg["side"] == "yes"
        levels = self.bids if is_yes else self.asks
        at = price(msg["price_dollars"])
        at = at if is_yes else DOLLAR - at
        left = levels.get(at, 0) + size(msg["delta_fp"])
        if left > 0:
            levels[at] = left
        else:
            levels.pop(at, None)
        now = (int(msg["ts_ms"]), max(self.bids, default=None), min(self.asks, default=None))
        if self.points and self.points[-1][0] == now[0]:
            # Frames of one `ts_ms` are one moment: only the book after the last of them was ever there.
            self.points[-1] = now
        elif not self.points or self.points[-1][1:] != now[1:]:
            self.points.append(now)

    def stretch(self) -> Stretch | None:
        """Returns the measurements; None where too little was seen."""
        points = self.points
        if len(points) < 2 or points[-1][0] - points[0][0] < STRETCH_MS_MIN or len(self.volumes) < 2:
            return None
        quoted_ms, area = 0, 0.0
        for (from_ms, bid, ask), (to_ms, _, _) in pairwise(points):
            if bid is not None and ask is not None and ask > bid:
                quoted_ms += to_ms - from_ms
                area += (to_ms - from_ms) * (ask - bid)
        variance, samples = self._variance()
        (first_ms, before), (last_ms, after) = self.volumes[0], self.volumes[-1]
        return Stretch(
            ticker=self.ticker,
            from_left_ms=self.close_ms - points[0][0],
            to_left_ms=self.close_ms - points[-1][0],
            first_middle_e4=next(((bid + ask) / 2 for _, bid, ask in points if bid is not None and ask is not None), 0),
            quoted_ms=quoted_ms,
            spread_area=area,
            contracts=(after - before) / 100,
            ticker_ms=last_ms - first_ms,
            variance=variance,
            samples=samples,
        )

    def _variance(self) -> tuple[float, int]:
        """Returns the sum of squared changes of the middle between samples, and their number."""
        total, samples, before = 0.0, 0, None
        for bid, ask in self._samples():
            middle = (bid + ask) / 2 if bid is not None and ask is not None and ask > bid else None
            if middle is not None and before is not None:
                total += (middle - before) ** 2
                samples += 1
            before = middle
        return total, samples

    def _samples(self) -> Iterator[tuple[int | None, int | None]]:
        at_ms = self.points[0][0]
        for (_, bid, ask), (until_ms, _, _) in pairwise(self.points):
            while at_ms < until_ms:
                yield bid, ask
                at_ms += SAMPLE_MS


def measure(frames: Iterable[Frame], close_ms: Mapping[str, int]) -> list[Stretch]:
    """Returns the stretches of the markets whose close is given, from one connection's frames in order of arrival."""
    meters = {ticker: _Meter(ticker, at_ms) for ticker, at_ms in close_ms.items()}
    for frame in frames:
        msg = frame.get("msg") or {}
        meter = meters.get(msg.get("market_ticker", ""))
        if meter is not None:
            meter.take(str(frame["type"]), msg)
    return [stretch for meter in meters.values() if (stretch := meter.stretch()) is not None]


def recorded(folder: Path) -> list[Stretch]:
    """Returns the stretches of every recorded run in the folder. Raises RecordingError."""
    runs = sorted(folder.glob("*.jsonl*"))
    if not runs:
        raise RecordingError(f"{folder}: no recorded runs (.jsonl or .jsonl.gz) in it")
    return [
        stretch
        for run in runs
        for connection in load_recording(run).connections
        for stretch in measure((frame for _, frame in connection.frames()), connection.close_ms)
    ]


def simulated(like: Stretch, seed: int) -> Stretch:
    """Returns the same stretch of the life of a simulated market, from the frames of an exchange in this process."""
    close_ms = _EPOCH_MS + _QUARTER_MS
    clock = _Clock(close_ms - min(like.from_left_ms, _QUARTER_MS))
    exchange, session = _market_alone(clock, seed, close_ms, like.first_middle_e4)
    frames: list[Frame] = []
    while clock.time_ms < close_ms - like.to_left_ms:
        clock.time_ms += _TICK_MS
        exchange.tick()
        frames.extend(msgspec.json.decode(text) for text in session.drain_frames())
    ticker = next(iter(exchange.core.markets))
    stretches = measure(frames, {ticker: close_ms})
    if not stretches:
        raise ValueError(f"the simulated market of seed {seed} showed nothing for {like.from_left_ms} ms")
    return stretches[0]


@attrs.define
class _Clock:
    time_ms: int

    def __call__(self) -> int:
        return self.time_ms


def _market_alone(clock: _Clock, seed: int, close_ms: int, fair_e4: float) -> tuple[SimulatedExchange, SocketSession]:
    """Returns an exchange that lists one market of that value, and a session that hears its book and ticker."""
    private_pem, public_pem = generate_key_pair("ed25519")
    fairs = FairValues(seed)
    builder = WorldBuilder(seed, fairs)
    (plan,) = (one for one in builder.plans if one.series.ticker == SERIES)
    event = builder.event(plan, close_ms, clock())
    (market,) = event.markets
    strike = coin_strike(fairs.coin(event.coin).price, fair_e4, (close_ms - clock()) / 1000)
    event = attrs.evolve(event, markets=(attrs.evolve(market, floor_strike=strike, fair_e4=round(fair_e4)),))
    listed = Catalogue(series=builder.series(), events=(event,))
    exchange = SimulatedExchange(
        seed=seed,
        wall_ms=clock,
        settings=SimulatorSettings(),
        accounts=(AccountSettings(key_id="listener", public_key_pem=public_pem, cash_by_shard_e6={}),),
        catalogue=listed,
    )
    session = exchange.open_socket(Signer("listener", private_pem).headers("GET", SOCKET_PATH, clock()))
    if not isinstance(session, SocketSession):
        raise TypeError("the exchange in this process refused its own listener")
    tickers = [market.ticker for market in listed.markets]
    params = {"channels": ["orderbook_delta", "ticker"], "market_tickers": tickers}
    session.receive_text(msgspec.json.encode({"id": 1, "cmd": "subscribe", "params": params}).decode())
    return exchange, session


def compare(folder: Path, seeds: int) -> tuple[Statistics, Statistics]:
    """Returns the statistics of the recorded runs and of as many simulated ones per seed. Raises RecordingError."""
    real = recorded(folder)
    made = [
        simulated(stretch, seed * 1_000 + number) for seed in range(1, seeds + 1) for number, stretch in enumerate(real)
    ]
    return Statistics.of(real), Statistics.of(made)


def report(real: Statistics, made: Statistics) -> str:
    """Returns the table that shows both side by side."""
    lines = [f"{'':32}{'recorded':>12}{'simulated':>12}{'ratio':>8}  within {BOUND:.0%}"]
    for (name, wanted), got in zip(real.rows().items(), made.rows().values(), strict=True):
        ratio = got / wanted
        verdict = "yes" if abs(ratio - 1) <= BOUND else "NO"
        lines.append(f"{name:32}{wanted:12,.1f}{got:12,.1f}{ratio:8.2f}  {verdict}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the report; returns 0 where every statistic lies within the bound, 1 where one does not."""
    parser = argparse.ArgumentParser(prog="python -m ops.calibration", description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path, help="folder of recorded runs of KXBTC15M")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="simulated markets per recorded stretch")
    options = parser.parse_args(arguments)
    try:
        real, made = compare(options.folder, options.seeds)
    except RecordingError as error:
        sys.stderr.write(f"{error}\n")
        return _USAGE_EXIT_CODE
    sys.stdout.write(report(real, made) + "\n")
    is_near = all(
        abs(got / wanted - 1) <= BOUND for wanted, got in zip(real.rows().values(), made.rows().values(), strict=True)
    )
    return 0 if is_near else 1


if __name__ == "__main__":
    sys.exit(main())
