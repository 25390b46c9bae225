"""A foreign client at work in a process of its own, step by step, against a simulator in another one.

The client's program does one step, tells about it in one JSON line on standard output, and waits for a line on
standard input. So whatever the test then looks up in the truth is what that step has left behind.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import trio

from tests.kalshi.simulator.test_process import Program, running

# A step holds a few requests and at most one wait for the lagging read model.
_STEP_S_MAX: Final = 60
_LINE_BYTES_MAX: Final = 1 << 20

__all__ = ["Conversation", "Program", "conversation", "open_markets", "running"]


class Conversation:
    """The steps of one foreign program, in its order."""

    def __init__(self, process: trio.Process, errors: Path) -> None:
        self._process = process
        self._errors = errors
        self._received = b""
        self._has_begun = False

    async def hear(self, step: str) -> Any:
        """Lets the program go on and returns what it tells about its next step, which must be this one."""
        with trio.fail_after(_STEP_S_MAX):
            if self._has_begun:
                assert self._process.stdin is not None
                await self._process.stdin.send_all(b"\n")
            self._has_begun = True
            line = await self._line()
        told = json.loads(line) if line else {"step": "end of the program"}
        assert told["step"] == step, f"{told}\n{self._errors.read_text()[-4000:]}"
        return told["facts"]

    async def end(self) -> None:
        """Lets the program end, and expects it to end well."""
        with trio.fail_after(_STEP_S_MAX):
            assert self._process.stdin is not None
            await self._process.stdin.send_all(b"\n")
            assert await self._line() == b""
            assert await self._process.wait() == 0, self._errors.read_text()[-4000:]

    async def _line(self) -> bytes:
        assert self._process.stdout is not None
        while b"\n" not in self._received:
            part = await self._process.stdout.receive_some()
            if not part:
                return b""
            self._received += part
            assert len(self._received) < _LINE_BYTES_MAX
        line, _, self._received = self._received.partition(b"\n")
        return line


@asynccontextmanager
async def conversation(
    command: Sequence[str | Path], environment: dict[str, str], folder: Path
) -> AsyncIterator[Conversation]:
    """Starts a foreign program with these additions to the environment; it ends with the block."""
    errors = folder / "errors.txt"
    with errors.open("w") as file:
        process = await trio.lowlevel.open_process(
            [str(part) for part in command],
            stdin=-1,
            stdout=-1,
            stderr=file.fileno(),
            cwd=folder,
            env={**os.environ, **environment},
        )
    try:
        yield Conversation(process, errors)
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


def environment_of(program: Program, private_pem: Path) -> dict[str, str]:
    """Returns what a foreign program is told: addresses and key, nothing about a simulator."""
    return {
        "REST_ADDRESS": f"http://127.0.0.1:{program.ready['rest_port']}/trade-api/v2",
        "SOCKET_ADDRESS": program.socket_url,
        "KEY_ID": program.ready["key_id"],
        "KEY_FILE": str(private_pem),
        # A proxy of this machine has no part in a conversation with itself.
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


def open_markets(program: Program) -> list[dict[str, Any]]:
    """Returns all open markets, read by our own hand, the busiest first."""
    answer: httpx.Response = program.send("GET", "/markets?limit=1000&status=open")
    assert answer.status_code == 200
    return sorted(answer.json()["markets"], key=lambda market: -float(market["volume_24h_fp"]))
