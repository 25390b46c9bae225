"""Writes down for people what the actors themselves do not: boots, programs, runs, samples of markets, positions.

It is a part of the outer scope and sees what everybody may see: the snapshot of each second, positions, switches,
alerts. Its rows go to the Ledger; it never waits for it. What finds no room is said again a second later where it
must not be missing (boots, programs, runs), and is left out where it is a sample.

A run is one market in the hands of one program, from assignment to release. Its row is written when it begins, again
at each sample and when it ends, so that a process that is killed leaves it as of the last sample.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import attrs

from actors.messages.control import MarketRow, SystemSnapshot
from actors.messages.lifecycle import Alert, Switches
from actors.messages.money import PositionView, Record
from actors.messages.table import MARKETS_MAX
from actors.runtime.child import Log
from actors.runtime.mailbox import Mailbox
from actors.runtime.seams import Seams
from actors.runtime.switchboard import Outbox
from ops.settings_convert import plain
from quant.programs import Program

Value = str | int | float | None
RELEASED = "the program gave the market up"
UNSAID_MAX = 4_096  # rows that wait for room; a Ledger that is away for longer has ended the bot


@attrs.define
class _Run:
    run_id: str
    program: str
    strategy: str
    ticker: str
    started_ms: int
    pnl_at_start_e6: int
    pnl_e6: int = 0


@attrs.define
class RecordKeeper:
    """See the module."""

    mailbox: Mailbox
    outbox: Outbox
    seams: Seams
    log: Log
    boot: str
    venue: str
    mode: str
    programs: Mapping[str, Program]
    sample_every_s: float
    _runs: dict[str, _Run] = attrs.field(factory=dict, init=False)  # by ticker
    _unsaid: dict[str, Record] = attrs.field(factory=dict, init=False)  # by key: at most one per run and program
    _positions: dict[str, PositionView] = attrs.field(factory=dict, init=False)
    _enabled: dict[str, bool] = attrs.field(factory=dict, init=False)
    _started_ms: int = attrs.field(default=0, init=False)
    _sample_at_s: float = attrs.field(default=0.0, init=False)

    async def run(self) -> None:
        """Records until cancelled."""
        self._started_ms = self.seams.wall_ms()
        self._must_say("boot", self._boot_row(self._started_ms))
        self._programs(Switches())
        while True:
            for message in await self.mailbox.receive():
                self._take(message)
            self._say_again()

    def last_rows(self, reason: str, at_ms: int) -> tuple[Record, ...]:
        """Returns the rows that end this boot, with those that found no room before."""
        ended = [_run_row(self.boot, run, at_ms, "the bot ended") for run in self._runs.values()]
        return (*self._unsaid.values(), *ended, self._boot_row(at_ms, at_ms, reason))

    def _take(self, message: object) -> None:
        match message:
            case Alert():
                self.log.warning(f"alert {message.code} from {message.actor}: {message.text}")
                self._say("alerts", **attrs.asdict(message))
            case PositionView():
                self._position(message)
            case Switches():
                self._programs(message)
            case SystemSnapshot():
                self._snapshot(message)
            case _:
                pass

    # -- programs and runs --

    def _programs(self, switches: Switches) -> None:
        for name, program in self.programs.items():
            is_enabled = switches.is_enabled(name, program.is_enabled)
            if self._enabled.get(name) != is_enabled:
                self._enabled[name] = is_enabled
                row = _row(
                    "programs",
                    boot=self.boot,
                    program=name,
                    strategy=program.strategy.value,
                    selection=program.selection.value,
                    is_enabled=int(is_enabled),
                    parameters=json.dumps(plain(program), sort_keys=True, default=str),
                    at_ms=self.seams.wall_ms(),
                )
                self._must_say(f"program {name}", row)

    def _snapshot(self, snapshot: SystemSnapshot) -> None:
        markets = {row.ticker: row for row in snapshot.markets}
        for run in tuple(self._runs.values()):
            self._end_or_go_on(run, markets.get(run.ticker), snapshot.at_ms)
        for row in snapshot.markets:
            if row.program and row.ticker not in self._runs:
                self._begin(row, snapshot.at_ms)
        if self.seams.now() >= self._sample_at_s:
            self._sample_at_s = self.seams.now() + self.sample_every_s
            self._sample(snapshot)

    def _begin(self, row: MarketRow, at_ms: int) -> None:
        run = self._runs[row.ticker] = _Run(
            run_id=f"{self.boot}-{row.ticker}-{at_ms}",
            program=row.program,
            strategy=row.strategy,
            ticker=row.ticker,
            started_ms=at_ms,
            pnl_at_start_e6=row.pnl_e6,
        )
        self._must_say(run.run_id, _run_row(self.boot, run, None, ""))

    def _end_or_go_on(self, run: _Run, row: MarketRow | None, at_ms: int) -> None:
        if row is not None:
            run.pnl_e6 = row.pnl_e6 - run.pnl_at_start_e6
        if row is None or (row.program, row.strategy) != (run.program, run.strategy):
            del self._runs[run.ticker]
            self._must_say(run.run_id, _run_row(self.boot, run, at_ms, RELEASED))

    def _boot_row(self, heard_ms: int, ended_ms: int | None = None, reason: str = "") -> Record:
        return _row(
            "boots",
            boot=self.boot,
            venue=self.venue,
            mode=self.mode,
            started_ms=self._started_ms,
            heard_ms=heard_ms,
            ended_ms=ended_ms,
            reason=reason,
        )

    # -- samples --

    def _sample(self, snapshot: SystemSnapshot) -> None:
        self._must_say("boot", self._boot_row(snapshot.at_ms))
        for run in self._runs.values():
            self._must_say(run.run_id, _run_row(self.boot, run, None, ""))
        for row in snapshot.markets[:MARKETS_MAX]:
            bid, ask = row.own_bid, row.own_ask
            self._say(
                "market_snapshots",
                run_id=self._run_id(row.ticker),
                ticker=row.ticker,
                at_ms=snapshot.at_ms,
                condition=row.condition,
                best_bid_e4=row.best_bid_e4,
                best_ask_e4=row.best_ask_e4,
                own_bid_e4=bid.price_e4 if bid is not None else None,
                own_ask_e4=ask.price_e4 if ask is not None else None,
                own_bid_e2=bid.remaining_e2 if bid is not None else None,
                own_ask_e2=ask.remaining_e2 if ask is not None else None,
                position_e2=row.position_e2,
                pnl_e6=row.pnl_e6,
            )

    def _position(self, view: PositionView) -> None:
        """Records a position that changed; the first one heard of a market is where its history begins."""
        before = self._positions.pop(view.ticker, view)
        self._positions[view.ticker] = view  # last in order: the one silent longest goes first
        if len(self._positions) > MARKETS_MAX:
            del self._positions[next(iter(self._positions))]
        has_changed = (before.position_e2, before.realised_e6) != (view.position_e2, view.realised_e6)
        if has_changed or (before is view and view.position_e2):
            self._say(
                "position_history",
                run_id=self._run_id(view.ticker),
                ticker=view.ticker,
                at_ms=self.seams.wall_ms(),
                position_before_e2=before.position_e2,
                position_e2=view.position_e2,
                average_entry_e4=view.average_entry_e4,
                realised_before_e6=before.realised_e6,
                realised_e6=view.realised_e6,
                unrealised_e6=view.unrealised_e6,
                fees_e6=view.fees_e6,
                mark_e4=view.mark_e4,
                watermark=view.watermark,
            )

    def _run_id(self, ticker: str) -> str | None:
        run = self._runs.get(ticker)
        return run.run_id if run is not None else None

    # -- sending --

    def _say(self, table: str, **values: Value) -> None:
        self.outbox.try_send(_row(table, **values))

    def _must_say(self, key: str, record: Record) -> None:
        self._unsaid.pop(key, None)
        if not self.outbox.try_send(record):
            self._unsaid[key] = record
            if len(self._unsaid) > UNSAID_MAX:
                del self._unsaid[next(iter(self._unsaid))]

    def _say_again(self) -> None:
        for key, record in tuple(self._unsaid.items()):
            self._must_say(key, record)


def _row(table: str, **values: Value) -> Record:
    return Record(table=table, values=tuple(values.items()))


def _run_row(boot: str, run: _Run, ended_ms: int | None, end_reason: str) -> Record:
    return _row(
        "strategy_runs",
        run_id=run.run_id,
        boot=boot,
        program=run.program,
        strategy=run.strategy,
        ticker=run.ticker,
        started_ms=run.started_ms,
        ended_ms=ended_ms,
        end_reason=end_reason,
        pnl_at_start_e6=run.pnl_at_start_e6,
        pnl_e6=run.pnl_e6,
    )
