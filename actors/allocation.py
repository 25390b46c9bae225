"""AllocationActor: from the claims of all programs to one owner per market, within the market cap."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from actors.messages.lifecycle import Heartbeat
from actors.messages.market import Assignment, Assignments, ProgramClaims, WantedMarkets
from actors.runtime.supervisor import ChildContext
from quant.allocation import AllocationParameters, Claim, allocate
from quant.allocation import Assignment as Owner
from quant.programs import Program

EVERY_S = 1.0


@attrs.define(eq=False)
class Allocation:
    """The actor; see the module."""

    context: ChildContext
    parameters: AllocationParameters
    programs: Mapping[str, Program]
    _claims: dict[str, ProgramClaims] = attrs.field(factory=dict, init=False)
    _owners: tuple[Owner, ...] = attrs.field(default=(), init=False)

    async def run(self, started: Callable[[], None]) -> None:
        """Serves until cancelled."""
        started()
        while True:
            for message in await self.context.mailbox.receive(timeout_s=EVERY_S):
                if isinstance(message, ProgramClaims):
                    self._claims[message.program] = message
            self._allocate()

    def _allocate(self) -> None:
        now_s = self.context.seams.now()
        claims = [
            Claim(
                program=program.program,
                ticker=claim.ticker,
                priority=program.priority,
                expires_at_s=program.expires_at_s,
                score=claim.score,
            )
            for program in self._claims.values()
            if program.program in self.programs
            for claim in program.claims
        ]
        outcome = allocate(claims, self._owners, now_s, self.parameters)
        self.context.outbox.publish(Heartbeat(actor="allocation", incarnation=self.context.incarnation, at_s=now_s))
        if outcome.assignments == self._owners and self._owners:
            return
        for added in (*outcome.added, *outcome.switched):
            self.context.log.info(f"{added.ticker} goes to {added.program}")
        for removed in outcome.removed:
            self.context.log.info(f"{removed.ticker} is given up")
        self._owners = outcome.assignments
        assignments = tuple(
            Assignment(ticker=owner.ticker, program=owner.program, strategy=self.programs[owner.program].strategy.value)
            for owner in self._owners
        )
        self.context.outbox.publish(Assignments(assignments=assignments))
        self.context.outbox.publish(
            WantedMarkets(owner="allocation", tickers=tuple(sorted(a.ticker for a in assignments)))
        )
