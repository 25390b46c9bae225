"""From the command line to everything that a start needs: scenario, accounts with their keys, listening sockets.

It imports no server and no exchange, so that `--help` and a mistake are answered at once.
"""

from __future__ import annotations

import argparse
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final, NoReturn

import attrs

from kalshi.simulator.clock import SPEED_MAX
from kalshi.simulator.key_files import KEY_IDS, KeyFilesError, KeyKind, ReadyKey, read_public_key, ready_key
from kalshi.simulator.rate_limits import TIERS
from kalshi.simulator.scenario import Scenario, ScenarioAccount
from kalshi.simulator.settings import AccountSettings

USAGE_EXIT_CODE: Final = 64
DEFAULT_SEED: Final = 1
BALANCE_MAX: Final = 1e9
_BACKLOG: Final = 128
_MAIN_SHARD_SHARE: Final = 0.6
_CRYPTO_SHARD: Final = 2
_LOOPBACK: Final = "127.0.0.1"
_DESCRIPTION: Final = """A Kalshi-compatible exchange on this machine: matching, accounts, REST, WebSocket, markets
with seeded traders, faults on demand. It prints one line of JSON when it serves, and for people, on standard error,
the addresses and keys to use. It ends on SIGTERM or SIGINT."""
_EPILOG: Final = """examples:
  python -m kalshi.simulator --port 8080 --ws-port 8081 --keys ~/box-keys
  python -m kalshi.simulator --scenario ops/scenarios/rough-network.yaml --seed 7
  python -m kalshi.simulator --speed 60 --record run.jsonl --record-markets 'KXBTC*'
"""


