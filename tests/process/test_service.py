"""The bot as a service manager sees it: real processes, heard on a real notify socket."""

from __future__ import annotations

import itertools
import signal
import time
from pathlib import Path

import pytest

from tests.ops.service_manager import NotifySocket
from tests.process.stage import ROOT, Bot, running_bot, standalone_exchange, wait_until

pytestmark = pytest.mark.process
WATCHDOG_S = 1.5
LEAVING_TIME = "EXTEND_TIMEOUT_USEC=26000000"  # the deadline of a service, not of a terminal, and 6 s more
TIMEOUT_STOP_S = 30.0  # of the unit; it bounds ExecStopPost


def _service_environment(manager: NotifySocket) -> dict[str, str]:
    return {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": str(int(WATCHDOG_S * 1_000_000))}


def _wait_for_line(manager: NotifySocket, start: str, timeout_s: float) -> tuple[str, ...]:
    return manager.wait_for(lambda lines: any(line.startswith(start) for line in lines), start, timeout_s)


def _listen(manager: NotifySocket, seconds: float) -> list[tuple[float, tuple[str, ...]]]:
    """Returns what arrives in the next seconds, with its time."""
    before = len(manager.received)
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        manager.take()
        time.sleep(0.01)
    return manager.received[before:]


def _main_log(bot: Bot) -> str:
    return (bot.folder / "logs" / "main.log").read_text()


@pytest.mark.long
@pytest.mark.parametrize("form", ["path", "abstract"])
def test_ready_watchdog_status_and_stopping_of_a_real_bot(tmp_path: Path, form: str) -> None:
    with (
        NotifySocket(tmp_path, form) as manager,
        standalone_exchange(tmp_path) as exchange,
        running_bot(tmp_path / "bot", {**exchange.environment(), **_service_environment(manager)}) as bot,
    ):
        _wait_for_line(manager, "READY=1", 20)
        assert not any("WATCHDOG=1" in lines for _, lines in manager.received), "nobody is fed before it is ready"
        assert any(line.startswith("EXTEND_TIMEOUT_USEC=") for _, lines in manager.received for line in lines)
        wait_until(lambda: len(exchange.resting()) >= 4, "four orders rest")
        heard = _listen(manager, 4.0)
        pings_s = [at_s for at_s, lines in heard if "WATCHDOG=1" in lines]
        gaps_s = [later - earlier for earlier, later in itertools.pairwise(pings_s)]
        # The median: on a busy machine one may come late, and the manager's limit is the whole interval.
        assert sorted(gaps_s)[len(gaps_s) // 2] < WATCHDOG_S / 2 - 0.1
        assert max(gaps_s) < WATCHDOG_S
        statuses_s = [at_s for at_s, lines in heard if any(line.startswith("STATUS=") for line in lines)]
        assert 1 <= len(statuses_s) <= 6
        assert any("markets quoted, permit given" in line for _, lines in heard for line in lines)

        before = len(manager.received)
        manager.take()
        bot.signal(signal.SIGTERM)
        first = _wait_for_line(manager, "STOPPING=1", 2)
        # What was on its way before the signal may still be heard, but no word of the way out comes before STOPPING.
        assert first[:2] == ("STOPPING=1", LEAVING_TIME)
        assert sum("STATUS=leaving" in line for _, lines in manager.received[before:] for line in lines) == 1
        assert bot.wait(10) == 0, bot.errors()
        manager.take()
        last = manager.received[-1][1]
        assert last[-1].startswith("STATUS=verified flat, exit code 0")
        assert exchange.resting() == []


@pytest.mark.long
@pytest.mark.parametrize("name", ["stop_loss", "feed"])
def test_a_stalled_actor_is_not_fed_for_although_its_task_exists(tmp_path: Path, name: str) -> None:
    """The bot itself goes on: its other actors beat, its loop turns. Only the manager's patience ends."""
    stall = tmp_path / "stall"
    with NotifySocket(tmp_path, "abstract") as manager, standalone_exchange(tmp_path) as exchange:
        environment = {
            **exchange.environment(),
            **_service_environment(manager),
            "STALL_FILE": str(stall),
            "LATE_S": "2.5",
            "PYTHONPATH": str(ROOT),
        }
        program = ROOT / "tests" / "process" / "stalling_bot.py"
        with running_bot(tmp_path / "bot", environment, program=program) as bot:
            _wait_for_line(manager, "READY=1", 20)
            heard = _listen(manager, 3.0)
            assert sum("WATCHDOG=1" in lines for _, lines in heard) >= 4, "all are well: it is fed"
            stall.write_text(name)
            _wait_for_line(manager, f"STATUS=no progress of {name}", 8)
            heard = _listen(manager, 2 * WATCHDOG_S)
            assert not any("WATCHDOG=1" in lines for _, lines in heard), "a real manager has ended it by now"
            assert bot.process.poll() is None
            assert _main_log(bot).count(f"no progress of {name}") == 1
            bot.signal(signal.SIGTERM)
            first = _wait_for_line(manager, "STOPPING=1", 5)
            assert first[:2] == ("STOPPING=1", LEAVING_TIME)
            assert bot.wait(15) == 0, bot.errors()
        assert exchange.resting() == []


@pytest.mark.long
def test_an_exchange_that_does_not_answer_is_waited_for_and_the_manager_knows(tmp_path: Path) -> None:
    with NotifySocket(tmp_path, "path") as manager, standalone_exchange(tmp_path) as exchange:
        environment = {**exchange.environment(), **_service_environment(manager)}
        exchange.process.send_signal(signal.SIGSTOP)
        try:
            with running_bot(tmp_path / "bot", environment) as bot:
                _wait_for_line(manager, "EXTEND_TIMEOUT_USEC=30000000", 10)
                _wait_for_line(manager, "EXTEND_TIMEOUT_USEC=30000000", 10)
                heard = [line for _, lines in manager.received for line in lines]
                assert "READY=1" not in heard
                assert any(line.startswith("STATUS=booting") for line in heard)
                exchange.process.send_signal(signal.SIGCONT)
                _wait_for_line(manager, "READY=1", 20)
                bot.signal(signal.SIGTERM)
                assert bot.wait(15) == 0, bot.errors()
        finally:
            exchange.process.send_signal(signal.SIGCONT)


@pytest.mark.long
def test_an_exchange_that_is_away_for_half_a_minute_is_no_stall(tmp_path: Path) -> None:
    """A restart would not bring it back: every critical actor goes on turning, and the watchdog is fed throughout."""
    with NotifySocket(tmp_path, "path") as manager, standalone_exchange(tmp_path) as exchange:
        environment = {**exchange.environment(), **_service_environment(manager)}
        with running_bot(tmp_path / "bot", environment) as bot:
            _wait_for_line(manager, "READY=1", 20)
            wait_until(lambda: len(exchange.resting()) >= 4, "four orders rest")
            exchange.process.send_signal(signal.SIGSTOP)
            try:
                heard = _listen(manager, 35.0)
            finally:
                exchange.process.send_signal(signal.SIGCONT)
            assert not [line for _, lines in heard for line in lines if "no progress" in line]
            pings_s = [at_s for at_s, lines in heard if "WATCHDOG=1" in lines]
            assert max(b - a for a, b in itertools.pairwise(pings_s)) < 2 * WATCHDOG_S
            assert heard[-1][0] - pings_s[-1] < 2 * WATCHDOG_S
            bot.signal(signal.SIGTERM)
            assert bot.wait(25) == 0, bot.errors()


@pytest.mark.long
def test_a_manager_that_is_gone_is_told_in_the_log_and_changes_nothing(tmp_path: Path) -> None:
    with NotifySocket(tmp_path, "path") as manager:
        gone = _service_environment(manager)
    with (
        standalone_exchange(tmp_path) as exchange,
        running_bot(tmp_path / "bot", {**exchange.environment(), **gone}) as bot,
    ):
        wait_until(lambda: len(exchange.resting()) >= 4, "four orders rest")
        bot.signal(signal.SIGTERM)
        assert bot.wait(15) == 0, bot.errors()
        assert _main_log(bot).count("the service manager cannot be told") == 1
        assert "messages to the service manager were lost" in _main_log(bot)


@pytest.mark.long
def test_what_a_bot_ended_by_the_watchdog_leaves_is_swept_from_outside_with_the_credentials_folder(
    tmp_path: Path,
) -> None:
    """The manager's SIGABRT gives no chance to clean up; the sweep from outside is the net, with its own keys."""
    with standalone_exchange(tmp_path) as exchange:
        environment = exchange.environment()
        credentials = tmp_path / "credentials"
        credentials.mkdir()
        (credentials / "kalshi-access-key").write_text(environment.pop("KALSHI_ACCESS_KEY") + "\n")
        (credentials / "kalshi-private-key").write_bytes(Path(environment.pop("KALSHI_PRIVATE_KEY")).read_bytes())
        environment["CREDENTIALS_DIRECTORY"] = str(credentials)
        with running_bot(tmp_path / "bot", environment) as bot:
            wait_until(lambda: len(exchange.resting()) >= 4, "four orders rest")
            bot.signal(signal.SIGABRT)
            assert bot.wait(5) == -signal.SIGABRT
            assert exchange.resting(), "an aborted bot cannot have cancelled anything"
            began_s = time.monotonic()
            swept = bot.command("sweep")
            assert swept.returncode == 0, swept.stdout + swept.stderr
            assert time.monotonic() - began_s < TIMEOUT_STOP_S
        assert exchange.resting() == []


@pytest.mark.long
def test_the_sweep_from_outside_gives_up_in_time_when_the_exchange_is_away(tmp_path: Path) -> None:
    with standalone_exchange(tmp_path) as exchange, running_bot(tmp_path / "bot", exchange.environment()) as bot:
        wait_until(lambda: len(exchange.resting()) >= 4, "four orders rest")
        bot.signal(signal.SIGKILL)
        bot.wait(5)
        exchange.process.send_signal(signal.SIGSTOP)
        try:
            began_s = time.monotonic()
            swept = bot.command("sweep")
            assert time.monotonic() - began_s < TIMEOUT_STOP_S
            assert swept.returncode == 3, swept.stdout + swept.stderr
        finally:
            exchange.process.send_signal(signal.SIGCONT)
        assert bot.command("sweep").returncode == 0
        assert exchange.resting() == []
