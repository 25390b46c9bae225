"""What the listed questions are really worth: one hidden truth per event, from which all of its markets follow.

    Race       an exclusive event: one of its outcomes will happen; the fair values add up to a dollar
    Ladder     one figure will be published; each market says that it reaches a strike. One market is a short ladder
    CoinLadder the figure is a coin's price, which all events on that coin share: as the close comes nearer the
               same move of the price moves the fair value more, as on the real fifteen-minute markets

Rules:
1. Values exist twice: what the public sees, and what is already true. Makers quote the first, informed traders
   know the second, which becomes public `lead` steps later. That difference is what a careless quote loses.
2. News is true at once, and public a lead later. It moves the whole event, so its markets stay coherent.
3. Results come from the same truth as the values: exactly one outcome of a race, one cut of a ladder, and the
   coin's price at the close. What was determined by hand is respected.
4. Each event and each coin has a random stream of its own, named by the seed and itself.

Rejected: a value per market with a pull to its neighbours. Ladders crossed, and races did not add up.
"""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Final

from kalshi.simulator.listings import EventListing
from kalshi.simulator.regimes import Drive, Regime
from kalshi.simulator.wire_numbers import DOLLAR_E4

FAIR_LOW_E4: Final = 150.0
FAIR_HIGH_E4: Final = DOLLAR_E4 - FAIR_LOW_E4
COIN_LOW_E4: Final = 2.0
# Movement of the latent figure per square root of a second, in standard deviations of the outcome: around 50 cents
# 0.003 is 12/10,000 dollar.
_STEP: Final = 0.003
_STEP_MS: Final = 4_000
_LEAD_STEPS: Final = 2
# The volatility of a coin per square root of a second: 50 % a year.
COIN_STEP: Final = 0.5 / math.sqrt(365 * 86_400)
# Coins move a little more than the traders of their markets reckon with; so do the recorded ones.
_REALISED_SHARE: Final = 1.1
_COIN_STEP_MS: Final = 250
_COIN_LEAD_STEPS: Final = 2
_QUARTER_MS: Final = 900_000
_CENTS_FROM: Final = 1_000.0  # cheaper coins have strikes of more digits
COIN_PRICES: Final = {"BTC": 97_500.0, "ETH": 3_200.0, "SOL": 185.0, "XRP": 2.4, "DOGE": 0.21}
_REGIMES: Final = (
    (Regime.MEAN_REVERTING, 0.40),
    (Regime.WANDERING, 0.30),
    (Regime.TRENDING, 0.15),
    (Regime.QUIET, 0.10),
    (Regime.CHAOTIC, 0.05),
)
_NORMAL: Final = NormalDist()
_ROOT_2: Final = math.sqrt(2)

Values = tuple[float, ...]


def _phi_e4(deviation: float) -> float:
    return DOLLAR_E4 * 0.5 * (1.0 + math.erf(deviation / _ROOT_2))


def _clamped(value_e4: float) -> float:
    return min(max(value_e4, FAIR_LOW_E4), FAIR_HIGH_E4)


def coin_chance_e4(price: float, strike: float, left_s: float) -> float:
    """Returns the chance that a coin at `price` ends at `strike` or above after that time, in 1/10,000."""
    return _phi_e4((math.log(price) - math.log(strike)) / (COIN_STEP * math.sqrt(max(1.0, left_s))))


def coin_strike(price: float, fair_e4: float, left_s: float) -> float:
    """Returns the strike at which a market on a coin at `price` is worth that much; the inverse of `coin_chance_e4`."""
    chance = min(max(fair_e4, COIN_LOW_E4), DOLLAR_E4 - COIN_LOW_E4) / DOLLAR_E4
    return price * math.exp(-_NORMAL.inv_cdf(chance) * COIN_STEP * math.sqrt(max(1.0, left_s)))


def _decimals(price: float) -> int:
    return 2 if price >= _CENTS_FROM else 6


class Coin:
    """The price path of one coin."""

    step_ms: Final = _COIN_STEP_MS

    def __init__(self, name: str, seed: int) -> None:
        rng = random.Random(f"{seed}:coin:{name}")
        self._log = math.log(COIN_PRICES.get(name, 100.0)) + rng.gauss(0, 0.03)
        self._home = self._log
        self.drive = Drive(rng, Regime.WANDERING, has_news=False)
        self.price = math.exp(self._log)

    def step(self) -> None:
        """Goes on by one step of time."""
        displacement = (self._log - self._home) / COIN_STEP
        self._log += self.drive.step(_COIN_STEP_MS / 1000, displacement) * COIN_STEP * _REALISED_SHARE
        # A coin has no home for long: what was far away becomes usual within the hour.
        self._home += (self._log - self._home) * _COIN_STEP_MS / 3_600_000
        self.price = math.exp(self._log)

    def shift(self, by_log: float) -> None:
        """Moves the price for good."""
        self._log += by_log
        self._home += by_log
        self.price = math.exp(self._log)