class UsageError(Exception):
    """The operator asked for something impossible; the message says what and what to do."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse would exit with 2; here every mistake on the command line has one code.
        raise UsageError(f"{message}; --help lists the options")


@attrs.frozen(kw_only=True)
class Doors:
    """The three listening sockets; truth and control share one, which is on loopback whatever `--host` says."""

    rest: socket.socket
    websocket: socket.socket
    truth: socket.socket

    def ports(self) -> dict[str, int]:
        names = {"rest_port": self.rest, "ws_port": self.websocket, "truth_port": self.truth}
        return {name: int(door.getsockname()[1]) for name, door in names.items()}

    def close(self) -> None:
        """Closes all three; they may be closed already."""
        for door in (self.rest, self.websocket, self.truth):
            door.close()

    def addresses(self, host: str) -> dict[str, str]:
        ports = self.ports()
        truth = f"http://{_LOOPBACK}:{ports['truth_port']}"
        return {
            "base_url": f"http://{host}:{ports['rest_port']}/trade-api/v2",
            "websocket_url": f"ws://{host}:{ports['ws_port']}/trade-api/ws/v2",
            "truth_url": f"{truth}/truth",
            "control_url": f"{truth}/control",
        }


def parser() -> argparse.ArgumentParser:
    """Returns the command line; its errors are UsageErrors."""
    made = _Parser(
        prog="python -m kalshi.simulator",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument_group("where it serves").add_argument
    add("--port", type=int, default=0, help="REST port; 0 picks a free one (default)")
    add("--ws-port", type=int, default=0, help="WebSocket port; 0 picks a free one (default)")
    add("--truth-port", type=int, default=0, help="truth and control port, always on loopback; 0 picks a free one")
    add("--host", default=_LOOPBACK, help="address of REST and WebSocket (default 127.0.0.1)")
    add("--parent-fd", type=int, help="end when this inherited pipe reads end of file")
    add = made.add_argument_group("what happens on it").add_argument
    add("--scenario", metavar="FILE", help="YAML: accounts, settings, markets, events, faults")
    add("--seed", type=int, help="seed of ids, markets, traders and dice (default 1)")
    add("--speed", type=float, help="exchange seconds per second of the wall: all of its times follow (default 1)")
    add("--no-flow", action="store_true", help="no traders: books stay empty")
    add("--flow-rate", type=float, help="how busy the traders are (default 1)")
    add("--record", metavar="FILE", help="write every public WebSocket frame into a new file, to be replayed")
    add("--record-markets", metavar="GLOB", default="*", help="of these markets only")
    add = made.add_argument_group("who trades there (a scenario's accounts come first)").add_argument
    add("--keys", metavar="FOLDER", help="keep the ready keys there and use them again (default: made anew)")
    add("--public-key", metavar="PEMFILE", help="your own public key, RSA or Ed25519, instead of ready keys")
    add("--key-id", default=KEY_IDS["ed25519"], help="the id of that key")
    add("--balance", type=float, default=10_000.0, help="dollars, 60 %% on shard 0, the rest on 2 (default 10000)")
    add("--tier", choices=tuple(TIERS), default="basic", help="rate limit tier (default basic)")
    return made


def scenario_of(options: argparse.Namespace) -> Scenario:
    """Returns the scenario with what the command line sets laid over it. Raises UsageError."""
    scenario = Scenario()
    if options.scenario is not None:
        # YAML and cattrs cost a tenth of the start: only who names a file pays.
        from kalshi.simulator.scenario_reader import ScenarioError, load_scenario

        try:
            scenario = load_scenario(Path(options.scenario))
        except ScenarioError as error:
            raise UsageError(f"the scenario {options.scenario} cannot be used:\n{error}") from None
    if options.speed is not None and not 0 < options.speed <= SPEED_MAX:
        raise UsageError(f"--speed must be above 0, at most {SPEED_MAX:g}")
    if options.flow_rate is not None and not 0 < options.flow_rate <= 100:
        raise UsageError("--flow-rate must be above 0, at most 100")
    changes: dict[str, object] = {}
    if options.no_flow:
        changes["flow"] = False
    if options.flow_rate is not None:
        changes["flow_rate"] = options.flow_rate
    given = {"seed": options.seed, "speed": options.speed}
    return attrs.evolve(
        scenario,
        settings=attrs.evolve(scenario.settings, **changes),  # type: ignore[arg-type]
        **{name: value for name, value in given.items() if value is not None},
    )


def accounts_of(
    options: argparse.Namespace, scenario: Scenario, folder: Path
) -> tuple[tuple[AccountSettings, ...], tuple[ReadyKey, ...]]:
    """Returns the accounts to open and the keys made for them, in the folder. Raises UsageError."""
    if not 0 <= options.balance <= BALANCE_MAX:
        raise UsageError("--balance must be 0 to 1e9 dollars")
    try:
        if scenario.accounts:
            return _scenario_accounts(scenario.accounts, folder)
        if options.public_key is not None:
            public_pem = _public_key("--public-key", Path(options.public_key))
            return (_account(options, options.key_id, public_pem),), ()
        kinds: tuple[KeyKind, ...] = ("ed25519", "rsa")
        keys = tuple(ready_key(folder, KEY_IDS[kind], kind) for kind in kinds)
    except KeyFilesError as error:
        raise UsageError(str(error)) from None
    return tuple(_account(options, key.key_id, key.public_pem) for key in keys), keys


def open_doors(options: argparse.Namespace) -> Doors:
    """Binds and listens on all three. Raises UsageError for a port that cannot be had."""
    with ExitStack() as opened:
        doors = [
            opened.enter_context(_bind(host, port, option))
            for host, port, option in (
                (options.host, options.port, "--port"),
                (options.host, options.ws_port, "--ws-port"),
                (_LOOPBACK, options.truth_port, "--truth-port"),
            )
        ]
        opened.pop_all()
    return Doors(rest=doors[0], websocket=doors[1], truth=doors[2])


def open_record(options: argparse.Namespace) -> BinaryIO | None:
    """Returns the new file to record into, None where none is wanted. Raises UsageError."""
    if options.record is None:
        return None
    try:
        return Path(options.record).open("xb")
    except FileExistsError:
        raise UsageError(f"--record {options.record} exists already: give a new name") from None
    except OSError as error:
        raise UsageError(f"cannot write --record {options.record}: {error.strerror or error}") from None


def _scenario_accounts(
    wanted: tuple[ScenarioAccount, ...], folder: Path
) -> tuple[tuple[AccountSettings, ...], tuple[ReadyKey, ...]]:
    accounts, keys = [], []
    for number, one in enumerate(wanted, start=1):
        if one.public_key is not None:
            public_pem = _public_key(f"accounts[{number - 1}].public_key", Path(one.public_key))
        else:
            key = ready_key(folder, one.key_id, "ed25519", f"account-{number}")
            keys.append(key)
            public_pem = key.public_pem
        accounts.append(
            AccountSettings(
                key_id=one.key_id,
                public_key_pem=public_pem,
                cash_by_shard_e6=one.cash_by_shard_e6(),
                tier=one.tier,
            )
        )
    if len({account.key_id for account in accounts}) < len(accounts):
        raise UsageError("two accounts of the scenario have the same key_id")
    return tuple(accounts), tuple(keys)


def _public_key(option: str, path: Path) -> bytes:
    try:
        return read_public_key(path)
    except OSError as error:
        raise UsageError(f"cannot read {option} {path}: {error.strerror}") from None


def _account(options: argparse.Namespace, key_id: str, public_pem: bytes) -> AccountSettings:
    total_e6 = round(options.balance * 10_000) * 100
    main_e6 = int(total_e6 * _MAIN_SHARD_SHARE) // 100 * 100
    return AccountSettings(
        key_id=key_id,
        public_key_pem=public_pem,
        cash_by_shard_e6={0: main_e6, _CRYPTO_SHARD: total_e6 - main_e6},
        tier=options.tier,
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
        ) from None
    return door
