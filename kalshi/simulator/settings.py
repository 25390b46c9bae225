"""Every switch of the simulated exchange, with the default that the fact sheet suggests where the truth is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs


@attrs.frozen(kw_only=True)
class AccountSettings:
    """One customer: the key that signs for it, and its cash by shard in 1/1,000,000 dollar."""

    key_id: str
    public_key_pem: bytes = attrs.field(repr=False)
    cash_by_shard_e6: Mapping[int, int]
    tier: str = "basic"


@attrs.frozen(kw_only=True)
class SimulatorSettings:
    """How the exchange behaves; units are in the names."""

    # Behaviour that is documented or recorded.
    read_lag_ms: tuple[int, int] = (50, 500)
    clock_skew_ms_max: int = 10_000
    fee_rounding: Literal["2026-10", "2026-08"] = "2026-10"
    heartbeat_s: float = 10.0
    ticker_interval_ms: int = 1_000
    empty_snapshot_delay_ms: int = 5_000

    # Behaviour that is unknown, hence switchable (kalshi-rest.md §10).
    closed_market_status: int = 409
    closed_market_code: str = "market_inactive"
    triggered_group_status: int = 409
    triggered_group_code: str = "exceeded_order_group_risk_limit"
    unknown_ticker_status: int = 404
    unknown_ticker_code: str = "market_not_found"
    group_triggers_at_limit: bool = False
    balance_net_of_resting: bool = False
    post_only_cross: Literal["reject", "cancel"] = "reject"
    last_update_reason_in_rest: bool = False
    legacy_direction_fields: bool = True
    too_many_requests_shape: Literal["flat", "nested"] = "flat"
    reject_unknown_fields: bool = False
    public_requests_per_s: float | None = 30.0

    # The socket. A reader that leaves this many frames of one subscription unread loses it with error 25.
    socket_buffer_frames: int = 10_000
    sending_ts_ms: bool = False
    transient_cross_share: float = 0.3

    # The world: seeded traders, and how a closed market goes on to its payout.
    flow: bool = True
    flow_rate: float = 1.0
    determination_delay_ms: int = 10_000
    settlement_timer_ms: int = 20_000
    close_in_s: Mapping[str, int] = attrs.field(factory=dict)

    # The weekly trading pause, Thursday 03:00 to 05:00 in New York. Off, so that a run does not depend on the day.
    weekly_maintenance: bool = False
