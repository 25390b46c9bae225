"""The embedded exchange: the simulator as a child in a process session of its own, so that Ctrl+C reaches only the bot.

A new key pair is made for every start: the private half never leaves this process. The child ends when told to, or by
itself when its inherited pipe closes, which the operating system does for us however we die.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
import trio

from actors.runtime.seams import Offload, Seams
from kalshi.signing import generate_key_pair
from ops.credentials import Credentials
from ops.modes import Endpoints
from ops.settings import SimulatorSection

READY_WITHIN_S = 20.0
END_WITHIN_S = 2.0
ERROR_CHARACTERS_MAX = 2_000
ROOT = Path(__file__).resolve().parent.parent


class EmbeddedExchangeFailed(Exception):
    """The embedded exchange did not come up; the text carries what it said."""


@attrs.define(eq=False)
class EmbeddedExchange:
    """A running embedded exchange: where it is, and the key that it knows."""

    endpoints: Endpoints
    credentials: Credentials
    _process: trio.Process
    _pipe_fd: int

    async def end(self) -> None:
        """Ends the child: asks by closing its pipe, insists after END_WITHIN_S."""
        os.close(self._pipe_fd)
        with trio.move_on_after(END_WITHIN_S, shield=True) as patience:
            await self._process.wait()
        if patience.cancelled_caught:
            self._process.kill()
            with trio.move_on_after(END_WITHIN_S, shield=True):
                await self._process.wait()


async def start_embedded(section: SimulatorSection, seams: Seams, log_path: Path) -> EmbeddedExchange:
    """Starts the simulator on free loopback ports and waits until it serves. Raises EmbeddedExchangeFailed."""
    key_id = seams.new_id()
    private_pem, public_pem = generate_key_pair("ed25519")
    read_fd, write_fd = os.pipe()
    with TemporaryDirectory() as folder:
        public_key = Path(folder) / "public.pem"
        public_key.write_bytes(public_pem)
        command = [
            *(sys.executable, "-m", "kalshi.simulator", "--port", "0", "--seed", str(section.seed)),
            *("--public-key", str(public_key), "--key-id", key_id),
            *("--balance", str(section.cash_e6 // 1_000_000), "--parent-fd", str(read_fd)),
        ]
        log_path.parent.mkdir(parents=True, exist_ok=True)
        with log_path.open("ab") as log:
            process = await trio.lowlevel.open_process(
                command,
                stdout=subprocess.PIPE,
                stderr=log,
                stdin=subprocess.DEVNULL,
                pass_fds=(read_fd,),
                start_new_session=True,
                cwd=ROOT,
            )
        os.close(read_fd)
        try:
            ready = await _ready_line(process, log_path, seams.offload)
        except BaseException:
            os.close(write_fd)
            process.kill()
            raise
    address = f"127.0.0.1:{ready['rest_port']}"
    return EmbeddedExchange(
        endpoints=Endpoints(
            base_url=f"http://{address}/trade-api/v2",
            websocket_url=f"ws://127.0.0.1:{ready['ws_port']}/trade-api/ws/v2",
        ),
        credentials=Credentials(key_id=key_id, private_key_pem=private_pem),
        process=process,
        pipe_fd=write_fd,
    )


async def _ready_line(process: trio.Process, log_path: Path, offload: Offload) -> dict[str, int]:
    assert process.stdout is not None
    said = b""
    with trio.move_on_after(READY_WITHIN_S):
        while b"\n" not in said:
            chunk = await process.stdout.receive_some()
            if not chunk:
                break
            said += chunk
    for line in said.splitlines():
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if isinstance(message, dict) and message.get("event") == "ready":
            return message
    tail = await offload(_tail, log_path)
    raise EmbeddedExchangeFailed(
        f"the embedded exchange did not come up; it said: {said.decode(errors='replace')}{tail}"
    )


def _tail(path: Path) -> str:
    return path.read_text(errors="replace")[-ERROR_CHARACTERS_MAX:] if path.exists() else ""
