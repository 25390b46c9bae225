"""The bot's entry point: the tree of actors, as a table of contents, and the command line.

`python supervisor.py` runs the bot; `python supervisor.py --help` lists everything else.
"""

from __future__ import annotations

import os
import signal
import sys
from functools import partial

if __name__ == "__main__":
    # Before the other imports, which take most of a second: until there is something to end in order, just end. At
    # once and without an exception: one through an import leaves modules written in C half made, and the way out of the
    # interpreter has crashed in one.
    for _number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(_number, lambda *_: os._exit(3))

from actors.allocation import Allocation
from actors.discovery import Discovery, DiscoveryTiming
from actors.feed import Feed
from actors.fill_reconciler import FillReconciler
from actors.ledger import Ledger
from actors.market_supervisor import MarketsParameters, MarketSupervisor
from actors.order_desk import OrderDesk
from actors.portfolio_risk import PortfolioRisk, RiskTiming
from actors.rest_feed import RestFeed
from actors.runtime.child import ChildSpec
from actors.runtime.supervisor import ChildContext
from actors.session_manager import SessionManager
from actors.stop_loss import StopLoss
from actors.volatility_scanner import ScannerTiming, VolatilityScanner
from kalshi.feed_connection import FeedParameters
from kalshi.feed_rest import RestPace
from kalshi.numbers import CountE2
from ops.life import TreeParts
from ops.settings import VolatilityScannerSettings
from ops.venue import venue_prefix
from quant.market_configuration import ConfigurationLimits
from quant.programs import SelectionKind

# The brake on runaway fills: this much more in 15 s than the caps allow to be resting at all.
BRAKE_FACTOR = 1.5
# A book over REST is given up this much before the age at which quoting freezes: its age is not known to the second.
REST_AGE_SHARE = 0.8


def build_tree(parts: TreeParts) -> tuple[ChildSpec, ...]:
    """Returns the actors in start order: what others depend on comes first, and is stopped last."""
    settings = parts.settings
    websockets, risk, supervision = settings.websockets, settings.risk, settings.supervision
    sizes = settings.markets
    longest_e2 = max(
        sizes.max_position_e2, *(program.max_position_e2 or CountE2(0) for program in settings.programs.values())
    )
    markets = MarketsParameters(
        programs=settings.programs,
        sizes=sizes,
        quoting=settings.quoting,
        volatility=settings.volatility,
        configuration=settings.market_configuration,
        limits=ConfigurationLimits(
            per_market_cap_e6=risk.per_market_cap_e6,
            category_caps_e6=risk.category_caps_e6,
            default_category_cap_e6=risk.default_category_cap_e6,
            global_budget_e6=risk.global_budget_e6,
            markets_max=settings.allocation.max_markets_with_orders,
            max_position_e2=risk.max_position_e2,
        ),
        signals=settings.signals,
        throttles=settings.throttles,
        window=supervision.markets,
        quarantine=supervision.quarantine,
        back_off=supervision.back_off,
    )
    timing = RiskTiming(
        lease_s=risk.lease_s,
        renew_s=risk.renew_s,
        account_every_s=risk.account_every_s,
        retirement=risk.retirement,
    )
    both_sides = 2 * longest_e2 * settings.allocation.max_markets_with_orders
    return (
        ChildSpec("ledger", lambda c: Ledger(c, parts.ledger_path, settings.ledger)),
        ChildSpec("fill_reconciler", lambda c: FillReconciler(c, settings.fills, venue_prefix(parts.prefix))),
        ChildSpec("portfolio_risk", lambda c: PortfolioRisk(c, risk, timing)),
        ChildSpec(
            "order_desk",
            lambda c: OrderDesk(
                context=c,
                parameters=settings.orders,
                feed_limits=websockets,
                clock=parts.clock,
                prefix=parts.prefix,
                contracts_limit_e2=CountE2(int(BRAKE_FACTOR * both_sides)),
            ),
        ),
        ChildSpec("stop_loss", lambda c: StopLoss(c, settings.stop_loss)),
        ChildSpec("feed", lambda c: make_feed(parts, c)),
        ChildSpec("allocation", lambda c: Allocation(c, settings.allocation, settings.programs)),
        ChildSpec(
            "market_supervisor",
            lambda c: MarketSupervisor(c, markets, parts.switchboard, parts.on_lifecycle, parts.log_for, parts.fatal),
            grace_s=4.0,
        ),
        ChildSpec(
            "discovery",
            lambda c: Discovery(
                c,
                settings.discovery,
                DiscoveryTiming(interval_s=settings.discovery.interval_s),
                {n: p for n, p in settings.programs.items() if p.selection is not SelectionKind.VOLATILITY},
                settings.discovery.facts,
            ),
        ),
        *(
            ChildSpec("session_manager", partial(SessionManager, parameters=settings.sessions, name=n, program=p))
            for n, p in settings.programs.items()
            if p.selection is SelectionKind.VOLATILITY
        ),
        *volatility_scanner(settings.volatility_scanner),
    )


def volatility_scanner(settings: VolatilityScannerSettings) -> tuple[ChildSpec, ...]:
    """Returns the scanner's spec, none where it is off."""
    timing = ScannerTiming(
        refresh_interval_s=settings.refresh_interval_s,
        rediscovery_s=settings.rediscovery_s,
        rest_reads_per_s_max=settings.rest_reads_per_s_max,
    )
    spec = ChildSpec("volatility_scanner", lambda c: VolatilityScanner(c, settings, timing))
    return (spec,) if settings.is_enabled else ()


def make_feed(parts: TreeParts, context: ChildContext) -> Feed | RestFeed:
    """Returns the feed: over the socket, or over REST alone where the socket is switched off."""
    websockets = parts.settings.websockets
    if not websockets.enabled:
        return RestFeed(context, RestPace(age_max_s=REST_AGE_SHARE * websockets.freeze_s), parts.clock)
    parameters = FeedParameters(
        ping_every_s=websockets.ping_every_s,
        ping_deadline_s=websockets.ping_deadline_s,
        reconnect_first_s=websockets.reconnect_first_s,
        reconnect_max_s=websockets.reconnect_max_s,
        connect_deadline_s=websockets.connect_deadline_s,
        max_markets_per_connection=websockets.max_markets_per_connection,
    )
    return Feed(context, parameters, parts.ports.connect, parts.probe)


def main() -> None:
    """Runs the command line."""
    if any(word != "run" for word in sys.argv[1:] if not word.startswith("-")):
        # Only the bot ends in order; every other command is simply interrupted.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    from ops.command_line import run_command_line

    run_command_line(build_tree)


if __name__ == "__main__":
    main()
