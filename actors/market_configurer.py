"""What the MarketSupervisor knows of its markets, and the configuration that it makes of it: no actor of its own.

1. Facts come one by one, newest wins: rules and liquidity from discovery, regime and events from the scanner. They are
   kept for at most FACTS_KEPT_MAX markets; those heard of longest ago go first.
2. A regime that is older than its age limit, or not yet stable, is one that nobody has judged. An event counts while it
   lasts.
3. Without rules and liquidity, for a refill event, or where the program says so, the program's own numbers stand, and
   that is recorded too.
"""

from __future__ import annotations

from typing import Final

import attrs

from actors.market import MarketParameters
from actors.messages.market import Assignment, MarketLiquidity, MarketRules
from actors.messages.money import Record
from actors.messages.volatility import MarketRegime, VolatilityEvent
from quant.bounded import put_newest
from quant.market_configuration import (
    ConfigurationFacts,
    ConfigurationLimits,
    ConfiguredNumber,
    EventVolatility,
    MarketConfiguration,
    ProgramNumbers,
    generate,
)
from quant.market_profiles import MarketConfigurationParameters
from quant.programs import Program
from quant.quoting.avellaneda_stoikov import AvellanedaStoikovParameters
from quant.quoting.refill import EventParameters
from quant.signals.regime import Regime
from quant.signals.volatility import VolatilityParameters

FACTS_KEPT_MAX: Final = 2_000  # as many as one keyed channel keeps
_OWN_SIZES: Final = ("order_size_contracts", "max_position_contracts")


@attrs.define(eq=False)
class MarketConfigurer:
    """The facts so far, and what to make of them."""

    parameters: MarketConfigurationParameters
    limits: ConfigurationLimits
    sizes: MarketParameters
    quoting: AvellanedaStoikovParameters
    volatility: VolatilityParameters
    _rules: dict[str, MarketRules] = attrs.field(factory=dict, init=False)
    _liquidity: dict[str, MarketLiquidity] = attrs.field(factory=dict, init=False)
    _regimes: dict[str, MarketRegime] = attrs.field(factory=dict, init=False)
    _events: dict[str, VolatilityEvent] = attrs.field(factory=dict, init=False)

    def hear(self, message: object) -> None:
        """Takes in what is a fact of a market; anything else is left alone."""
        match message:
            case MarketRules():
                put_newest(self._rules, message.ticker, message, FACTS_KEPT_MAX)
            case MarketLiquidity():
                put_newest(self._liquidity, message.ticker, message, FACTS_KEPT_MAX)
            case MarketRegime():
                put_newest(self._regimes, message.ticker, message, FACTS_KEPT_MAX)
            case VolatilityEvent():
                put_newest(self._events, message.ticker, message, FACTS_KEPT_MAX)
            case _:
                pass

    def regime(self, ticker: str, now_s: float) -> Regime | None:
        """Returns the regime that the market is in at `now_s` (monotonic), or None where nobody has judged it."""
        said = self._regimes.get(ticker)
        if said is None or not said.is_stable or now_s - said.judged_at_s > self.parameters.regime_age_max_s:
            return None
        return said.regime

    def configured(self, ticker: str, program: Program, now_s: float, wall_ms: int) -> MarketConfiguration:
        """Returns the market's configuration under `program` at `now_s` (monotonic) and `wall_ms`."""
        own = ProgramNumbers(
            order_size_e2=self.sizes.order_size_e2 if program.order_size_e2 is None else program.order_size_e2,
            max_position_e2=self.sizes.max_position_e2 if program.max_position_e2 is None else program.max_position_e2,
            strategy=program.parameters(self.quoting),
            volatility=self.volatility,
        )
        rules, liquidity = self._rules.get(ticker), self._liquidity.get(ticker)
        if not program.is_configured_per_market:
            return _as_the_program_says(own, "the program's, as it is not configured per market")
        if isinstance(own.strategy, EventParameters):
            return _as_the_program_says(own, "the program's, as its stakes are a person's own")
        if rules is None or liquidity is None:
            return _as_the_program_says(own, "the program's, as nothing is known of the market")
        regime, event = self.regime(ticker, now_s), self._events.get(ticker)
        facts = ConfigurationFacts(
            category=rules.category,
            seconds_to_close=(rules.close_time_ms - wall_ms) / 1000,
            liquidity=liquidity.facts,
            regime=regime,
            sigma=None if regime is None else self._regimes[ticker].sigma_dollars_per_sqrt_s,
            event=None
            if event is None or event.is_over
            else EventVolatility(sigma=event.sigma_dollars_per_sqrt_s, jump_e4=event.jump_e4),
        )
        return generate(facts, own, self.limits, self.parameters)

    def record(self, assignment: Assignment, configuration: MarketConfiguration, wall_ms: int) -> Record:
        """Returns the row of a configuration for the Ledger, each number on a line with its reason."""
        rules, regime = self._rules.get(assignment.ticker), configuration.regime
        return Record(
            table="market_configurations",
            values=(
                ("ticker", assignment.ticker),
                ("program", assignment.program),
                ("strategy", assignment.strategy),
                ("category", None if rules is None else rules.category),
                ("profile", configuration.profile),
                ("regime", None if regime is None else regime.value),
                ("numbers", "\n".join(_line(number) for number in configuration.numbers)),
                ("at_ms", wall_ms),
            ),
        )


def _as_the_program_says(own: ProgramNumbers, rule: str) -> MarketConfiguration:
    counts = (own.order_size_e2, own.max_position_e2)
    return MarketConfiguration(
        profile="",
        regime=None,
        order_size_e2=own.order_size_e2,
        max_position_e2=own.max_position_e2,
        strategy=own.strategy,
        volatility=own.volatility,
        numbers=tuple(
            ConfiguredNumber(key=key, value=count_e2 / 100, rule=rule)
            for key, count_e2 in zip(_OWN_SIZES, counts, strict=True)
        ),
    )


def _line(number: ConfiguredNumber) -> str:
    given = ", ".join(f"{name} {value if isinstance(value, str) else f'{value:g}'}" for name, value in number.inputs)
    return f"{number.key} {number.value:g}: {number.rule}{f' ({given})' if given else ''}"
