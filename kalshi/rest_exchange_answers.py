"""Answers about the exchange itself: is it open, when is it, what will it charge, how far back does it remember.

Source: Kalshi OpenAPI 3.34.0 of October 2026; recorded answers of June 2026.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import attrs
import msgspec

from kalshi.rest_wire import decode, fee_multiplier_e4
from kalshi.times import parse_time_ms
from kalshi.types import ExchangeStatus, ShardStatus
from kalshi.wire import WireError

DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@attrs.frozen(kw_only=True)
class Session:
    """A stretch of trading on one weekday, in minutes of the day in exchange time (New York); the end may be 1440."""

    day: str
    open_minute: int
    close_minute: int


@attrs.frozen(kw_only=True)
class TradingWeek:
    """Which sessions hold between two moments."""

    start_ms: int
    end_ms: int
    sessions: tuple[Session, ...]


@attrs.frozen(kw_only=True)
class MaintenanceWindow:
    """A stretch in which the exchange may be away."""

    start_ms: int
    end_ms: int


@attrs.frozen(kw_only=True)
class Schedule:
    """When trading is open by plan, and when the exchange may be away."""

    weeks: tuple[TradingWeek, ...]
    maintenance: tuple[MaintenanceWindow, ...]


@attrs.frozen(kw_only=True)
class HistoricalCutoff:
    """What is older than this has left the live endpoints. Resting orders and open positions never leave."""

    market_settled_ms: int
    trades_created_ms: int
    orders_updated_ms: int
    positions_updated_ms: int | None = None


@attrs.frozen(kw_only=True)
class SeriesFeeChange:
    """An announced change of a series' fees."""

    series_ticker: str
    fee_type: str
    fee_multiplier_e4: int
    scheduled_time_ms: int


@attrs.frozen(kw_only=True)
class EventFeeChange:
    """An announced change of an event's fee override; None takes the override away."""

    event_ticker: str
    series_ticker: str
    fee_type_override: str | None
    fee_multiplier_override_e4: int | None
    scheduled_time_ms: int


class _ShardStatus(msgspec.Struct, gc=False):
    exchange_index: int
    exchange_active: bool
    trading_active: bool
    description: str = ""
    intra_exchange_transfers_active: bool = True


class _StatusAnswer(msgspec.Struct):
    exchange_active: bool
    trading_active: bool
    exchange_estimated_resume_time: str | None = None
    exchange_index_statuses: list[_ShardStatus] | None = None


class _Session(msgspec.Struct, gc=False):
    open_time: str
    close_time: str


class _Week(msgspec.Struct, gc=False):
    start_time: str
    end_time: str
    monday: list[_Session] | None = None
    tuesday: list[_Session] | None = None
    wednesday: list[_Session] | None = None
    thursday: list[_Session] | None = None
    friday: list[_Session] | None = None
    saturday: list[_Session] | None = None
    sunday: list[_Session] | None = None


class _Window(msgspec.Struct, gc=False):
    start_datetime: str
    end_datetime: str


class _Schedule(msgspec.Struct):
    standard_hours: list[_Week] | None = None
    maintenance_windows: list[_Window] | None = None


class _ScheduleAnswer(msgspec.Struct):
    schedule: _Schedule


class _CutoffAnswer(msgspec.Struct):
    market_settled_ts: str
    trades_created_ts: str
    orders_updated_ts: str
    market_positions_last_updated_ts: str | None = None


class _SeriesChange(msgspec.Struct, gc=False):
    series_ticker: str
    fee_type: str
    fee_multiplier: Decimal
    scheduled_ts: str


class _SeriesChangesAnswer(msgspec.Struct):
    series_fee_change_arr: list[_SeriesChange] | None = None


class _EventChange(msgspec.Struct, gc=False):
    event_ticker: str
    scheduled_ts: str
    series_ticker: str = ""
    fee_type_override: str | None = None
    fee_multiplier_override: Decimal | None = None


