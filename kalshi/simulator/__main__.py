"""The simulated exchange as a program: `python -m kalshi.simulator --port N --seed S`.

It prints one JSON line when it serves (ports, addresses, key ids) and runs until SIGTERM, SIGINT, or, with
`--parent-fd`, until the inherited pipe closes, so that it never outlives the bot that started it. What a person
needs (addresses, the keys made for them, as lines to paste) goes to standard error. A mistake on the command line
or in a scenario ends it with plain sentences and code 64.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, BinaryIO

from kalshi.simulator.startup import (
    DEFAULT_SEED,
    USAGE_EXIT_CODE,
    Doors,
    UsageError,
    accounts_of,
    open_doors,
    open_record,
    parser,
    scenario_of,
)

if TYPE_CHECKING:
    import argparse

    import trio

    from kalshi.simulator.exchange import SimulatedExchange
    from kalshi.simulator.key_files import ReadyKey
    from kalshi.simulator.scenario import Scenario
    from kalshi.simulator.settings import AccountSettings


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit code."""
    with ExitStack() as stack:
        try:
            options = parser().parse_args(arguments)
            scenario = scenario_of(options)
            # Keys that nobody keeps end with the exchange that knows them.
            folder = options.keys or stack.enter_context(TemporaryDirectory(prefix="kalshi-in-a-box-"))
            accounts, keys = accounts_of(options, scenario, Path(folder).expanduser())
            doors = open_doors(options)
            stack.callback(doors.close)
            record = open_record(options)
        except UsageError as error:
            sys.stderr.write(f"kalshi.simulator: {error}\n")
            return USAGE_EXIT_CODE
        if record is not None:
            stack.enter_context(record)
        _run(options, scenario, accounts, keys, doors, record)
    return 0


def _run(
    options: argparse.Namespace,
    scenario: Scenario,
    accounts: tuple[AccountSettings, ...],
    keys: tuple[ReadyKey, ...],
    doors: Doors,
    record: BinaryIO | None,
) -> None:
    # Half a second of imports, which a mistake on the command line need not wait for.
    import trio

    from kalshi.simulator.clock import ExchangeClock
    from kalshi.simulator.exchange import SimulatedExchange

    exchange = SimulatedExchange(
        seed=DEFAULT_SEED if scenario.seed is None else scenario.seed,
        wall_ms=ExchangeClock(_wall_ms, speed=scenario.speed or 1.0, starts_at_ms=scenario.starts_at),
        accounts=accounts,
        scenario=scenario,
    )
    ready = {
        "event": "ready",
        **doors.ports(),
        "key_id": accounts[0].key_id,
        **doors.addresses(options.host),
        "keys": [{"key_id": key.key_id, "kind": key.kind, "private_key_file": str(key.private_file)} for key in keys],
    }
    trio.run(_serve, exchange, doors, ready, options, record)


def _wall_ms() -> int:
    # The one clock of the process; everything else gets it by argument.
    return time.time_ns() // 1_000_000


async def _serve(
    exchange: SimulatedExchange,
    doors: Doors,
    ready: dict[str, object],
    options: argparse.Namespace,
    record: BinaryIO | None,
) -> None:
    import trio

    from kalshi.simulator.control_server import control_routes
    from kalshi.simulator.http_server import serve_http
    from kalshi.simulator.json_server import build_json_app
    from kalshi.simulator.recorder import Recorder
    from kalshi.simulator.socket_server import serve_socket
    from kalshi.simulator.truth_server import truth_routes

    async with trio.open_nursery() as nursery:
        nursery.start_soon(_end_on_signal, nursery.cancel_scope)
        if options.parent_fd is not None:
            nursery.start_soon(_end_with_parent, options.parent_fd, nursery.cancel_scope)
        await nursery.start(serve_http, exchange.app, doors.rest, exchange.streams)
        await nursery.start(serve_socket, exchange, doors.websocket)
        glass = build_json_app({**truth_routes(exchange.truth), **control_routes(exchange)})
        await nursery.start(serve_http, glass, doors.truth)
        await nursery.start(exchange.run)
        if record is not None:
            recorder = Recorder(exchange.core, exchange.hub, record, pattern=options.record_markets)
            await nursery.start(recorder.run)
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        if ready["keys"]:
            sys.stderr.write(_welcome(exchange, ready))
            sys.stderr.flush()


def _welcome(exchange: SimulatedExchange, ready: dict[str, object]) -> str:
    """Returns what a person needs to begin."""
    core = exchange.core
    lines = [
        f"Kalshi in a box: seed {core.seed}, speed {exchange.clock.speed:g}, {len(core.markets)} markets",
        f"  REST       {ready['base_url']}",
        f"  WebSocket  {ready['websocket_url']}",
        f"  truth      {ready['truth_url']}/health",
        f"  control    {ready['control_url']}",
    ]
    keys = ready["keys"]
    assert isinstance(keys, list)
    for key in keys:
        dollars = core.accounts_by_key[key["key_id"]].cash_e6 / 1_000_000
        lines += [
            f"An account with ${dollars:,.2f} and an {key['kind'].replace('rsa', 'RSA').replace('ed', 'Ed')} key:",
            f"  export KALSHI_ACCESS_KEY={key['key_id']}",
            f"  export KALSHI_PRIVATE_KEY={key['private_key_file']}",
            f"  export KALSHI_BASE_URL={ready['base_url']}",
            f"  export KALSHI_BOT__EXCHANGE__WEBSOCKET_URL={ready['websocket_url']}",
        ]
    return "\n".join(lines) + "\n"


async def _end_on_signal(scope: trio.CancelScope) -> None:
    import trio

    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            scope.cancel()
            return


async def _end_with_parent(descriptor: int, scope: trio.CancelScope) -> None:
    import trio

    async with trio.lowlevel.FdStream(os.dup(descriptor)) as pipe:
        while await pipe.receive_some(1_024):
            pass
    scope.cancel()


if __name__ == "__main__":
    sys.exit(main())