class EventFair(ABC):
    """The hidden truth of one event: fair values of its markets in listing order, in 1/10,000 dollar."""

    step_ms = _STEP_MS

    def __init__(self, event: EventListing, seed: int, drive: Drive, lead_steps: int, values: Values) -> None:
        self.event = event
        self.drive = drive
        self._rng = random.Random(f"{seed}:{event.ticker}:result")
        self._values: deque[Values] = deque([values] * (lead_steps + 1), maxlen=lead_steps + 1)
        self._results: tuple[bool, ...] | None = None

    def public_e4(self, index: int) -> float:
        """Returns what the public takes the market to be worth."""
        return self._values[0][index]

    def ahead_e4(self, index: int) -> float:
        """Returns what it is worth already (rule 1)."""
        return self._values[-1][index]

    @abstractmethod
    def step(self, now_ms: int) -> None:
        """Goes on by one step of time."""

    @abstractmethod
    def shift(self, index: int, jump_e4: float, now_ms: int) -> None:
        """Brings news that moves one market by so much, and its event with it."""

    def fix_strike(self, index: int) -> float | None:
        """Returns the strike that a market takes from its opening, None where it has one or needs none."""
        return None

    def move_close(self, close_ms: int) -> None:  # noqa: B027  (only coins ask for the time)
        """Hears that the close comes at another time."""

    def close(self) -> None:  # noqa: B027  (only coins have a price at the close)
        """Trading is over: what is true now decides."""

    def reopen(self) -> None:  # noqa: B027  (only coins have a price at the close)
        """A market of the event trades again."""

    def figure(self) -> str | None:
        """Returns the figure that decided, None where there is none but the outcome itself."""
        return None

    def results(self, known: Mapping[int, bool]) -> tuple[bool, ...]:
        """Returns what becomes of each market, the same whenever it is asked; `known` was determined by hand."""
        if self._results is None:
            self._results = self._decide(known)
        return self._results

    @abstractmethod
    def _decide(self, known: Mapping[int, bool]) -> tuple[bool, ...]:
        """Returns what becomes of each market."""


class Race(EventFair):
    """Exactly one outcome will happen."""

    def __init__(self, event: EventListing, seed: int, drive: Drive) -> None:
        self._logs = [math.log(max(1, market.fair_e4)) for market in event.markets]
        self._homes = list(self._logs)
        self._step = _STEP * event.volatility * 1.6  # a logistic figure moves a price less than a normal one
        super().__init__(event, seed, drive, _LEAD_STEPS, self._shares())

    def step(self, now_ms: int) -> None:
        for index, home in enumerate(self._homes):
            displacement = (self._logs[index] - home) / self._step
            self._logs[index] += self.drive.step(self.step_ms / 1000, displacement) * self._step
        self._values.append(self._shares())

    def shift(self, index: int, jump_e4: float, now_ms: int) -> None:
        share = self._values[-1][index]
        wanted = _clamped(share + jump_e4)
        # The odds of this outcome against all others change; the others keep their proportions.
        change = math.log(wanted / (DOLLAR_E4 - wanted)) - math.log(share / (DOLLAR_E4 - share))
        self._logs[index] += change
        self._homes[index] += change
        self._values[-1] = self._shares()

    def _shares(self) -> Values:
        weights = [math.exp(log) for log in self._logs]
        total = sum(weights)
        return tuple(_clamped(DOLLAR_E4 * weight / total) for weight in weights)

    def _decide(self, known: Mapping[int, bool]) -> tuple[bool, ...]:
        winner = next((index for index, is_yes in known.items() if is_yes), None)
        if winner is None:
            weights = [0.0 if index in known else value for index, value in enumerate(self._values[-1])]
            if not any(weights):
                return (False,) * len(weights)
            (winner,) = self._rng.choices(range(len(weights)), weights)
        return tuple(index == winner for index in range(len(self._logs)))


class Ladder(EventFair):
    """One figure against strikes, listed from the lowest: a higher one is less likely."""

    def __init__(self, event: EventListing, seed: int, drive: Drive) -> None:
        self._strikes = [-_NORMAL.inv_cdf(min(max(one.fair_e4, 1), 9_999) / DOLLAR_E4) for one in event.markets]
        self._figure = 0.0
        self._home = 0.0
        self._step = _STEP * event.volatility
        super().__init__(event, seed, drive, _LEAD_STEPS, self._chances())

    def step(self, now_ms: int) -> None:
        displacement = (self._figure - self._home) / self._step
        self._figure += self.drive.step(self.step_ms / 1000, displacement) * self._step
        self._values.append(self._chances())

    def shift(self, index: int, jump_e4: float, now_ms: int) -> None:
        wanted = _clamped(self._values[-1][index] + jump_e4)
        change = _NORMAL.inv_cdf(wanted / DOLLAR_E4) + self._strikes[index] - self._figure
        self._figure += change
        self._home += change
        self._values[-1] = self._chances()

    def _chances(self) -> Values:
        return tuple(_clamped(_phi_e4(self._figure - strike)) for strike in self._strikes)

    def _decide(self, known: Mapping[int, bool]) -> tuple[bool, ...]:
        return cut(self._strikes, self._figure + self._rng.gauss(0, 1), known)


