"""What the outer scope writes down: boots, programs and their switches, runs, samples, changes of positions."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from actors.messages.control import MarketRow, SystemSnapshot, Totals
from actors.messages.lifecycle import Alert, Switches
from actors.messages.money import PositionView, Record
from actors.messages.table import CHANNELS
from actors.runtime.seams import Seams, real_seams
from actors.runtime.switchboard import Switchboard
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from ops import record_keeper
from ops.record_keeper import RecordKeeper
from quant.programs import Program


class Log:
    """What was said, by whoever asks."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __getattr__(self, level: str) -> Callable[..., None]:
        return lambda text, *_: self.lines.append(f"{level}: {text}")


class Stage:
    def __init__(self, programs: dict[str, Program] | None = None) -> None:
        self.at_ms = 1_000
        self.switchboard = Switchboard(CHANNELS, trio.current_time)
        self.ledger = self.switchboard.mailbox("ledger")
        seams = Seams(
            now=trio.current_time,
            wall_ms=lambda: self.at_ms,
            rng=random.Random(1),
            new_id=lambda: "id",
            offload=real_seams().offload,
        )
        self.log = Log()
        self.keeper = RecordKeeper(
            mailbox=self.switchboard.mailbox("records"),
            outbox=self.switchboard.outbox("records"),
            seams=seams,
            log=self.log,
            boot="b",
            venue="v",
            mode="simulated",
            programs=programs if programs is not None else {"p": Program()},
            sample_every_s=60.0,
        )

    async def hears(self, sender: str, message: object) -> list[Record]:
        """Lets the keeper hear something; returns what it wrote down."""
        self.switchboard.outbox(sender).publish(message)
        await trio.testing.wait_all_tasks_blocked()
        return await self.rows()

    async def rows(self) -> list[Record]:
        return [m for m in await self.ledger.receive(timeout_s=0) if isinstance(m, Record)]


def values(record: Record) -> dict[str, Any]:
    return {"table": record.table, **dict(record.values)}


def picture(at_ms: int, *markets: MarketRow) -> SystemSnapshot:
    zero = MoneyE6(0)
    totals = Totals(
        cash_e6=zero, marks_e6=zero, realised_e6=zero, unrealised_e6=zero, fees_e6=zero, pnl_e6=zero, is_exact=True,
        fills=0, contracts_e2=CountE2(0), orders_resting=0, orders_unknown=0,
    )  # fmt: skip
    return SystemSnapshot(
        at_ms=at_ms, up_s=1.0, mode="simulated", venue="v", boot="b", permit="given", permit_reasons=(), feed="",
        discovery="", markets=markets, actors=(), totals=totals, write_tokens=0.0, loop_worst_ms=0.0, loop_blocks=0,
    )  # fmt: skip


def market(ticker: str, program: str = "p", pnl_e6: int = 0) -> MarketRow:
    return MarketRow(
        ticker=ticker, category="c", condition="fresh", best_bid_e4=PriceE4(4_500), best_ask_e4=PriceE4(4_700),
        own_bid=None, own_ask=None, position_e2=CountE2(0), pnl_e6=MoneyE6(pnl_e6), reasons=(), program=program,
        strategy="touch",
    )  # fmt: skip


def position(position_e2: int, realised_e6: int = 0, ticker: str = "A") -> PositionView:
    return PositionView(
        ticker=ticker, position_e2=CountE2(position_e2), average_entry_e4=None, realised_e6=MoneyE6(realised_e6),
        unrealised_e6=MoneyE6(0), fees_e6=MoneyE6(0), mark_e4=None, watermark=1,
    )  # fmt: skip


async def started(nursery: trio.Nursery, stage: Stage) -> list[Record]:
    nursery.start_soon(stage.keeper.run)
    await trio.testing.wait_all_tasks_blocked()
    return await stage.rows()


