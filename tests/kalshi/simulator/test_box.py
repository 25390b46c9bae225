"""Kalshi in a box, as somebody starts it: keys to paste, a scenario, a fast clock, a recording, clear mistakes."""

from __future__ import annotations

import json
import re
import signal
import stat
import time
from pathlib import Path

import httpx
import pytest

from kalshi.signing import Signer
from kalshi.simulator.__main__ import main
from kalshi.simulator.key_files import KEY_IDS, ready_key
from kalshi.simulator.startup import parser
from ops.bench_start import Start, report_start
from ops.replay_recording import load_recording
from tests.kalshi.simulator.test_process import start

PREFIX = "/trade-api/v2"
SCENARIO = """
seed: 6
speed: 20
settings: {read_lag_ms: [0, 0]}
faults:
  - {kind: too_many_requests, path: /series, share: 1}
"""


def signed(method: str, address: str, path: str, key_id: str, key_file: str) -> httpx.Response:
    signer = Signer(key_id, Path(key_file).read_bytes())
    headers = signer.headers(method, PREFIX + path, time.time_ns() // 1_000_000)
    return httpx.request(method, address + path, headers=headers, trust_env=False, timeout=10)


def seconds_told(ready: dict[str, str]) -> float:
    """Returns how many of the exchange's own seconds have passed."""
    elapsed_s: float = httpx.get(ready["control_url"], trust_env=False, timeout=10).json()["elapsed_s"]
    return elapsed_s


def test_a_box_with_ready_keys_a_scenario_a_fast_clock_and_a_recording(tmp_path: Path) -> None:
    scenario, record, keys = tmp_path / "scenario.yaml", tmp_path / "run.jsonl", tmp_path / "keys"
    scenario.write_text(SCENARIO)
    began_s = time.monotonic()
    process = start(
        *("--scenario", str(scenario), "--record", str(record), "--record-markets", "KXBTC*", "--keys", str(keys))
    )
    assert process.stdout is not None
    try:
        ready = json.loads(process.stdout.readline())
        # Both keys sign, on the wall's clock, though the exchange's runs twenty times as fast.
        for key in ready["keys"]:
            balance = signed("GET", ready["base_url"], "/portfolio/balance", key["key_id"], key["private_key_file"])
            assert (balance.status_code, balance.json()["balance_dollars"]) == (200, "10000.0000"), balance.text
            assert stat.S_IMODE(Path(key["private_key_file"]).stat().st_mode) == 0o600
        assert httpx.get(f"{ready['base_url']}/series", trust_env=False, timeout=10).status_code == 429
        (fault,) = httpx.get(f"{ready['control_url']}/faults", trust_env=False, timeout=10).json()["faults"]
        assert (fault["kind"], fault["strikes"]) == ("too_many_requests", 1)
        while (record.stat().st_size < 100_000 or seconds_told(ready) < 60) and time.monotonic() - began_s < 30:
            time.sleep(0.1)
        told = httpx.get(ready["control_url"], trust_env=False, timeout=10).json()
        assert (told["seed"], told["speed"]) == (6, 20)
        assert 60 <= told["elapsed_s"] < 25 * (time.monotonic() - began_s)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    assert [line.strip() for line in errors.splitlines() if "KALSHI_ACCESS_KEY" in line] == [
        f"export KALSHI_ACCESS_KEY={key_id}" for key_id in KEY_IDS.values()
    ]
    for name in ("KALSHI_PRIVATE_KEY", "KALSHI_BASE_URL", "KALSHI_BOT__EXCHANGE__WEBSOCKET_URL"):
        assert len(re.findall(rf"export {name}=\S+", errors)) == 2
    recording = load_recording(record)
    (connection,) = recording.connections
    assert connection.tickers
    assert all(ticker.startswith("KXBTC") for ticker in connection.tickers)
    kinds = {frame["type"] for _, frame in connection.frames()}
    assert {"orderbook_snapshot", "orderbook_delta", "ticker", "trade"} <= kinds
    times_ns = [recv_ns for recv_ns, _ in connection.frames()]
    assert times_ns == sorted(times_ns)
    # Times follow the exchange's clock: this took seconds.
    assert times_ns[-1] - times_ns[0] > 10_000_000_000


def test_keys_that_are_kept_are_used_again_and_nobody_else_reads_them(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    first, second = (ready_key(folder, KEY_IDS["rsa"], "rsa") for _ in range(2))
    assert first == second
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(first.private_file.stat().st_mode) == 0o600


def test_the_help_stands_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    options = [one for action in parser()._actions for one in action.option_strings if one.startswith("--")]
    assert all(option in text for option in options)
    assert "examples:" in text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ["file", "No such file"]),
        ("seed: x\nspeed: -1\n", ["seed: x - must be a whole number", "speed: -1 - must be 0.01 to 1000"]),
        ("faults: [{kind: latency, share: 7}]", ["faults[0].share: 7 - must be 0 to 1"]),
        ("accounts: [{key_id: a, public_key: nowhere.pem}]", ["cannot read accounts[0].public_key nowhere.pem"]),
        ("accounts: [{key_id: a}, {key_id: a}]", ["same key_id"]),
    ],
)
def test_a_bad_scenario_is_explained_with_code_64(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, words: list[str]
) -> None:
    file = tmp_path / "scenario.yaml"
    if content is not None:
        file.write_text(content)
    assert main(["--scenario", str(file), "--keys", str(tmp_path / "keys")]) == 64
    errors = capsys.readouterr().err
    assert all(one in errors for one in words), errors


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--speed", "0"), "--speed must be above 0"),
        (("--flow-rate", "1000"), "--flow-rate must be"),
        (("--record", "/nonexistent/run.jsonl"), "cannot write --record"),
        (("--record", __file__), "exists already"),
        (("--keys", "/dev/null/keys"), "cannot keep keys"),
    ],
)
def test_other_mistakes_are_explained_with_code_64(
    tmp_path: Path, arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    known = () if "--keys" in arguments else ("--keys", str(tmp_path))
    assert main((*known, *arguments)) == 64
    assert words in capsys.readouterr().err


def test_the_report_of_the_start_says_whether_it_is_within_its_limit() -> None:
    quick = [Start(ready_s=seconds, processor_s=0.5) for seconds in (1.0, 1.2, 9.0)]
    assert report_start(quick) == [
        "start of the simulator, median of 3: 1.20 s until it serves (0.50 s of a processor), within the limit of 2 s"
    ]
    slow = [Start(ready_s=2.5, processor_s=0.5)]
    assert "OVER the limit" in report_start(slow)[0]
