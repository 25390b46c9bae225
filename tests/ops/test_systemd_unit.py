"""The unit files: accepted by systemd's own checks, closed enough, and in step with the bot's deadlines.

What they do under a running systemd: tests/process/test_systemd.py.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from actors.runtime.exit_guard import FINAL_CODES
from ops.credentials import ACCESS_KEY_FILE, PRIVATE_KEY_FILE
from ops.outside_sweep import DEADLINE_S
from ops.running import LAST_RESORT_S
from ops.service_watch import EXTEND_EVERY_S, EXTEND_S, LATE_S, START_MAX_S, look_every_s
from ops.settings import Settings
from ops.settings_rules import SYSTEMD_STOP_S

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "ops" / "systemd" / "kalshi-bot.service"
SWEEP_UNIT = UNIT.with_name("kalshi-bot-sweep.service")
EXPOSURE_MAX = 1.5
# What CI sets, so that a missing tool cannot pass there for a passed test.
REQUIRED_VARIABLE = "SYSTEMD_ANALYZE_REQUIRED"
# Reading journals, finding the venue and closing connections, around the sweep's own deadline.
SWEEP_AROUND_S = 5.0


def _settings(path: Path = UNIT) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        name, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def _seconds(name: str) -> float:
    (value,) = _settings()[name]
    return float(value.removesuffix("s"))


def _analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        sentence = "systemd-analyze is not installed here (package systemd), so the unit file is not checked"
        if os.environ.get(REQUIRED_VARIABLE):
            pytest.fail(sentence)
        pytest.skip(sentence)
    return subprocess.run([tool, *arguments], capture_output=True, text=True, timeout=60, check=False)


def _installed_here(folder: Path, text: str, name: str = UNIT.name) -> Path:
    """Returns the unit with this checkout in the place of the program's folder: verify looks whether programs exist."""
    program = folder / "program"
    (program / ".venv" / "bin").mkdir(parents=True)
    (program / "docs").mkdir()
    (program / ".venv" / "bin" / "python").symlink_to("/bin/sh")
    unit = folder / name
    (installed,) = _settings()["WorkingDirectory"]
    unit.write_text(text.replace(installed, str(program)))
    return unit


@pytest.mark.parametrize("path", [UNIT, SWEEP_UNIT], ids=lambda path: path.stem)
def test_systemd_verifies_the_unit_without_a_word(tmp_path: Path, path: Path) -> None:
    verified = _analyze("verify", str(_installed_here(tmp_path, path.read_text(), path.name)))
    assert verified.returncode == 0, verified.stderr
    assert path.name not in verified.stdout + verified.stderr, "a warning about a line of ours"


def test_systemd_would_refuse_a_unit_with_an_unknown_setting(tmp_path: Path) -> None:
    wrong = UNIT.read_text().replace("WatchdogSec=", "WatchdogSeconds=")
    verified = _analyze("verify", str(_installed_here(tmp_path, wrong)))
    assert "WatchdogSeconds" in verified.stdout + verified.stderr


@pytest.mark.parametrize("path", [UNIT, SWEEP_UNIT], ids=lambda path: path.stem)
def test_the_exposure_score_is_low_enough(path: Path) -> None:
    threshold = str(int(EXPOSURE_MAX * 10))
    scored = _analyze("security", "--offline=true", f"--threshold={threshold}", "--no-pager", str(path))
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", scored.stdout)
    assert found is not None, scored.stdout + scored.stderr
    assert float(found.group(1)) <= EXPOSURE_MAX
    assert scored.returncode == 0, scored.stdout


def test_the_stop_timeout_covers_the_way_out_and_the_sweep_from_outside() -> None:
    drain_s = Settings().shutdown.service_s
    stop_s = _seconds("TimeoutStopSec")
    assert stop_s > drain_s + LAST_RESORT_S
    assert stop_s > DEADLINE_S + SWEEP_AROUND_S
    assert stop_s == SYSTEMD_STOP_S, "the settings are checked against this figure"


def test_the_watchdog_is_the_last_hand_and_pinged_in_time() -> None:
    watchdog_s = _seconds("WatchdogSec")
    orders = Settings().orders
    assert look_every_s(watchdog_s) < watchdog_s / 2
    assert orders.heartbeat_withdraw_s < LATE_S, "quotes are withdrawn before the bot is ended"
    assert LATE_S + watchdog_s < orders.lease_floor_s


def test_the_start_timeout_bears_the_pace_of_the_extensions() -> None:
    assert EXTEND_EVERY_S < EXTEND_S / 2
    assert _seconds("TimeoutStartSec") >= START_MAX_S


def test_codes_that_no_restart_mends_prevent_it() -> None:
    (codes,) = _settings()["RestartPreventExitStatus"]
    assert {int(code) for code in codes.split()} == {int(code) for code in FINAL_CODES}


def test_what_must_stand_in_the_unit_stands_there() -> None:
    unit = _settings()
    assert unit["Type"] == ["notify"]
    assert unit["NotifyAccess"] == ["main"]
    assert unit["Restart"] == ["on-failure"]
    assert unit["RestartSec"] == ["2s"]
    assert unit["KillMode"] == ["mixed"]
    assert unit["LimitCORE"] == ["0"]
    assert unit["DynamicUser"] == ["yes"]
    assert unit["ExecStopPost"] == [f"-+/usr/bin/systemctl start {SWEEP_UNIT.name}"]
    assert int(unit["StartLimitIntervalSec"][0]) == 300
    assert {one.partition(":")[0] for one in unit["LoadCredential"]} == {ACCESS_KEY_FILE, PRIVATE_KEY_FILE}


def test_the_sweep_sees_what_the_bot_sees_and_can_do_no_more() -> None:
    bot, sweep = _settings(), _settings(SWEEP_UNIT)
    # With other settings, folders or keys it would look for another account's orders.
    run, swept = bot["ExecStart"][0].split(), sweep["ExecStart"][0].split()
    assert [word for word in run if word != "run"] == [word for word in swept if word != "sweep"]
    of_the_bot_alone = {
        *("After", "Wants", "Description", "StartLimitBurst", "StartLimitIntervalSec", "WantedBy"),
        *("ExecStopPost", "KillMode", "NotifyAccess", "Restart", "RestartPreventExitStatus", "RestartSec"),
        *("TimeoutStartSec", "TimeoutStopSec", "WatchdogSec", "ExecStart", "Type"),
    }
    shared = {name: values for name, values in bot.items() if name not in of_the_bot_alone}
    assert {name: sweep.get(name) for name in shared} == shared


def test_the_bot_waits_for_the_whole_sweep() -> None:
    (limit,) = _settings(SWEEP_UNIT)["TimeoutStartSec"]
    assert DEADLINE_S + SWEEP_AROUND_S < float(limit.removesuffix("s")) < _seconds("TimeoutStopSec")
