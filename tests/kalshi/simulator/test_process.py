"""The simulator as a program: ready line, signed REST, a real WebSocket, truth, signals, parent pipe, usage errors."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio_websocket import open_websocket_url

from kalshi.signing import Signer, generate_key_pair
from kalshi.simulator.__main__ import main
from kalshi.simulator.exchange import SOCKET_PATH
from tests.kalshi.simulator.customer import PREFIX

pytestmark = pytest.mark.process

_ROOT = Path(__file__).resolve().parents[3]
_KEY_ID = "process-test"


class Program:
    """A running simulator and a customer of it, on the real clock."""

    def __init__(self, process: subprocess.Popen[str], ready: dict[str, Any], private_pem: bytes) -> None:
        self.process = process
        self.ready = ready
        self.private_pem = private_pem
        self.signer = Signer(ready["key_id"], private_pem)

    def headers(self, method: str, path: str) -> dict[str, str]:
        return self.signer.headers(method, path.partition("?")[0], time.time_ns() // 1_000_000)

    def send(self, method: str, path: str, body: object = None) -> httpx.Response:
        url = f"http://127.0.0.1:{self.ready['rest_port']}{PREFIX}{path}"
        return httpx.request(
            method, url, json=body, headers=self.headers(method, PREFIX + path), trust_env=False, timeout=5
        )

    def truth(self, name: str) -> Any:
        url = f"http://127.0.0.1:{self.ready['truth_port']}/truth/{name}"
        return httpx.get(url, trust_env=False, timeout=5).json()

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.ready['ws_port']}{SOCKET_PATH}"

    def socket_headers(self) -> list[tuple[bytes, bytes]]:
        signed = self.headers("GET", SOCKET_PATH)
        return [(name.encode(), value.encode()) for name, value in signed.items()]


def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "kalshi.simulator", *arguments],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@contextmanager
def running(folder: Path, *arguments: str, **options: Any) -> Iterator[Program]:
    private_pem, public_pem = generate_key_pair("rsa")
    key_file = folder / "public.pem"
    key_file.write_bytes(public_pem)
    process = start(
        "--port", "0", "--seed", "3", "--public-key", str(key_file), "--key-id", _KEY_ID, *arguments, **options
    )
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        yield Program(process, ready, private_pem)
    finally:
        process.kill()
        process.communicate()


def ends_within(process: subprocess.Popen[str], seconds: float) -> int:
    """Waits for the end, asserts silence on standard error, and returns the exit code."""
    _, errors = process.communicate(timeout=seconds)
    assert errors == ""
    return process.returncode


def test_signed_requests_are_served_and_a_signal_ends_it_quickly(tmp_path: Path) -> None:
    with running(tmp_path) as program:
        assert {name for name in program.ready if name.endswith("_port")} == {"rest_port", "ws_port", "truth_port"}
        assert "private_key_pem" not in program.ready
        balance = program.send("GET", "/portfolio/balance")
        assert (balance.status_code, balance.json()["balance_dollars"]) == (200, "10000.0000")
        assert len(balance.headers.get_list("date")) == 1
        # Not one that is nearly decided: a bid of one cent would trade there.
        listed = program.send("GET", "/markets?status=open&limit=100").json()["markets"]
        market = next(one for one in listed if float(one["yes_ask_dollars"]) > 0.2)
        body = {
            "ticker": market["ticker"],
            "side": "bid",
            "count": "1.00",
            "price": "0.0100",
            "time_in_force": "good_till_canceled",
            "self_trade_prevention_type": "taker_at_cross",
            "exchange_index": market["exchange_index"],
        }
        created = program.send("POST", "/portfolio/events/orders", body)
        assert created.status_code == 201
        rows = [{"order_id": created.json()["order_id"], "exchange_index": market["exchange_index"]}]
        (order,) = program.truth("orders")["orders"]
        assert order["order_id"] == rows[0]["order_id"]
        cancelled = program.send("DELETE", "/portfolio/events/orders/batched", {"orders": rows})
        assert cancelled.json()["orders"][0]["reduced_by"] == "1.00"
        assert program.truth("orders") == {"orders": []}
        assert program.truth("cash")["cash_e6"] == 10_000_000_000
        assert program.truth("health")["imbalance_e6"] == 0
        assert program.truth("attempts?client_order_id=none") == {"attempts": 0}
        assert program.truth("fills?key_id=nobody") == {"error": "unknown key_id"}
        program.process.send_signal(signal.SIGTERM)
        assert ends_within(program.process, 2) == 0


async def test_a_real_socket_gets_snapshots_deltas_and_heartbeats(tmp_path: Path) -> None:
    with running(tmp_path) as program:
        # A market on a coin near even odds: a quiet question, or one that is all but answered, may have nothing to tell
        # for longer than a test should wait. Which strike is near depends on the time of day.
        coins = program.send("GET", "/markets?limit=1000&status=open&series_ticker=KXBTCD").json()["markets"]
        market = min(coins, key=lambda one: abs(float(one["yes_bid_dollars"]) + float(one["yes_ask_dollars"]) - 1))
        with trio.fail_after(20):
            async with open_websocket_url(program.socket_url, extra_headers=program.socket_headers()) as connection:
                text = json.dumps(
                    {
                        "id": 1,
                        "cmd": "subscribe",
                        "params": {"channels": ["orderbook_delta"], "market_tickers": [market["ticker"]]},
                    }
                )
                await connection.send_message(text)
                received = [str(await connection.get_message()) for _ in range(3)]
                await connection.ping(b"probe")
        assert all(frame.endswith("\n") for frame in received)
        kinds = [json.loads(frame)["type"] for frame in received]
        assert kinds == ["subscribed", "orderbook_snapshot", "orderbook_delta"]


def test_an_unsigned_handshake_and_another_path_are_refused_with_a_body(tmp_path: Path) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    with running(tmp_path) as program:
        url = program.socket_url.replace("ws:", "http:")
        for address, status, code in (
            (url, 401, "key_is_missing_from_headers"),
            (url + "/other", 404, "not_found"),
        ):
            refused = httpx.get(address, headers=upgrade, trust_env=False, timeout=5)
            assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
            assert "date" in refused.headers


def test_it_ends_when_the_pipe_of_its_parent_closes(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    try:
        with running(tmp_path, "--parent-fd", str(reading), pass_fds=(reading,)) as program:
            os.close(writing)
            assert ends_within(program.process, 2) == 0
    finally:
        os.close(reading)


def test_a_port_in_use_is_one_clear_line_and_code_64() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = start("--port", str(port))
        output, errors = process.communicate(timeout=10)
    assert process.returncode == 64
    assert output == ""
    assert errors.count("\n") == 1
    assert f"cannot listen on 127.0.0.1:{port}" in errors


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--public-key", "/nonexistent.pem"), "cannot read --public-key"),
        (("--public-key", __file__), "is not usable"),
        (("--port", "70000"), "is no port"),
        (("--balance", "-1"), "--balance must be"),
        (("--seed", "x"), "--seed"),
        (("--unknown",), "--unknown"),
    ],
)
def test_mistakes_on_the_command_line_are_explained_with_code_64(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 64
    assert words in capsys.readouterr().err
