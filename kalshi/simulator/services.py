"""The parts of one exchange, bundled for those who serve requests."""

from __future__ import annotations

import attrs

from kalshi.simulator.api_keys import KeyRing
from kalshi.simulator.archive import Archive
from kalshi.simulator.authentication import Authenticator
from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.fee_changes import FeeChanges
from kalshi.simulator.group_desk import GroupDesk
from kalshi.simulator.incentives import Incentives
from kalshi.simulator.lifecycle import Lifecycle
from kalshi.simulator.order_entry import OrderEntry
from kalshi.simulator.pauses import Pauses
from kalshi.simulator.rate_limits import RateLimiter
from kalshi.simulator.read_model import ReadModel
from kalshi.simulator.treasury import Treasury


@attrs.frozen(kw_only=True)
class Services:
    core: ExchangeCore
    entry: OrderEntry
    groups: GroupDesk
    reads: ReadModel
    limiter: RateLimiter
    authenticator: Authenticator
    lifecycle: Lifecycle
    pauses: Pauses
    keys: KeyRing
    archive: Archive
    treasury: Treasury
    fee_changes: FeeChanges
    incentives: Incentives
    # Requests other than GET by the key id that they named ("" without one), refused and unknown ones included.
    write_requests: dict[str, int] = attrs.field(factory=dict)
