"""The volatility scanner's thinking: which markets are watched, what each sweep finds, which events run.

It owns the set of watched markets and their events. Everything else has a file of its own: the choice
(`volatility_tracking`), one market (`volatility_market`), the rules of events (`volatility_events`).

1. A market that stays in the set keeps its state; only what the listing says of it is renewed. One that leaves it ends
   its event.
2. A sweep goes round the markets in steps of at most `at_once` markets, so that whoever shares the processor is never
   kept waiting for long; each step begins where the last one stopped. Every market in its turn has its regime told.
   Its event is judged where it has changed since, or where an event runs: what does not move begins nothing.
3. A running event is told again at every sweep with newer figures. A market has one event at a time, and after it a
   rest.
4. Event numbers go up by one in the life of a scanner.

Everything is state in, state out; the clock comes in with each call.

Source: the design documents' volatility scanner section; features C6, C6.x and C7.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import attrs

from kalshi.grid import GridError
from quant.selection import volatility_events, volatility_market
from quant.selection.volatility_events import EventParameters, Evidence
from quant.selection.volatility_market import MarketParameters, WatchedMarket
from quant.selection.volatility_tracking import Listing, TrackingParameters
from quant.signals import price_signals, regime_stability
from quant.signals.price_signals import PriceSignalParameters
from quant.signals.regime import RegimeParameters, Verdict, for_profile
from quant.signals.regime_stability import StabilityParameters

RESTING: Final = "its last event is over for too short a time"


def _watched_regime() -> RegimeParameters:
    """The usual limits but one: the depth is that of the touch alone here, so ten contracts are not thin yet."""
    return RegimeParameters(depth_min_e2=1_000)


def _profiles() -> Mapping[str, str]:
    return {
        "rates": "mean_reverting",
        "economics": "mean_reverting",
        "crypto": "medium_trending",
        "sports": "hard_trending",
        "entertainment": "low_liquidity",
        "tech": "low_liquidity",
    }


@attrs.frozen(kw_only=True)
class ScanParameters:
    """All parameters of the scanner's thinking."""

    at_once: int = 20
    tracking: TrackingParameters = attrs.field(factory=TrackingParameters)
    events: EventParameters = attrs.field(factory=EventParameters)
    regime: RegimeParameters = attrs.field(factory=_watched_regime)
    stability: StabilityParameters = attrs.field(factory=StabilityParameters)
    profiles: Mapping[str, str] = attrs.field(factory=_profiles)  # by lower-case category
    default_profile: str = "mean_reverting"


@attrs.frozen(kw_only=True)
class RunningEvent:
    """One event of a market, with its newest figures; `jump_e4` is None where no jump speaks for it."""

    event_id: int
    began_at_s: float
    reason: str
    jump_e4: int | None = None
    sigma_dollars_per_sqrt_s: float = 0.0
    strength: float = 0.0
    direction: int = 0  # 1 up, -1 down, 0 neither


@attrs.frozen(kw_only=True)
class Scanner:
    """The watched markets, most active first, their events, and how far the last sweep came."""

    markets: Mapping[str, WatchedMarket] = attrs.field(factory=dict)
    events: Mapping[str, RunningEvent] = attrs.field(factory=dict)
    ended_at_s: Mapping[str, float] = attrs.field(factory=dict)  # of the last event of a watched market
    events_begun: int = 0
    position: int = 0


@attrs.frozen(kw_only=True)
class RegimeSeen:
    """The regime of one market that was in its turn, to be acted on."""

    market: WatchedMarket
    verdict: Verdict
    is_stable: bool
    sigma_dollars_per_sqrt_s: float
    observed_at_s: float


@attrs.frozen(kw_only=True)
class EventSeen:
    """An event that began, lasts or is over; `ended_because` is None while it runs."""

    market: WatchedMarket
    event: RunningEvent
    is_new: bool = False
    ended_because: str | None = None