class _EventChangesAnswer(msgspec.Struct):
    event_fee_changes: list[_EventChange] | None = None
    cursor: str = ""


def parse_exchange_status(body: bytes) -> ExchangeStatus:
    """Returns the state of the exchange; the same body also comes with 500, 503 and 504."""
    answer = decode(body, _StatusAnswer)
    return ExchangeStatus(
        exchange_active=answer.exchange_active,
        trading_active=answer.trading_active,
        estimated_resume_time=answer.exchange_estimated_resume_time,
        shards=tuple(
            ShardStatus(
                exchange_index=shard.exchange_index,
                description=shard.description,
                exchange_active=shard.exchange_active,
                trading_active=shard.trading_active,
                transfers_active=shard.intra_exchange_transfers_active,
            )
            for shard in answer.exchange_index_statuses or ()
        ),
    )


def parse_schedule(body: bytes) -> Schedule:
    """Returns the trading hours and the announced maintenance."""
    schedule = decode(body, _ScheduleAnswer).schedule
    return Schedule(
        weeks=tuple(_week(week) for week in schedule.standard_hours or ()),
        maintenance=tuple(
            MaintenanceWindow(start_ms=parse_time_ms(window.start_datetime), end_ms=parse_time_ms(window.end_datetime))
            for window in schedule.maintenance_windows or ()
        ),
    )


def parse_cutoff(body: bytes) -> HistoricalCutoff:
    answer = decode(body, _CutoffAnswer)
    positions = answer.market_positions_last_updated_ts
    return HistoricalCutoff(
        market_settled_ms=parse_time_ms(answer.market_settled_ts),
        trades_created_ms=parse_time_ms(answer.trades_created_ts),
        orders_updated_ms=parse_time_ms(answer.orders_updated_ts),
        positions_updated_ms=parse_time_ms(positions) if positions else None,
    )


def parse_series_fee_changes(body: bytes) -> tuple[SeriesFeeChange, ...]:
    return tuple(
        SeriesFeeChange(
            series_ticker=item.series_ticker,
            fee_type=item.fee_type,
            fee_multiplier_e4=fee_multiplier_e4(item.fee_multiplier),
            scheduled_time_ms=parse_time_ms(item.scheduled_ts),
        )
        for item in decode(body, _SeriesChangesAnswer).series_fee_change_arr or ()
    )


def parse_event_fee_changes(body: bytes) -> tuple[tuple[EventFeeChange, ...], str]:
    answer = decode(body, _EventChangesAnswer)
    changes = tuple(
        EventFeeChange(
            event_ticker=item.event_ticker,
            series_ticker=item.series_ticker,
            fee_type_override=item.fee_type_override or None,
            fee_multiplier_override_e4=(
                None if item.fee_multiplier_override is None else fee_multiplier_e4(item.fee_multiplier_override)
            ),
            scheduled_time_ms=parse_time_ms(item.scheduled_ts),
        )
        for item in answer.event_fee_changes or ()
    )
    return changes, answer.cursor


def _week(week: _Week) -> TradingWeek:
    days = (week.monday, week.tuesday, week.wednesday, week.thursday, week.friday, week.saturday, week.sunday)
    return TradingWeek(
        start_ms=parse_time_ms(week.start_time),
        end_ms=parse_time_ms(week.end_time),
        sessions=tuple(
            Session(day=day, open_minute=_minute(one.open_time), close_minute=_minute(one.close_time))
            for day, sessions in zip(DAYS, days, strict=True)
            for one in sessions or ()
        ),
    )


def _minute(text: str) -> int:
    hours, _, minutes = text.partition(":")
    digits = hours + minutes
    if not (digits.isascii() and digits.isdecimal() and len(hours) <= 2 and len(minutes) == 2):
        raise WireError(f"expected a time of day as HH:MM, found {text[:40]!r}")
    minute = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or minute > 1_440:
        raise WireError(f"there is no such time of day: {text[:40]!r}")
    return minute
