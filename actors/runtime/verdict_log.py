"""What those who judge markets said, for the Ledger: verdicts that differ from those before, and one row per run.

A verdict stands until the next one of the same market, so that a run over sixty thousand markets writes little but its
first time. What was said is remembered as a number of eight bytes; past `VERDICTS_KEPT_MAX` markets a verdict is said
again at every run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import attrs
import trio

from actors.messages.market import DiscoveryReport
from actors.messages.money import MarketVerdict, Record, RecordVerdicts
from actors.runtime.supervisor import ChildContext
from quant.programs import ProgramSelection
from quant.rewards.ledger import RewardLedger
from quant.selection.series import SelectionVerdict
from quant.steps import slices

VERDICTS_KEPT_MAX: Final = 200_000  # over all programs
VERDICTS_AT_ONCE: Final = 500
REASONS_TOLD_MAX: Final = 20


@attrs.define(eq=False)
class VerdictLog:
    """The verdicts said so far; see the module."""

    context: ChildContext
    _said: dict[str, dict[str, int]] = attrs.field(factory=dict, init=False)

    async def record(self, program: str, verdicts: Sequence[SelectionVerdict]) -> None:
        """Records those of the verdicts that are new, slice by slice."""
        for part in slices(verdicts, VERDICTS_AT_ONCE):
            batch = tuple(
                MarketVerdict(ticker=verdict.ticker, is_selected=verdict.is_selected, reasons=verdict.reasons)
                for verdict in part
                if self._is_new(program, verdict)
            )
            if batch:
                at_ms = self.context.seams.wall_ms()
                await self.context.outbox.send(RecordVerdicts(program=program, verdicts=batch, at_ms=at_ms))
            await trio.lowlevel.checkpoint()

    def _is_new(self, program: str, verdict: SelectionVerdict) -> bool:
        said = self._said.setdefault(program, {})
        meaning = hash((verdict.is_selected, verdict.reasons))
        if said.get(verdict.ticker) == meaning:
            return False
        if verdict.ticker in said or sum(map(len, self._said.values())) < VERDICTS_KEPT_MAX:
            said[verdict.ticker] = meaning
        return True

    async def report(
        self,
        program: str,
        scanned: int,
        selection: ProgramSelection,
        refused: Counter[str],
        rewards: RewardLedger,
    ) -> None:
        """Publishes what a run looked at and chose, and records it."""
        eligible, selected = selection.eligible, tuple(ticker for ticker, _ in selection.wanted)
        report = DiscoveryReport(
            program=program,
            scanned=scanned,
            eligible=eligible,
            selected=selected,
            rejected_by_reason=tuple(refused.most_common(REASONS_TOLD_MAX)),
            at_ms=self.context.seams.wall_ms(),
            rewards_shadow_e6=rewards.shadow_open_e6,
            rewards_booked_e6=rewards.booked_e6,
        )
        self.context.outbox.publish(report)
        self.context.log.info(f"{program}: {scanned} markets, {eligible} eligible, {len(selected)} selected")
        values = (
            ("program", program),
            ("scanned", scanned),
            ("eligible", eligible),
            ("selected", " ".join(selected)),
            ("rejected", "; ".join(f"{count} {reason}" for reason, count in report.rejected_by_reason)),
            ("at_ms", report.at_ms),
        )
        await self.context.outbox.send(Record(table="discovery_runs", values=values))
