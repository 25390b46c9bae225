"""MarketSupervisor: one MarketActor per assigned market, each restartable alone.

It obeys assignments: a new one adds a child, a lost one stops it; a switch of owner stops the old actor, and with it
its targets, before the new one is made. A market that keeps crashing is quarantined and the others go on.

Each market is configured when it is assigned (actors.market_configurer), and anew when its regime has changed and
that makes other numbers, no more often than the settings say. A crash changes nothing: the next incarnation is quoted
with the same configuration. Every configuration is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs
import trio

from actors.market import MarketMaker, MarketParameters
from actors.market_configurer import MarketConfigurer
from actors.messages.lifecycle import Heartbeat, KillMarket
from actors.messages.market import Assignment, Assignments, BookView, MarketRules, ProgramTerms
from actors.messages.money import PositionView
from actors.messages.orders import TargetQuotes, WorkingOrders
from actors.messages.volatility import QuoteDirective
from actors.refill import RefillMaker
from actors.runtime.child import ChildStatus
from actors.runtime.lifecycle import LifecycleEvent
from actors.runtime.pacer import Pacer
from actors.runtime.supervisor import (
    Actor,
    BackOff,
    ChildContext,
    ChildSpec,
    Log,
    Restart,
    RestartWindow,
    Supervisor,
)
from actors.runtime.switchboard import Switchboard
from quant.market_configuration import ConfigurationLimits, MarketConfiguration
from quant.market_profiles import MarketConfigurationParameters
from quant.programs import Program, SelectionKind
from quant.quoting.avellaneda_stoikov import AvellanedaStoikovParameters
from quant.quoting.maker import MakerParameters, QuotedBy
from quant.quoting.market_signals import SignalUse
from quant.quoting.refill import EventParameters
from quant.quoting.throttles import ThrottleParameters
from quant.signals.volatility import VolatilityParameters

HEARTBEAT_S = 1.0
GRACE_S = 1.0


@attrs.frozen(kw_only=True)
class MarketsParameters:
    """How markets are quoted and supervised; `sizes` and `quoting` are for programs that have none of their own."""

    programs: Mapping[str, Program]
    sizes: MarketParameters
    quoting: AvellanedaStoikovParameters
    volatility: VolatilityParameters
    configuration: MarketConfigurationParameters
    limits: ConfigurationLimits
    signals: SignalUse
    throttles: ThrottleParameters
    window: RestartWindow
    quarantine: RestartWindow
    back_off: BackOff


@attrs.frozen
class _Present:
    """A market that has a child: whose it is, what it is quoted with, and since when (monotonic)."""

    assignment: Assignment
    configuration: MarketConfiguration
    since_s: float


@attrs.define(eq=False)
class MarketSupervisor:
    """The actor; see the module."""

    context: ChildContext
    parameters: MarketsParameters
    switchboard: Switchboard
    on_lifecycle: Callable[[LifecycleEvent], None]
    log_for: Callable[[str], Log]
    fatal: tuple[type[BaseException], ...]
    _supervisor: Supervisor = attrs.field(init=False)
    _configurer: MarketConfigurer = attrs.field(init=False)
    _pacer: Pacer = attrs.field(init=False)
    _present: dict[str, _Present] = attrs.field(factory=dict, init=False)

    async def run(self, started: Callable[[], None]) -> None:
        """Keeps the children in line with the assignments. Raises Escalated when they crash too often."""
        self._supervisor = Supervisor(
            self.context.name,
            (),
            window=self.parameters.window,
            back_off=self.parameters.back_off,
            quarantine=self.parameters.quarantine,
            switchboard=self.switchboard,
            seams=self.context.seams,
            on_lifecycle=self.on_lifecycle,
            log_for=self.log_for,
            fatal=self.fatal,
        )
        self._pacer = Pacer(self.context.seams.now)
        parameters = self.parameters
        self._configurer = MarketConfigurer(
            parameters.configuration, parameters.limits, parameters.sizes, parameters.quoting, parameters.volatility
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(self._supervisor.run)
            started()
            while True:
                batch = await self.context.mailbox.receive(timeout_s=HEARTBEAT_S)
                for message in batch:
                    self._configurer.hear(message)
                for message in batch:
                    match message:
                        case Assignments():
                            await self._obey(message)
                        case KillMarket(name=name) if name.removeprefix("market:") in self._present:
                            self._supervisor.kill(name, "killed on purpose")
                        case _:
                            pass
                await self._follow_regimes()
                self.context.outbox.publish(
                    Heartbeat(
                        actor=self.context.name,
                        incarnation=self.context.incarnation,
                        at_s=self.context.seams.now(),
                    )
                )

    async def _obey(self, wanted: Assignments) -> None:
        by_ticker = {assignment.ticker: assignment for assignment in wanted.assignments}
        for ticker, present in list(self._present.items()):
            if by_ticker.get(ticker) != present.assignment:
                await self._remove(ticker, "not assigned any more")
        for ticker, assignment in by_ticker.items():
            if ticker not in self._present:
                await self._add(assignment, self._configured(assignment))

    async def _follow_regimes(self) -> None:
        """Starts a market anew where its regime has changed, it is time, and other numbers come of it."""
        now_s = self.context.seams.now()
        for ticker, present in list(self._present.items()):
            regime = self._configurer.regime(ticker, now_s)
            is_time = now_s - present.since_s >= self.parameters.configuration.reconfigure_after_s
            if regime is None or regime is present.configuration.regime or not is_time:
                continue
            configuration = self._configured(present.assignment)
            if configuration.regime is not None and _differs(configuration, present.configuration):
                await self._remove(ticker, f"configured anew for {regime.value}")
                await self._add(present.assignment, configuration)

    def _configured(self, assignment: Assignment) -> MarketConfiguration:
        seams, program = self.context.seams, self.parameters.programs[assignment.program]
        return self._configurer.configured(assignment.ticker, program, seams.now(), seams.wall_ms())

    async def _remove(self, ticker: str, reason: str) -> None:
        await self._supervisor.remove_child(f"market:{ticker}", reason=reason)
        self.switchboard.forget(TargetQuotes, ticker)
        del self._present[ticker]

    async def _add(self, assignment: Assignment, configuration: MarketConfiguration) -> None:
        seams = self.context.seams
        self._present[assignment.ticker] = _Present(assignment, configuration, seams.now())
        await self._supervisor.add_child(self._spec(assignment, configuration))
        await self.context.outbox.send(self._configurer.record(assignment, configuration, seams.wall_ms()))

    def _spec(self, assignment: Assignment, configuration: MarketConfiguration) -> ChildSpec:
        ticker, program = assignment.ticker, self.parameters.programs[assignment.program]
        strategy = configuration.strategy

        def factory(context: ChildContext) -> Actor:
            if isinstance(strategy, EventParameters):
                return RefillMaker(context, ticker, assignment.program, strategy, configuration.max_position_e2)
            parameters = self._maker_parameters(program, strategy, configuration)
            return MarketMaker(context, ticker, assignment.program, parameters, self._pacer)

        keyed: tuple[type, ...] = (BookView, MarketRules, PositionView, WorkingOrders, ProgramTerms, QuoteDirective)
        return ChildSpec(
            name=f"market:{ticker}",
            factory=factory,
            restart=Restart.PERMANENT,
            grace_s=GRACE_S,
            mailbox_keys=dict.fromkeys(keyed, ticker),
        )

    def _maker_parameters(
        self, program: Program, strategy: QuotedBy, configuration: MarketConfiguration
    ) -> MakerParameters:
        return MakerParameters(
            strategy=strategy,
            order_size_e2=configuration.order_size_e2,
            max_position_e2=configuration.max_position_e2,
            volatility=configuration.volatility,
            signals=self.parameters.signals,
            throttles=program.throttles or self.parameters.throttles,
            freezes_on_stale_regime=program.freezes_on_stale_regime,
            needs_directive=program.selection is SelectionKind.VOLATILITY,
        )

    def children(self) -> tuple[ChildStatus, ...]:
        """Returns the market actors, for the actor tree."""
        return self._supervisor.children() if hasattr(self, "_supervisor") else ()


def _differs(one: MarketConfiguration, other: MarketConfiguration) -> bool:
    """Whether two configurations would quote differently from now on; where sigma starts is past by then."""
    return (one.order_size_e2, one.max_position_e2, one.strategy) != (
        other.order_size_e2,
        other.max_position_e2,
        other.strategy,
    )
