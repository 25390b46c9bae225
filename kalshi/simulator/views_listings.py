"""How the exchange writes what it lists and announces: series, events, fee changes, incentive programs.

Source: kalshi-rest.md §7.2, §8, §12, spec 3.34 schemas.
"""

from __future__ import annotations

import uuid
from typing import Final

from kalshi.simulator.fee_changes import Fee, FeeChange, FeeOverride
from kalshi.simulator.incentives import IncentiveProgram
from kalshi.simulator.listings import EventListing, SeriesListing
from kalshi.simulator.timestamps import rfc3339
from kalshi.simulator.views import Json
from kalshi.simulator.wire_numbers import count_text

SETTLEMENT_SOURCE: Final = {"name": "Simulated result", "url": ""}


def event_view(event: EventListing, updated_ms: int, markets: list[Json] | None, override: FeeOverride | None) -> Json:
    """Returns an event; `markets` None leaves the nested list away, `override` None the fee overrides."""
    view: Json = {
        "event_ticker": event.ticker,
        "series_ticker": event.series_ticker,
        "title": event.title,
        "sub_title": event.sub_title,
        "category": event.category,
        "collateral_return_type": "MECNET" if event.mutually_exclusive else "",
        "mutually_exclusive": event.mutually_exclusive,
        "strike_date": rfc3339(event.strike_ms),
        "settlement_sources": [SETTLEMENT_SOURCE],
        "last_updated_ts": rfc3339(updated_ms),
        "exchange_index": event.exchange_index,
    }
    if override is not None:
        view["fee_type_override"] = override.fee_type
        view["fee_multiplier_override"] = multiplier_view(override.multiplier_e4)
    return view if markets is None else view | {"markets": markets}


def multiplier_view(multiplier_e4: int | None) -> float | None:
    """Returns a fee multiplier as the JSON number that it is on the wire."""
    return None if multiplier_e4 is None else multiplier_e4 / 10_000


def series_fee_change_view(change: FeeChange) -> Json:
    return {
        "id": change.change_id,
        "series_ticker": change.series_ticker,
        "fee_type": change.fee_type,
        "fee_multiplier": multiplier_view(change.multiplier_e4),
        "scheduled_ts": rfc3339(change.scheduled_ms),
    }


def event_fee_change_view(change: FeeChange) -> Json:
    return {
        "id": change.change_id,
        "event_ticker": change.event_ticker,
        "series_ticker": change.series_ticker,
        "fee_type_override": change.fee_type,
        "fee_multiplier_override": multiplier_view(change.multiplier_e4),
        "scheduled_ts": rfc3339(change.scheduled_ms),
    }


def incentive_view(program: IncentiveProgram) -> Json:
    """Returns an incentive program; rewards are in centi-cents."""
    view: Json = {
        "id": program.program_id,
        # The market's own id is nowhere else on this wire; a name from its ticker is as good and stays the same.
        "market_id": str(uuid.uuid5(uuid.NAMESPACE_OID, program.market_ticker)),
        "market_ticker": program.market_ticker,
        "incentive_type": program.kind,
        "incentive_description": f"{program.kind} program",
        "start_date": rfc3339(program.start_ms),
        "end_date": rfc3339(program.end_ms),
        "period_reward": program.period_reward_e4,
        "paid_out": program.is_paid_out,
    }
    if program.discount_bps is not None:
        view["discount_factor_bps"] = program.discount_bps
    if program.target_e2 is not None:
        view["target_size_fp"] = count_text(program.target_e2)
    if program.max_reward_e4 is not None:
        view["max_reward_per_account"] = program.max_reward_e4
    return view


def series_view(series: SeriesListing, fee: Fee, updated_ms: int, volume_e2: int | None) -> Json:
    """Returns a series with the fee in force; `volume_e2` None leaves the volume away."""
    view: Json = {
        "ticker": series.ticker,
        "title": series.title,
        "frequency": series.frequency,
        "category": series.category,
        "categories": [series.category],
        "tags": list(series.tags) or None,
        "settlement_sources": [SETTLEMENT_SOURCE],
        "contract_url": "",
        "contract_terms_url": "",
        "fee_type": fee.fee_type,
        "fee_multiplier": multiplier_view(fee.multiplier_e4),
        "additional_prohibitions": [],
        "last_updated_ts": rfc3339(updated_ms),
        "exchange_index": series.exchange_index,
    }
    return view if volume_e2 is None else view | {"volume_fp": count_text(volume_e2)}
