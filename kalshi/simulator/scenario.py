"""A scenario: what the exchange lists and how it behaves, what happens when, and which faults strike.

    seed: 7                       # ids, markets, traders, dice; the command line's --seed wins
    speed: 10                     # exchange time per wall time; --speed wins
    starts_at: 2026-11-26T07:59Z  # where the exchange's clock begins; absent: now
    accounts: [{key_id: ..., tier: basic, cash_dollars: {0: 6000, 2: 4000}, public_key: FILE}]
    settings: {read_lag_ms: [50, 500], ...}           # every field of SimulatorSettings
    markets: {"KXBTC*": {regime: chaotic, half_spread_cents: 3}}
    events: [{at_s: 30, kind: pause}, {at_s: 60, kind: resume}]
    faults: [{kind: latency, share: 0.1, delay_ms: 50, tail_ms: 100}]

`scenario_reader` makes these values from YAML. Times `_s` are seconds of the exchange's time since it started.
The first pattern under `markets` that fits a ticker counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Final, Literal, NewType

import attrs

from kalshi.simulator.faults import AnyFault, Duration
from kalshi.simulator.listings import Catalogue, EventListing, MarketListing
from kalshi.simulator.settings import SimulatorSettings

Dollars = NewType("Dollars", float)  # not negative, whole cents of a cent
Cents = NewType("Cents", float)  # 0.01 to 99.99
Jump = NewType("Jump", float)  # cents, either way
Speed = NewType("Speed", float)
Rate = NewType("Rate", float)  # above 0
InstantMs = NewType("InstantMs", int)  # milliseconds since the epoch; written as a date with a time
Tier = NewType("Tier", str)
Structure = NewType("Structure", str)  # of a price grid
Multiplier = NewType("Multiplier", float)  # of the usual fee

Regime = Literal["wandering", "trending", "mean_reverting", "chaotic", "quiet"]
FeeType = Literal["quadratic", "quadratic_with_maker_fees", "quadratic_with_combo_maker_fees", "flat"]
E4_PER_CENT: Final = 100
E4_PER_ONE: Final = 10_000
E6_PER_DOLLAR: Final = 1_000_000


class RuleBroken(ValueError):
    """A value is sound by itself and wrong beside the others; `key` is the one to change."""

    def __init__(self, key: str, rule: str) -> None:
        self.key = key
        super().__init__(rule)


@attrs.frozen(kw_only=True)
class ScenarioAccount:
    """One customer; without a public key a pair is made for it at the start."""

    key_id: str
    tier: Tier = Tier("basic")
    cash_dollars: Mapping[int, Dollars] = attrs.field(factory=lambda: {0: Dollars(6_000.0), 2: Dollars(4_000.0)})
    public_key: str | None = None

    def cash_by_shard_e6(self) -> dict[int, int]:
        """Returns the opening cash by shard, in 1/1,000,000 dollar."""
        return {shard: round(dollars * 10_000) * 100 for shard, dollars in self.cash_dollars.items()}


@attrs.frozen(kw_only=True)
class MarketRule:
    """How the markets of one pattern differ from the catalogue; what is not named stays."""

    regime: Regime | None = None
    fair_cents: Cents | None = None
    half_spread_cents: Cents | None = None
    trades_per_minute: Rate | None = None
    closes_in_s: Duration | None = None

    def changed(self, listing: MarketListing, now_ms: int) -> MarketListing:
        """Returns the listing as the rule wants it."""
        changes: dict[str, Any] = {}
        if self.fair_cents is not None:
            changes["fair_e4"] = round(self.fair_cents * E4_PER_CENT)
        if self.half_spread_cents is not None:
            changes["half_spread_e4"] = round(self.half_spread_cents * E4_PER_CENT)
        if self.trades_per_minute is not None:
            changes["trades_per_minute"] = self.trades_per_minute
        if self.closes_in_s is not None:
            changes["close_ms"] = now_ms + round(self.closes_in_s * 1000)
        return attrs.evolve(listing, **changes) if changes else listing


@attrs.frozen(kw_only=True)
class ScenarioEvent:
    """Something that happens once, at `at_s`."""

    kind: ClassVar[str] = ""

    at_s: Duration = attrs.field(default=Duration(0.0))


@attrs.frozen(kw_only=True)
class Pause(ScenarioEvent):
    """Trading stops, or the whole exchange."""

    kind = "pause"

    what: Literal["trading", "exchange"] = "trading"


@attrs.frozen(kw_only=True)
class Resume(ScenarioEvent):
    """The operator's pause ends."""

    kind = "resume"