class CoinLadder(EventFair):
    """A coin's price at the close against strikes; a market without one takes the price at its opening."""

    def __init__(self, event: EventListing, seed: int, coin: Coin, now_ms: int) -> None:
        self._coin = coin
        self._strikes: list[float | None] = [market.floor_strike for market in event.markets]
        self._close_ms = event.strike_ms
        self._closed_price: float | None = None
        self.step_ms = _COIN_STEP_MS if event.strike_ms - event.markets[0].open_ms <= _QUARTER_MS else _STEP_MS
        lead = _COIN_LEAD_STEPS if self.step_ms == _COIN_STEP_MS else 1
        super().__init__(event, seed, coin.drive, lead, self._chances(now_ms))

    def fix_strike(self, index: int) -> float | None:
        if self._strikes[index] is not None:
            return None
        strike = round(self._coin.price, _decimals(self._coin.price))
        self._strikes[index] = strike
        return strike

    def move_close(self, close_ms: int) -> None:
        self._close_ms = close_ms

    def step(self, now_ms: int) -> None:
        self._values.append(self._chances(now_ms))

    def shift(self, index: int, jump_e4: float, now_ms: int) -> None:
        wanted = _clamped(self._values[-1][index] + jump_e4) / DOLLAR_E4
        now = min(max(self._values[-1][index], 1.0), DOLLAR_E4 - 1.0) / DOLLAR_E4
        self._coin.shift((_NORMAL.inv_cdf(wanted) - _NORMAL.inv_cdf(now)) * self._deviation(now_ms))
        self._values[-1] = self._chances(now_ms)

    def close(self) -> None:
        if self._closed_price is None:
            # In the index's own decimals, so that what is shown and what decides are one figure.
            self._closed_price = round(self._coin.price, _decimals(self._coin.price))

    def reopen(self) -> None:
        # Where another market of the event has its result already, one truth stays one truth.
        if self._results is None:
            self._closed_price = None

    def figure(self) -> str | None:
        price = self._coin.price if self._closed_price is None else self._closed_price
        return f"{price:.{_decimals(price)}f}"

    def _deviation(self, now_ms: int) -> float:
        return COIN_STEP * math.sqrt(max(1.0, (self._close_ms - now_ms) / 1000))

    def _chances(self, now_ms: int) -> Values:
        deviation, log = self._deviation(now_ms), math.log(self._coin.price)
        chances = (
            DOLLAR_E4 / 2 if strike is None else _phi_e4((log - math.log(strike)) / deviation)
            for strike in self._strikes
        )
        return tuple(min(max(chance, COIN_LOW_E4), DOLLAR_E4 - COIN_LOW_E4) for chance in chances)

    def _decide(self, known: Mapping[int, bool]) -> tuple[bool, ...]:
        price = self._coin.price if self._closed_price is None else self._closed_price
        return cut([price if strike is None else strike for strike in self._strikes], price, known)


def cut(strikes: Sequence[float], figure: float, known: Mapping[int, bool]) -> tuple[bool, ...]:
    """Returns which strikes the figure reaches; it is moved as far as what is known demands."""
    reached = [strikes[index] for index, is_yes in known.items() if is_yes]
    missed = [strikes[index] for index, is_yes in known.items() if not is_yes]
    figure = max([figure, *reached])
    return tuple(
        known.get(index, figure >= strike and not any(strike >= miss for miss in missed))
        for index, strike in enumerate(strikes)
    )


class FairValues:
    """All hidden truths of one exchange, by event."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.coins: dict[str, Coin] = {}
        self.events: dict[str, EventFair] = {}

    def coin(self, name: str) -> Coin:
        """Returns the coin's path, begun on first use."""
        if name not in self.coins:
            self.coins[name] = Coin(name, self._seed)
        return self.coins[name]

    def add(self, event: EventListing, now_ms: int) -> EventFair:
        """Begins the truth of an event that is listed now."""
        fair: EventFair
        if event.coin:
            fair = CoinLadder(event, self._seed, self.coin(event.coin), now_ms)
        else:
            rng = random.Random(f"{self._seed}:{event.ticker}:fair")
            (regime,) = rng.choices([one for one, _ in _REGIMES], [share for _, share in _REGIMES])
            kind = Race if event.mutually_exclusive else Ladder
            fair = kind(event, self._seed, Drive(rng, regime))
        self.events[event.ticker] = fair
        return fair

    def of(self, event: EventListing, now_ms: int) -> EventFair:
        """Returns the truth of an event; one that was listed from outside, without a truth, gets it now."""
        return self.events.get(event.ticker) or self.add(event, now_ms)

    def remove(self, event_ticker: str) -> None:
        self.events.pop(event_ticker, None)
