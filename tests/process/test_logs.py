"""H4 and I22 on a real bot: one log per actor, read, filtered and followed; and no secret in anything it writes."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.stage import KEY_ID, ROOT, Bot, running_bot, standalone_exchange, wait_until

pytestmark = [pytest.mark.process, pytest.mark.long]
PATIENCE_S = 60.0


def records(bot: Bot, *words: str) -> list[str]:
    shown = bot.command("logs", *words)
    assert shown.returncode == 0, shown.stderr
    return shown.stdout.splitlines()


def test_logs_are_listed_filtered_and_followed_and_at_the_finest_level_hold_no_secret(tmp_path: Path) -> None:
    with standalone_exchange(tmp_path) as exchange:
        with running_bot(tmp_path / "bot", exchange.environment(), LOGGING__LEVEL="TRACE") as bot:
            wait_until(lambda: len(exchange.resting()) >= 4, "four orders rest", PATIENCE_S)
            listed = {line.split()[0] for line in records(bot, "--list")}
            assert {"main", "order_desk", "feed", "ledger"} <= listed
            assert any(name.startswith("market:") for name in listed)
            follow_the_crash_of(bot, "portfolio_risk", tmp_path / "followed.txt")
            wanted = ("--level", "ERROR", "--since", "10m", "--grep", "last messages")
            report = "\n".join(records(bot, "portfolio_risk", *wanted))
            assert "BookView(" in report or "FillTape(" in report, report
            assert records(bot, "portfolio_risk", "--since", "2099-01-01") == []
            assert bot.command("log-level", "market", "ERROR").returncode == 0
            assert bot.command("log-level", "nobody", "ERROR").returncode == 1
            status = bot.command("status", "--plain")
            bot.signal(signal.SIGINT)
            assert bot.wait(30) == 0, bot.errors()
        written = {path: path.read_bytes() for path in bot.folder.rglob("*") if path.is_file()}
        written[tmp_path / "answer"] = (status.stdout + status.stderr).encode()
        assert sum("logs" in path.parts for path in written) > 10
        key_lines = [line for line in exchange.private_key.read_text().splitlines() if not line.startswith("-----")]
        for path, content in written.items():
            for secret in (KEY_ID, *key_lines):
                assert secret.encode() not in content, f"a secret is in {path}"


def follow_the_crash_of(bot: Bot, actor: str, shown: Path) -> None:
    """Follows an actor's log from another process: what was before, as asked for, and what comes while it follows."""
    assert bot.command("kill-actor", actor).returncode == 0
    follow = [
        sys.executable,
        str(ROOT / "supervisor.py"),
        "logs",
        actor,
        "--follow",
        "--level",
        "ERROR",
        "--since",
        "9m",
    ]
    with shown.open("w") as out:
        follower = subprocess.Popen(follow, cwd=bot.folder, stdout=out, stderr=subprocess.STDOUT)
    try:
        for crashes in (1, 2):
            wait_until(lambda: reports(shown) == crashes, f"crash {crashes} is shown", PATIENCE_S)  # noqa: B023
            if crashes == 1:
                assert bot.command("kill-actor", actor).returncode == 0
        assert "| INFO " not in shown.read_text()
    finally:
        follower.send_signal(signal.SIGINT)
        assert follower.wait(timeout=20) == 0


def reports(shown: Path) -> int:
    return shown.read_text().count("the last messages before")
