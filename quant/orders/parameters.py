"""The numbers that order handling runs on, with the reason beside each."""

from __future__ import annotations

import attrs

from kalshi.numbers import MoneyE6, PriceE4


@attrs.frozen(kw_only=True)
class DeskParameters:
    """How the desk keeps orders: replace rules, leases, time limits. Durations in seconds."""

    # An order is moved only when its price is off by at least this and at least one tick: queue priority is
    # worth more.
    replace_threshold_e4: PriceE4 = PriceE4(100)
    # At most one change per side in this time; keeps a jumpy model from burning tokens.
    cooldown_s: float = 0.3
    # A partly filled order is topped up only when less than this share of the wanted size is left.
    regrow_below_share: float = 0.5
    # Expiry of every resting order; it is renewed at half-life, and ends the order if we are gone.
    lease_floor_s: float = 120.0
    # A command that has not left by then goes back unsent: what it was decided on is too old.
    command_valid_s: float = 0.25
    # Exits may wait longer for a token than quotes: reducing late is better than not reducing.
    exit_valid_s: float = 2.0
    # How long the private channel gets to tell the fate of an unknown order before the order list is asked.
    unknown_grace_s: float = 0.3
    # The same client id is repeated no more often than this.
    unknown_repeat_s: float = 1.0
    # The resting list is compared with our own picture this often even when nothing is unknown.
    reconcile_every_s: float = 3.0
    # Prices further than this from the fair value of the book are a defect, never a quote.
    collar_e4: PriceE4 = PriceE4(2_000)
    # Open orders of ours over all markets; far below the exchange's 200,000.
    orders_max: int = 400
    # Money that all resting bids and asks together may bind.
    resting_value_max_e6: MoneyE6 = MoneyE6(5_000_000_000)
    # An exit order may be repeated this many times per claim before a person is called.
    exit_attempts_max: int = 20
    # Heard from Ledger, FillReconciler and StopLoss within this, or no new quotes ...
    heartbeat_max_age_s: float = 5.0
    # ... and past this the resting ones are withdrawn as well.
    heartbeat_withdraw_s: float = 10.0


@attrs.frozen(kw_only=True)
class FeedLimits:
    """Age of the connection's proof of life: past `freeze_s` no new quotes, past `withdraw_s` none at all."""

    freeze_s: float = 5.0
    withdraw_s: float = 15.0
