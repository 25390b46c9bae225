"""The list of incentive programs over REST (kalshi-rest.md §12); its cursor is called next_cursor."""

from __future__ import annotations

from typing import Final

from kalshi.simulator.refusals import QueryInvalid
from kalshi.simulator.rest_call import Answer, Call
from kalshi.simulator.views_listings import incentive_view

_PAGE_DEFAULT: Final = 100
_PAGE_MAX: Final = 10_000
_STATUSES: Final = ("all", "active", "upcoming", "closed", "paid_out")
_KINDS: Final = ("all", "liquidity", "volume", "margin_maker_volume", "margin_taker_volume")


def incentive_programs(call: Call) -> Answer:
    limit = call.limit("GetIncentivePrograms", _PAGE_DEFAULT, _PAGE_MAX)
    status, kind = call.text("status") or "all", call.text("type") or "all"
    if status not in _STATUSES:
        raise QueryInvalid("GetIncentivePrograms", "Status", "oneof")
    if kind not in _KINDS:
        raise QueryInvalid("GetIncentivePrograms", "Type", "oneof")
    now_ms, description = call.services.core.now_ms(), call.text("incentive_description")
    rows = [
        program
        for program in call.services.incentives.programs()
        if status in ("all", program.status(now_ms))
        and kind in ("all", program.kind)
        and description in (None, f"{program.kind} program")
    ]
    chosen, cursor = call.page(rows, lambda program: (-program.start_ms, program.program_id), limit)
    return Answer(body={"incentive_programs": [incentive_view(program) for program in chosen], "next_cursor": cursor})
