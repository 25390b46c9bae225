"""The simulated exchange as a program: `python -m kalshi.simulator --port N --seed S`.

It prints one JSON line when it is ready (ports, key id) and serves until SIGTERM, SIGINT, or, with
`--parent-fd`, until the inherited pipe closes, so that it never outlives the bot that started it. A port in
use ends it with a plain sentence and code 64. Without `--public-key` it makes a throwaway key and announces
the private part: it guards play money on loopback.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

import attrs
import trio

from kalshi.signing import CredentialError, generate_key_pair, verify
from kalshi.simulator.exchange import SimulatedExchange
from kalshi.simulator.http_server import serve_http
from kalshi.simulator.rate_limits import TIERS
from kalshi.simulator.settings import AccountSettings, SimulatorSettings
from kalshi.simulator.socket_server import serve_socket
from kalshi.simulator.truth_server import build_truth_app

USAGE_EXIT_CODE: Final = 64
_BACKLOG: Final = 128
_MAIN_SHARD_SHARE: Final = 0.6
_CRYPTO_SHARD: Final = 2
_DEFAULT_KEY_ID: Final = "00000000-0000-4000-8000-00000000feed"


class UsageError(Exception):
    """The operator asked for something impossible; the message says what and what to do."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse would exit with 2; here every mistake on the command line has one code.
        raise UsageError(f"{message}; --help lists the options")


@attrs.frozen(kw_only=True)
class Doors:
    """The three listening sockets."""

    rest: socket.socket
    websocket: socket.socket
    truth: socket.socket

    def ports(self) -> dict[str, int]:
        names = {"rest_port": self.rest, "ws_port": self.websocket, "truth_port": self.truth}
        return {name: int(door.getsockname()[1]) for name, door in names.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit code."""
    try:
        options = _parser().parse_args(arguments)
        account, private_pem = _account(options)
        doors = _open_doors(options)
    except UsageError as error:
        sys.stderr.write(f"kalshi.simulator: {error}\n")
        return USAGE_EXIT_CODE
    exchange = SimulatedExchange(
        seed=options.seed,
        wall_ms=_wall_ms,
        settings=SimulatorSettings(flow=not options.no_flow, flow_rate=options.flow_rate),
        accounts=(account,),
    )
    ready = {"event": "ready", **doors.ports(), "key_id": account.key_id}
    if private_pem is not None:
        ready["private_key_pem"] = private_pem.decode()
    trio.run(_serve, exchange, doors, ready, options.parent_fd)
    return 0


def _wall_ms() -> int:
    # The one clock of the process; everything else gets it by argument.
    return time.time_ns() // 1_000_000


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m kalshi.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="REST port; 0 picks a free one")
    parser.add_argument("--ws-port", type=int, default=0, help="WebSocket port; 0 picks a free one")
    parser.add_argument("--truth-port", type=int, default=0, help="truth port; 0 picks a free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--seed", type=int, default=1, help="seed of ids, markets and traders")
    parser.add_argument("--key-id", default=_DEFAULT_KEY_ID, help="API key id of the account")
    parser.add_argument("--public-key", metavar="PEMFILE", help="its public key, RSA or Ed25519")
    parser.add_argument("--balance", type=float, default=10_000.0, help="dollars, 60 %% on shard 0, the rest on 2")
    parser.add_argument("--tier", choices=tuple(TIERS), default="basic", help="rate limit tier")
    parser.add_argument("--parent-fd", type=int, help="end when this inherited pipe reads end of file")
    parser.add_argument("--no-flow", action="store_true", help="no traders: books stay empty")
    parser.add_argument("--flow-rate", type=float, default=1.0, help="how busy the traders are")
    return parser


def _account(options: argparse.Namespace) -> tuple[AccountSettings, bytes | None]:
    private_pem: bytes | None = None
    if options.public_key is None:
        private_pem, public_pem = generate_key_pair("ed25519")
    else:
        try:
            public_pem = Path(options.public_key).read_bytes()
            verify(public_pem, "", "0", "GET", "/")
        except OSError as error:
            raise UsageError(f"cannot read --public-key {options.public_key}: {error.strerror}") from error
        except CredentialError as error:
            raise UsageError(f"--public-key {options.public_key} is not usable: {error}") from error
    if not 0 <= options.balance <= 1e9 or not 0 < options.flow_rate <= 100:
        raise UsageError("--balance must be 0 to 1e9 dollars and --flow-rate above 0, at most 100")
    total_e6 = round(options.balance * 10_000) * 100
    main_e6 = int(total_e6 * _MAIN_SHARD_SHARE) // 100 * 100
    account = AccountSettings(
        key_id=options.key_id,
        public_key_pem=public_pem,
        cash_by_shard_e6={0: main_e6, _CRYPTO_SHARD: total_e6 - main_e6},
        tier=options.tier,
    )
    return account, private_pem


def _open_doors(options: argparse.Namespace) -> Doors:
    return Doors(
        rest=_bind(options.host, options.port, "--port"),
        websocket=_bind(options.host, options.ws_port, "--ws-port"),
        truth=_bind(options.host, options.truth_port, "--truth-port"),
    )


def _bind(host: str, port: int, option: str) -> socket.socket:
    if not 0 <= port <= 65_535:
        raise UsageError(f"{option} {port} is no port: give 0 to 65535")
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # Lets a restart take a port whose old connections still linger; a port that is listened on stays refused.
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        door.bind((host, port))
        door.listen(_BACKLOG)
    except OSError as error:
        door.close()
        raise UsageError(
            f"cannot listen on {host}:{port} ({error.strerror}): give another {option}, or 0 for a free one"
        ) from error
    return door


async def _serve(exchange: SimulatedExchange, doors: Doors, ready: dict[str, object], parent_fd: int | None) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_end_on_signal, nursery.cancel_scope)
        if parent_fd is not None:
            nursery.start_soon(_end_with_parent, parent_fd, nursery.cancel_scope)
        await nursery.start(serve_http, exchange.app, doors.rest)
        await nursery.start(serve_socket, exchange, doors.websocket)
        await nursery.start(serve_http, build_truth_app(exchange.truth), doors.truth)
        await nursery.start(exchange.run)
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()


async def _end_on_signal(scope: trio.CancelScope) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            scope.cancel()
            return


async def _end_with_parent(descriptor: int, scope: trio.CancelScope) -> None:
    async with trio.lowlevel.FdStream(os.dup(descriptor)) as pipe:
        while await pipe.receive_some(1_024):
            pass
    scope.cancel()


if __name__ == "__main__":
    sys.exit(main())
