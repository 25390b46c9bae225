"""Public reads about the exchange itself: status, schedule, how fresh portfolio reads are (kalshi-rest.md §7.1)."""

from __future__ import annotations

from typing import Final

from kalshi.simulator.rest_call import Answer, Call
from kalshi.simulator.timestamps import rfc3339
from kalshi.simulator.views import Json

_DAY_MS: Final = 86_400_000
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# Descriptions of the shards page of August 2026.
_SHARDS: Final = {0: "Default", 1: "Exotics", 2: "Crypto and commodities", 3: "Tennis, baseball and basketball"}


def exchange_status(call: Call) -> Answer:
    core = call.services.core
    flags: Json = {
        "exchange_active": core.exchange_active,
        "trading_active": core.trading_active,
        "intra_exchange_transfers_active": core.exchange_active,
    }
    shards = [{"exchange_index": shard, "description": description, **flags} for shard, description in _SHARDS.items()]
    resume_ms = call.services.pauses.resume_ms()
    if resume_ms is not None:
        flags["exchange_estimated_resume_time"] = rfc3339(resume_ms)
    return Answer(body=flags | {"exchange_index_statuses": shards})


def exchange_schedule(call: Call) -> Answer:
    hours = {day: [{"open_time": "00:00", "close_time": "00:00"}] for day in _WEEKDAYS}
    now_ms = call.services.core.now_ms()
    window = {"start_time": rfc3339(now_ms - _DAY_MS), "end_time": rfc3339(now_ms + 365 * _DAY_MS), **hours}
    pauses = [
        {"start_datetime": rfc3339(start_ms), "end_datetime": rfc3339(end_ms)}
        for start_ms, end_ms in call.services.pauses.windows()
    ]
    return Answer(body={"schedule": {"standard_hours": [window], "maintenance_windows": pauses}})


def user_data_timestamp(call: Call) -> Answer:
    return Answer(body={"as_of_time": rfc3339(call.services.reads.as_of_ms())})