@attrs.frozen(kw_only=True)
class Swept:
    """What a step, or several of them, did; `verdicts` are the reasons why no event runs, by ticker."""

    scanner: Scanner
    in_turn: int = 0
    judged: int = 0
    regimes: tuple[RegimeSeen, ...] = ()
    events: tuple[EventSeen, ...] = ()
    verdicts: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)

    @property
    def begun(self) -> int:
        return sum(seen.is_new for seen in self.events)

    @property
    def ended(self) -> int:
        return sum(seen.ended_because is not None for seen in self.events)

    def after(self, earlier: Swept) -> Swept:
        """Returns both steps together."""
        return Swept(
            scanner=self.scanner,
            in_turn=earlier.in_turn + self.in_turn,
            judged=earlier.judged + self.judged,
            regimes=earlier.regimes + self.regimes,
            events=earlier.events + self.events,
            verdicts={**earlier.verdicts, **self.verdicts},
        )

    def detail(self) -> str:
        """Returns what was looked at, what it led to, and why to nothing else, in one line."""
        counts = Counter(reason for reasons in self.verdicts.values() for reason in reasons)
        why = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
        regimes = Counter(seen.verdict.regime.value for seen in self.regimes)
        kinds = ", ".join(f"{count} {name}" for name, count in regimes.most_common())
        return (
            f"{self.in_turn} of {len(self.scanner.markets)} markets, {self.judged} judged; "
            f"{len(self.scanner.events)} events run, {self.begun} begun, {self.ended} ended; "
            f"regimes: {kinds or 'none'}; no event: {why or 'none'}"
        )


def market_parameters(category: str, parameters: ScanParameters) -> MarketParameters:
    """Returns how a market of a category is watched."""
    profile = parameters.profiles.get(category.lower(), parameters.default_profile)
    return MarketParameters(
        signals=PriceSignalParameters(regime=for_profile(parameters.regime, profile), stability=parameters.stability),
        history=volatility_events.history_of(parameters.events),
    )


def track(
    scanner: Scanner, best: Iterable[Listing], now_s: float, parameters: ScanParameters
) -> tuple[Scanner, tuple[EventSeen, ...], tuple[str, ...]]:
    """Returns the scanner that watches these markets, the events that this ends, and the tickers that cannot be."""
    markets, unusable = {}, []
    for listing in best:
        known = scanner.markets.get(listing.ticker)
        if known is not None and known.listing.price_ranges == listing.price_ranges:
            markets[listing.ticker] = attrs.evolve(known, listing=listing, is_active=True, is_changed=True)
            continue
        try:
            fresh = volatility_market.begin(listing, now_s, market_parameters(listing.category, parameters))
        except GridError:
            unusable.append(listing.ticker)
            continue
        markets[listing.ticker] = fresh
    ended = tuple(
        EventSeen(market=scanner.markets[ticker], event=event, ended_because=volatility_events.UNTRACKED)
        for ticker, event in scanner.events.items()
        if ticker not in markets
    )
    tracked = attrs.evolve(
        scanner,
        markets=markets,
        events={ticker: event for ticker, event in scanner.events.items() if ticker in markets},
        ended_at_s={ticker: at_s for ticker, at_s in scanner.ended_at_s.items() if ticker in markets},
        position=0,
    )
    return tracked, ended, tuple(unusable)


def changed(scanner: Scanner, ticker: str, change: Callable[[WatchedMarket], WatchedMarket]) -> Scanner:
    """Returns the scanner after a change of one market; of one that is not watched nothing is kept."""
    market = scanner.markets.get(ticker)
    return scanner if market is None else attrs.evolve(scanner, markets={**scanner.markets, ticker: change(market)})


def seen_again(scanner: Scanner, tickers: Iterable[str], time_s: float) -> Scanner:
    """Returns the scanner after it was learned that the books of these watched markets are as they were."""
    again = {ticker: volatility_market.seen_again(scanner.markets[ticker], time_s) for ticker in tickers}
    return attrs.evolve(scanner, markets={**scanner.markets, **again})


def sweep(scanner: Scanner, now_s: float, now_ms: int, parameters: ScanParameters) -> Swept:
    """Returns what the next step of a sweep finds at `now_s` (monotonic) and exchange time `now_ms`."""
    turn = _in_turn(scanner, parameters.at_once)
    under_way = _Sweep(scanner, now_s, now_ms, parameters)
    for ticker in turn:
        under_way.look_at(ticker)
    return under_way.done(turn)


def steps(scanner: Scanner, parameters: ScanParameters) -> int:
    """Returns how many steps a whole sweep takes."""
    return math.ceil(len(scanner.markets) / parameters.at_once)


def _in_turn(scanner: Scanner, at_once: int) -> tuple[str, ...]:
    tickers = tuple(scanner.markets)
    return (*tickers[scanner.position :], *tickers[: scanner.position])[:at_once]


