"""`supervisor.py sweep`: fence and cancel our orders from outside, whatever the bot does or whether it lives at all.

The last hand of the safety net: systemd calls it after every end of the bot, a person calls it when in doubt. A bot
that is still running finds itself fenced by somebody else, stops, and does not come back by restart (I30).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import trio

from actors.runtime.child import silent_log
from actors.runtime.exit_guard import ExitCode
from actors.runtime.journal import JournalBroken, JournalFolder
from actors.runtime.seams import real_seams
from actors.runtime.server_clock import ServerClock
from actors.runtime.sweep import Sweep, SweepReport
from kalshi.budget import RateBudget
from kalshi.errors import AuthenticationFailed, ExchangeError
from kalshi.rest import RestClient
from kalshi.signing import Signer
from kalshi.types import Order
from ops.credentials import Credentials, credentials_from
from ops.life import BASIC_READ, BASIC_WRITE
from ops.modes import Endpoints, Mode, check_mode, endpoints_for
from ops.ports import network_ports
from ops.settings import Settings
from ops.venue import Venue, simulator_instance, venue_of

DEADLINE_S = 20.0  # of everything that asks the exchange: the unit gives the last hand 28 s, and Python must start
NOTHING_TO_SWEEP = (
    "nothing was swept: the simulated exchange is embedded in the bot and ends with it (`supervisor.py stop`); "
    "set exchange.base_url (KALSHI_BASE_URL) to sweep a standalone one"
)
NOTHING_IN_SHADOW = (
    "nothing was swept: in mode `shadow` no order ever leaves the bot, and those inside it end with it "
    "(`supervisor.py stop`)"
)


def sweep_from_outside(settings: Settings, environ: Mapping[str, str], *, everything: bool) -> int:
    """Fences and sweeps, says how it went, and returns the exit code: 0 verified flat, 3 not verified."""
    if settings.mode is Mode.SHADOW:
        # The credentials are those of a real account, whose orders are none of ours (I27, I28).
        print(NOTHING_IN_SHADOW, file=sys.stderr)
        return ExitCode.USAGE
    endpoints = endpoints_for(settings)
    if endpoints is None:
        print(NOTHING_TO_SWEEP, file=sys.stderr)
        return ExitCode.USAGE
    missing = check_mode(settings, environ)
    credentials = credentials_from(environ) if not missing else None
    if credentials is None:
        for sentence in missing:
            print(f"cannot sweep: {sentence}", file=sys.stderr)
        return ExitCode.USAGE
    try:
        report = trio.run(_sweep, settings, endpoints, credentials, everything)
    except* AuthenticationFailed as refusal:
        print(f"cannot sweep: the exchange refused the key ({refusal.exceptions[0]})", file=sys.stderr)
        return_code = int(ExitCode.CREDENTIALS)
    except* KeyboardInterrupt:
        print("interrupted: NOT verified, run it again", file=sys.stderr)
        return_code = int(ExitCode.NOT_VERIFIED)
    else:
        return_code = _say(report)
    return return_code


def _say(report: SweepReport) -> int:
    verdict = "verified flat" if report.verified else "NOT verified"
    print(
        f"{verdict}: {report.reason} ({len(report.groups_triggered)} groups fenced, "
        f"{report.orders_cancelled} orders cancelled, {report.lists_read} lists read, {report.seconds:.1f} s)"
    )
    if report.orders_left:
        print(f"still resting: {', '.join(report.orders_left)}")
    return ExitCode.VERIFIED_FLAT if report.verified else ExitCode.NOT_VERIFIED


async def _sweep(settings: Settings, endpoints: Endpoints, credentials: Credentials, everything: bool) -> SweepReport:
    until_s = trio.current_time() + DEADLINE_S
    seams = real_seams()
    clock = ServerClock(now=seams.now, wall_ms=seams.wall_ms)
    signer = Signer(credentials.key_id, credentials.private_key_pem)
    ports = network_ports(endpoints, settings.exchange, signer, clock.now_ms)
    client = RestClient(
        http=ports.control_http,
        base_url=ports.base_url,
        signer=signer,
        budget=RateBudget(seams.now, BASIC_READ, BASIC_WRITE),
        wall_ms=clock.now_ms,
        connections=settings.exchange.control_connections,
        deadline_s=settings.exchange.control_deadline_s,
        on_server_date=lambda date_ms, wall_ms: clock.observe_date(date_ms, wall_ms - clock.offset_ms),
        shields_writes=False,
    )
    instance = ""
    with trio.move_on_at(until_s):
        instance = await simulator_instance(endpoints.base_url) if settings.mode is Mode.SIMULATED else ""
    venue = venue_of(settings.mode.value, endpoints.base_url, credentials.key_id, instance)
    try:
        groups = _journaled_groups(settings, venue)
        with trio.move_on_at(until_s):
            groups |= await _groups_of_the_account(client) if everything else {}
        sweep = Sweep(
            client=client,
            is_ours=_filter(venue, everything),
            groups=groups,
            server_ms=clock.now_ms,
            now=seams.now,
            log=silent_log("sweep"),
        )
        with trio.move_on_at(until_s):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(sweep.fence)
                nursery.start_soon(sweep.verify)
        return sweep.report()
    finally:
        with trio.move_on_after(1.0, shield=True):
            await ports.aclose()


def _filter(venue: Venue, everything: bool) -> Callable[[Order], bool]:
    return lambda order: everything or order.client_order_id.startswith(venue.prefix)


def _journaled_groups(settings: Settings, venue: Venue) -> dict[str, int]:
    """Our groups by our journal. The sweep finds those of our resting orders by itself."""
    try:
        return JournalFolder(Path(settings.folders.state) / venue.name).read_all().groups_to_fence()
    except JournalBroken:
        return {}  # the exchange's own list shows our orders and their groups: the last hand must not fail here


async def _groups_of_the_account(client: RestClient) -> dict[str, int]:
    try:
        return {group.group_id: group.exchange_index for group in await client.order_groups()}
    except AuthenticationFailed:
        raise
    except ExchangeError:
        return {}  # the sweep will meet the same trouble, and say so
