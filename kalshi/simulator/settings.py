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
    # Until when the account's location attestation holds; None for an account that never attested.
    attested_until_s: int | None = None


@attrs.frozen(kw_only=True)
class SimulatorSettings:
    """How the exchange behaves; units are in the names."""

    # Behaviour that is documented or recorded.
    read_lag_ms: tuple[int, int] = (50, 500)
    finished_orders_live_ms: int = 14 * 86_400_000
    trades_live_ms: int = 90 * 86_400_000
    settled_markets_live_ms: int = 90 * 86_400_000
    cutoff_step_ms: int = 86_400_000
    clock_skew_ms_max: int = 10_000
    fee_rounding: Literal["2026-10", "2026-08"] = "2026-10"
    heartbeat_s: float = 10.0
    ticker_interval_ms: int = 1_000
    tick_ms: int = 50  # how often the exchange looks what is due: traders, closings, expiries, faults
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
    amend_keeps_post_only: bool = False
    group_calls_during_pause: bool = True
    # What a cancel-all does with orders in halted or closed markets, where a single cancel is refused: it cancels
    # them as well, or leaves them, cancels the others and answers as that single cancel.
    cancel_all_in_stopped_markets: Literal["cancel", "refuse"] = "cancel"
    open_orders_max: int = 200_000  # per user, documented
    last_update_reason_in_rest: bool = False
    legacy_direction_fields: bool = True
    too_many_requests_shape: Literal["flat", "nested"] = "flat"
    reject_unknown_fields: bool = False
    public_requests_per_s: float | None = 30.0
    public_cache_s: int = 0
    missing_scope_code: str = "insufficient_scope"
    region_refusal_status: int = 403
    region_refusal_code: str = "region_attestation_expired"
    # Pages may be short or empty with a cursor: "loose" puts an empty page before every full one but the first.
    paging: Literal["tight", "loose"] = "tight"
    # How a liquidity incentive program counts where its text leaves it open (kalshi-rest.md §12).
    incentive_tick: Literal["grid", "cent"] = "grid"
    incentive_boundary_counts_whole: bool = True
    incentive_pool_shrinks: bool = False
    incentive_payout_delay_ms: int = 60_000

    # The socket. A reader that leaves this many frames of one subscription unread loses it with error 25.
    socket_buffer_frames: int = 10_000
    sending_ts_ms: bool = False
    transient_cross_share: float = 0.3
    # The default of use_yes_price will flip one day; the order of the no side in that mode is unknown.
    socket_yes_price_default: bool = False
    socket_yes_price_ascends: bool = True
    # Each command, and each first snapshot, is answered after a seeded delay up to this, so pipelined ones overtake
    # each other as recorded; 0 answers at once and in order.
    socket_reorder_ms: int = 0
    # Seeded shares: of data frames that bring a key or a type nobody knows, of updates that end with error 18.
    socket_unknown_share: float = 0.0
    socket_timeout_share: float = 0.0
    # Error 27 beyond the documented rate; error 26 beyond a number that is not published.
    socket_commands_per_s: int = 10_000
    socket_markets_max: int = 100_000
    # Connections per account; more are refused with a 429, whose body is unknown.
    socket_connections_max: int = 200
    # Unknown: an unknown ticker gets nothing (or an empty snapshot); a merge of held markets is answered;
    # get_snapshot has no `ok` of its own; a slow reader keeps its socket.
    socket_unknown_ticker_has_snapshot: bool = False
    socket_merge_of_nothing_is_answered: bool = True
    socket_get_snapshot_is_acknowledged: bool = False
    socket_slow_reader_is_cut: bool = False
    # The index feeds are paid for: without access a subscribe is error 9.
    socket_index_channels: bool = False

    # The world: seeded traders, and how a closed market goes on to its payout.
    flow: bool = True
    flow_rate: float = 1.0
    determination_delay_ms: int = 10_000
    settlement_timer_ms: int = 20_000
    close_in_s: Mapping[str, int] = attrs.field(factory=dict)

    # The weekly trading pause, Thursday 03:00 to 05:00 in New York. Off, so that a run does not depend on the day.
    weekly_maintenance: bool = False

    # What is listed, and how it rolls on. Scale 2 lists about 400 markets instead of 80.
    listing_scale: int = 1
    listed_series: tuple[str, ...] = ()  # only these; none named means all
    rolling: bool = True
    # A settled event is forgotten after this long, with its books and history: what bounds the memory of a long run.
    settled_markets_kept_ms: int = 86_400_000
    # The documents say that markets open by the clock alone, without a lifecycle frame.
    announces_opening: bool = False
    # A market that is reopened says its new close time; unknown is whether it is also activated.
    announces_reopening: bool = True
    # A file of recorded full-depth books whose shapes lie under the makers' quotes.
    seed_books: str | None = None