@attrs.frozen(kw_only=True)
class MarketEvent(ScenarioEvent):
    """Something that happens to every market whose ticker fits the pattern `market`."""

    market: str


@attrs.frozen(kw_only=True)
class Halt(MarketEvent):
    """Trading in the market stops; its orders rest on."""

    kind = "halt"


@attrs.frozen(kw_only=True)
class Unhalt(MarketEvent):
    """Trading goes on; the market's resting orders are gone."""

    kind = "unhalt"


@attrs.frozen(kw_only=True)
class Settle(MarketEvent):
    """The market closes, if it is open, and its result is known; a scalar result, and no other, has a `value_cents`.

    Raises RuleBroken for a value where none belongs, and for none where one does.
    """

    kind = "settle"

    result: Literal["yes", "no", "scalar"]
    value_cents: Cents | None = None

    def __attrs_post_init__(self) -> None:
        if self.result == "scalar" and self.value_cents is None:
            raise RuleBroken("value_cents", "must be given where the result is scalar")
        if self.result != "scalar" and self.value_cents is not None:
            raise RuleBroken("value_cents", f"must not be given where the result is {self.result}: only scalar has one")


@attrs.frozen(kw_only=True)
class Reopen(MarketEvent):
    """A market that closed, and whose result is not known yet, trades again for so long. Raises RuleBroken for 0 s."""

    kind = "reopen"

    closes_in_s: Duration

    def __attrs_post_init__(self) -> None:
        if self.closes_in_s <= 0:
            raise RuleBroken("closes_in_s", "must be above 0 seconds: a market cannot reopen and be over")


@attrs.frozen(kw_only=True)
class ChangeGrid(MarketEvent):
    """The market's prices go by another grid from now on; what rests stays."""

    kind = "change_grid"

    structure: Structure


@attrs.frozen(kw_only=True)
class SeriesFee(ScenarioEvent):
    """A new fee of every series whose ticker fits is announced, and counts `in_s` later."""

    kind = "series_fee"

    series: str
    fee_type: FeeType
    multiplier: Multiplier
    in_s: Duration = attrs.field(default=Duration(0.0))


@attrs.frozen(kw_only=True)
class EventFee(ScenarioEvent):
    """An override of the fee of every event whose ticker fits is announced, and counts `in_s` later.

    What is None goes by the series; both are None where an override ends.
    """

    kind = "event_fee"

    event: str
    fee_type: FeeType | None
    multiplier: Multiplier | None
    in_s: Duration = attrs.field(default=Duration(0.0))


@attrs.frozen(kw_only=True)
class CloseEarly(MarketEvent):
    """The market closes `in_s` after the event instead of at its time."""

    kind = "close_early"

    in_s: Duration = attrs.field(default=Duration(0.0))


@attrs.frozen(kw_only=True)
class News(MarketEvent):
    """The hidden fair value jumps by so many cents."""

    kind = "news"

    jump_cents: Jump


EVENT_KINDS: Final[dict[str, type[ScenarioEvent]]] = {
    one.kind: one
    for one in (Pause, Resume, Halt, Unhalt, Settle, CloseEarly, News, Reopen, ChangeGrid, SeriesFee, EventFee)
}


@attrs.frozen(kw_only=True)
class Scenario:
    """Everything that a scenario file can say; the default says nothing."""

    seed: int | None = None
    speed: Speed | None = None
    starts_at: InstantMs | None = None
    accounts: tuple[ScenarioAccount, ...] = ()
    settings: SimulatorSettings = attrs.field(factory=SimulatorSettings)
    markets: Mapping[str, MarketRule] = attrs.field(factory=dict)
    events: tuple[ScenarioEvent, ...] = ()
    faults: tuple[AnyFault, ...] = ()

    def rule_for(self, ticker: str) -> MarketRule | None:
        """Returns the first rule whose pattern fits."""
        return next((rule for pattern, rule in self.markets.items() if fnmatchcase(ticker, pattern)), None)

    def changed(self, catalogue: Catalogue, now_ms: int) -> Catalogue:
        """Returns the catalogue with the scenario's market rules in it."""
        if not self.markets:
            return catalogue
        return attrs.evolve(catalogue, events=tuple(self._changed_event(event, now_ms) for event in catalogue.events))

    def _changed_event(self, event: EventListing, now_ms: int) -> EventListing:
        markets = tuple(
            rule.changed(market, now_ms) if (rule := self.rule_for(market.ticker)) is not None else market
            for market in event.markets
        )
        return attrs.evolve(event, markets=markets)
