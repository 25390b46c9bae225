"""MarketSupervisor: one MarketActor per assigned market, each restartable alone.

It obeys assignments: a new one adds a child, a lost one stops it; a switch of owner stops the old actor, and with it
its
targets, before the new one is made. A market that keeps crashing is quarantined and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs
import trio

from actors.market import MarketMaker, MarketParameters
from actors.messages.lifecycle import Heartbeat, KillMarket
from actors.messages.market import Assignment, Assignments, BookView, MarketRules, ProgramTerms
from actors.messages.money import PositionView
from actors.messages.orders import TargetQuotes, WorkingOrders
from actors.refill import RefillMaker
from actors.runtime.child import ChildStatus
from actors.runtime.lifecycle import LifecycleEvent
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
from quant.programs import Program
from quant.quoting.avellaneda_stoikov import AvellanedaStoikovParameters
from quant.quoting.maker import MakerParameters, QuotedBy
from quant.quoting.market_signals import SignalUse
from quant.quoting.refill import EventParameters
from quant.quoting.throttles import ThrottleParameters
from quant.signals.volatility import VolatilityParameters

HEARTBEAT_S = 1.0
GRACE_S = 1.0
SESSIONS = "volatility"  # programs that select so quote on the word of their sessions alone


@attrs.frozen(kw_only=True)
class MarketsParameters:
    """How markets are quoted and supervised; `sizes` and `quoting` are for programs that have none of their own."""

    programs: Mapping[str, Program]
    sizes: MarketParameters
    quoting: AvellanedaStoikovParameters
    volatility: VolatilityParameters
    signals: SignalUse
    throttles: ThrottleParameters
    window: RestartWindow
    quarantine: RestartWindow
    back_off: BackOff


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
    _present: dict[str, Assignment] = attrs.field(factory=dict, init=False)

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
        async with trio.open_nursery() as nursery:
            await nursery.start(self._supervisor.run)
            started()
            while True:
                for message in await self.context.mailbox.receive(timeout_s=HEARTBEAT_S):
                    match message:
                        case Assignments():
                            await self._obey(message)
                        case KillMarket(name=name) if name.removeprefix("market:") in self._present:
                            self._supervisor.kill(name, "killed on purpose")
                        case _:
                            pass
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
            if by_ticker.get(ticker) != present:
                await self._supervisor.remove_child(f"market:{ticker}", reason="not assigned any more")
                self.switchboard.forget(TargetQuotes, ticker)
                del self._present[ticker]
        for ticker, assignment in by_ticker.items():
            if ticker not in self._present:
                self._present[ticker] = assignment
                await self._supervisor.add_child(self._spec(assignment))

    def _spec(self, assignment: Assignment) -> ChildSpec:
        ticker, program = assignment.ticker, self.parameters.programs[assignment.program]

        def factory(context: ChildContext) -> Actor:
            parameters = program.parameters(self.parameters.quoting)
            if isinstance(parameters, EventParameters):
                sizes = _sizes(program, self.parameters.sizes)
                return RefillMaker(context, ticker, assignment.program, parameters, sizes.max_position_e2)
            return MarketMaker(context, ticker, self._maker_parameters(program, parameters))

        keyed: tuple[type, ...] = (BookView, MarketRules, PositionView, WorkingOrders, ProgramTerms)
        return ChildSpec(
            name=f"market:{ticker}",
            factory=factory,
            restart=Restart.PERMANENT,
            grace_s=GRACE_S,
            mailbox_keys=dict.fromkeys(keyed, ticker),
        )

    def _maker_parameters(self, program: Program, strategy: QuotedBy) -> MakerParameters:
        sizes = _sizes(program, self.parameters.sizes)
        return MakerParameters(
            strategy=strategy,
            order_size_e2=sizes.order_size_e2,
            max_position_e2=sizes.max_position_e2,
            volatility=self.parameters.volatility,
            signals=self.parameters.signals,
            throttles=program.throttles or self.parameters.throttles,
            freezes_on_stale_regime=program.freezes_on_stale_regime,
            needs_directive=program.selection.value == SESSIONS,
        )

    def children(self) -> tuple[ChildStatus, ...]:
        """Returns the market actors, for the actor tree."""
        return self._supervisor.children() if hasattr(self, "_supervisor") else ()


def _sizes(program: Program, default: MarketParameters) -> MarketParameters:
    """Returns the sizes of a program's markets: its own where it has them."""
    return MarketParameters(
        order_size_e2=default.order_size_e2 if program.order_size_e2 is None else program.order_size_e2,
        max_position_e2=default.max_position_e2 if program.max_position_e2 is None else program.max_position_e2,
    )