async def test_a_boot_and_its_programs_are_written_at_once_and_a_program_again_when_it_is_switched(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage({"p": Program(), "off": Program(is_enabled=False)})
    async with trio.open_nursery() as nursery:
        rows = [values(row) for row in await started(nursery, stage)]
        assert [row["table"] for row in rows] == ["boots", "programs", "programs"]
        assert [(row["program"], row["is_enabled"]) for row in rows[1:]] == [("p", 1), ("off", 0)]
        assert '"selection": "scored"' in rows[1]["parameters"]
        (switched,) = await stage.hears("outer", Switches(programs=(("off", True),)))
        assert (values(switched)["program"], values(switched)["is_enabled"]) == ("off", 1)
        assert await stage.hears("outer", Switches(killed=True, programs=(("off", True),))) == []
        nursery.cancel_scope.cancel()


async def test_a_run_is_from_assignment_to_release_and_has_the_pnl_of_its_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        await started(nursery, stage)
        rows = [values(row) for row in await stage.hears("snapshot", picture(5_000, market("A", pnl_e6=10)))]
        (begun, *_) = [row for row in rows if row["table"] == "strategy_runs"]
        assert (begun["run_id"], begun["ended_ms"], begun["pnl_at_start_e6"]) == ("b-A-5000", None, 10)
        assert [row["run_id"] for row in rows if row["table"] == "market_snapshots"] == ["b-A-5000"]
        assert await stage.hears("snapshot", picture(6_000, market("A", pnl_e6=17))) == []
        ended, next_one = await stage.hears("snapshot", picture(7_000, market("A", program="q", pnl_e6=30)))
        assert values(ended)["run_id"] == "b-A-5000"
        assert (values(ended)["ended_ms"], values(ended)["pnl_e6"]) == (7_000, 20)
        assert (values(next_one)["program"], values(next_one)["run_id"]) == ("q", "b-A-7000")
        (gone,) = await stage.hears("snapshot", picture(8_000))
        assert values(gone)["end_reason"] == record_keeper.RELEASED
        nursery.cancel_scope.cancel()


async def test_samples_come_at_their_interval(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        await started(nursery, stage)
        samples = 0
        for second in range(121):
            rows = await stage.hears("snapshot", picture(second * 1_000, market("A"), market("B")))
            samples += sum(row.table == "market_snapshots" for row in rows)
            await trio.sleep(1)
        assert samples == 2 * 3
        nursery.cancel_scope.cancel()


async def test_a_position_is_written_when_it_changes_and_only_then(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        await started(nursery, stage)
        wake = picture(1, market("A"))
        await stage.hears("snapshot", wake)

        async def heard(view: PositionView) -> list[tuple[int, int, int]]:
            stage.switchboard.outbox("portfolio_risk").publish(view)
            rows = [values(row) for row in await stage.hears("snapshot", wake)]
            return [(r["position_before_e2"], r["position_e2"], r["realised_before_e6"]) for r in rows]

        assert await heard(position(0)) == []
        assert await heard(position(300)) == [(0, 300, 0)]
        assert await heard(attrs.evolve(position(300), unrealised_e6=MoneyE6(7))) == []
        assert await heard(position(300, realised_e6=5)) == [(300, 300, 0)]
        assert await heard(position(500, ticker="B")) == [(500, 500, 0)]  # found at the start of this boot
        nursery.cancel_scope.cancel()


async def test_what_must_not_be_missed_is_said_again_when_there_is_room(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        await started(nursery, stage)
        filler = Record(table="alerts", values=())
        outbox = stage.switchboard.outbox("records")
        while outbox.try_send(filler):
            pass
        stage.switchboard.outbox("snapshot").publish(picture(1, market("A")))
        await trio.testing.wait_all_tasks_blocked()
        assert all(row is filler for row in await stage.rows())
        rows = await stage.hears("snapshot", picture(2, market("A")))
        assert {row.table for row in rows} == {"boots", "strategy_runs"}
        nursery.cancel_scope.cancel()


async def test_the_last_rows_end_the_boot_and_its_runs(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        await started(nursery, stage)
        await stage.hears("snapshot", picture(1, market("A")))
        run, boot = (values(row) for row in stage.keeper.last_rows("asked to stop", 9_000))
        assert (run["table"], run["ended_ms"]) == ("strategy_runs", 9_000)
        assert (boot["started_ms"], boot["ended_ms"], boot["reason"]) == (1_000, 9_000, "asked to stop")
        nursery.cancel_scope.cancel()


async def test_an_alert_is_logged_and_kept(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        await started(nursery, stage)
        (row,) = await stage.hears("wire", Alert(code="c", severity="error", actor="wire", text="t", at_ms=5))
        assert values(row) == {
            "table": "alerts",
            "code": "c",
            "severity": "error",
            "actor": "wire",
            "text": "t",
            "at_ms": 5,
        }
        assert stage.log.lines == ["warning: alert c from wire: t"]
        nursery.cancel_scope.cancel()