class _Sweep:
    """One step under way: copies of the scanner's maps, changed market by market, and what was seen."""

    def __init__(self, scanner: Scanner, now_s: float, now_ms: int, parameters: ScanParameters) -> None:
        self._scanner = scanner
        self._now_s = now_s
        self._now_ms = now_ms
        self._parameters = parameters
        self._markets = dict(scanner.markets)
        self._running = dict(scanner.events)
        self._ended_at_s = dict(scanner.ended_at_s)
        self._events_begun = scanner.events_begun
        self._judged = 0
        self._regimes: list[RegimeSeen] = []
        self._events: list[EventSeen] = []
        self._verdicts: dict[str, tuple[str, ...]] = {}

    def look_at(self, ticker: str) -> None:
        """Tells the regime of a market, and judges its event where that can have changed (rule 2)."""
        market = self._markets[ticker]
        self._tell_regime(market)
        if ticker not in self._running and not market.is_changed:
            return
        self._judged += 1
        self._markets[ticker] = attrs.evolve(market, is_changed=False)
        parameters = self._parameters
        evidence = volatility_events.evidence_of(
            market, self._now_s, self._now_ms, parameters.tracking, parameters.events
        )
        if ticker in self._running:
            self._go_on(market, evidence)
        else:
            self._begin_or_not(market, evidence)

    def done(self, turn: tuple[str, ...]) -> Swept:
        """Returns the whole step."""
        scanner = Scanner(
            markets=self._markets,
            events=self._running,
            ended_at_s=self._ended_at_s,
            events_begun=self._events_begun,
            position=(self._scanner.position + len(turn)) % max(1, len(self._markets)),
        )
        return Swept(
            scanner=scanner,
            in_turn=len(turn),
            judged=self._judged,
            regimes=tuple(self._regimes),
            events=tuple(self._events),
            verdicts=self._verdicts,
        )

    def _tell_regime(self, market: WatchedMarket) -> None:
        if market.observed_at_s is None:
            return
        signals, stability = market.parameters.signals, market.signals.stability
        verdict = price_signals.regime(market.signals, self._now_s, signals)
        self._regimes.append(
            RegimeSeen(
                market=market,
                verdict=verdict,
                is_stable=verdict == stability.held and regime_stability.is_stable(stability, signals.stability),
                sigma_dollars_per_sqrt_s=volatility_market.sigma(market),
                observed_at_s=market.observed_at_s,
            )
        )

    def _go_on(self, market: WatchedMarket, evidence: Evidence) -> None:
        ticker = market.listing.ticker
        event = _with_figures(self._running[ticker], market, evidence, self._parameters.events)
        because = volatility_events.ending(evidence, self._parameters.events)
        self._events.append(EventSeen(market=market, event=event, ended_because=because))
        if because is None:
            self._running[ticker] = event
        else:
            del self._running[ticker]
            self._ended_at_s[ticker] = self._now_s

    def _begin_or_not(self, market: WatchedMarket, evidence: Evidence) -> None:
        ticker, parameters = market.listing.ticker, self._parameters
        reasons = volatility_events.refusals(evidence, parameters.tracking, parameters.events)
        ended_at_s = self._ended_at_s.get(ticker)
        if ended_at_s is not None and self._now_s - ended_at_s < parameters.events.rest_s:
            reasons = (*reasons, RESTING)
        if reasons:
            self._verdicts[ticker] = reasons
            return
        self._events_begun += 1
        begun = RunningEvent(
            event_id=self._events_begun,
            began_at_s=self._now_s,
            reason=volatility_events.why(evidence, parameters.events),
        )
        self._running[ticker] = _with_figures(begun, market, evidence, parameters.events)
        self._events.append(EventSeen(market=market, event=self._running[ticker], is_new=True))


def _with_figures(
    event: RunningEvent, market: WatchedMarket, evidence: Evidence, parameters: EventParameters
) -> RunningEvent:
    has_jumped = volatility_events.has_jumped(evidence, parameters)
    return attrs.evolve(
        event,
        jump_e4=round(evidence.move_e4) if has_jumped else None,
        sigma_dollars_per_sqrt_s=volatility_market.sigma(market),
        strength=volatility_events.strength(evidence, parameters),
        direction=volatility_events.direction(evidence, parameters),
    )
