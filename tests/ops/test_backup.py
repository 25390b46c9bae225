"""`backup FILE` from the command line: through the bot's socket where one answers, by itself where none does."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path

import pytest
import trio

from actors.messages.control import ControlCommand, ControlReply
from actors.runtime.exit_guard import ExitCode
from actors.runtime.ledger_store.store import LedgerStore
from ops.backup import back_up_ledger
from ops.control_server import control_socket_path, serve_control
from tests.actors.runtime.ledger_store.builders import ask, fill


def ledger(state: Path, venue: str) -> None:
    store = LedgerStore(state / venue / "ledger.sqlite")
    store.record_fills(((fill(1), "rest"),))
    store.close()


async def test_a_bot_that_runs_is_asked_and_its_answer_is_the_exit_code(tmp_path: Path) -> None:
    asked: list[ControlCommand] = []

    async def answer(command: ControlCommand) -> ControlReply:
        asked.append(command)
        return ControlReply(ok=len(asked) == 1, text="said the bot")

    said: list[str] = []
    path, target = control_socket_path(tmp_path), tmp_path / "copy.sqlite"
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_control, path, answer)
        codes = [
            await trio.to_thread.run_sync(back_up_ledger, tmp_path, path, target, "", said.append) for _ in range(2)
        ]
        nursery.cancel_scope.cancel()
    assert codes == [0, 1]
    assert said == ["said the bot"] * 2
    assert (asked[0].word, asked[0].arguments) == ("backup", (("file", str(target)),))


def test_without_a_bot_the_file_is_copied_from_here_though_a_killed_one_left_its_socket(tmp_path: Path) -> None:
    ledger(tmp_path, "simulated")
    path, said = control_socket_path(tmp_path), list[str]()
    with closing(socket.socket(socket.AF_UNIX)) as left:
        left.bind(str(path))
    assert back_up_ledger(tmp_path, path, tmp_path / "copy.sqlite", "", said.append) == 0
    assert "copying from here" in said[0]
    assert ask(tmp_path / "copy.sqlite", "SELECT COUNT(*) FROM fills") == [(1,)]


def test_of_several_ledgers_one_is_to_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for venue in ("demo", "simulated"):
        ledger(tmp_path, venue)
    path, target = control_socket_path(tmp_path), tmp_path / "copy.sqlite"
    assert back_up_ledger(tmp_path, path, target, "", print) == ExitCode.USAGE
    assert "demo, simulated" in capsys.readouterr().err
    assert back_up_ledger(tmp_path, path, target, "demo", print) == 0
    assert back_up_ledger(tmp_path, path, target, "demo", print) == 1
    assert "exists already" in capsys.readouterr().err
