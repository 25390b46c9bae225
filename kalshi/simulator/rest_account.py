"""Order groups, account limits and endpoint costs over REST (kalshi-rest.md §4, §7.6, §7.7)."""

from __future__ import annotations

from typing import Final

from kalshi.simulator.groups import OrderGroup
from kalshi.simulator.rate_limits import limits_of
from kalshi.simulator.refusals import invalid
from kalshi.simulator.rest_call import Answer, Body, Call
from kalshi.simulator.rest_orders import WRITE_COST
from kalshi.simulator.views import Json
from kalshi.simulator.wire_numbers import count_text

_ENDPOINT_COSTS: Final = (
    ("POST", "/trade-api/v2/account/api_usage_level/upgrade", 30),
    ("DELETE", "/trade-api/v2/portfolio/events/orders", 2),
    ("DELETE", "/trade-api/v2/portfolio/events/orders/:order_id", 2),
    ("DELETE", "/trade-api/v2/portfolio/events/orders/batched", 2),
    ("GET", "/trade-api/v2/portfolio/orders/:order_id", 2),
)


def account_limits(call: Call) -> Answer:
    limits = limits_of(call.account.tier)
    return Answer(
        body={
            "usage_tier": call.account.tier,
            "read": {"refill_rate": limits.read_refill, "bucket_capacity": limits.read_capacity},
            "write": {"refill_rate": limits.write_refill, "bucket_capacity": limits.write_capacity},
            "grants": [],
        }
    )


def endpoint_costs(call: Call) -> Answer:
    rows = [{"cost": cost, "method": method, "path": path} for method, path, cost in _ENDPOINT_COSTS]
    return Answer(body={"default_cost": 10, "endpoint_costs": rows})


def list_order_groups(call: Call) -> Answer:
    rows = [{"id": group.group_id, **_facts(group)} for group in call.services.groups.groups_of(call.account)]
    return Answer(body={"order_groups": rows})


def get_order_group(call: Call) -> Answer:
    # A read finds the group on whatever shard it is, unless one is named; only writes need the shard.
    group_id, wanted = call.path_parameters["group_id"], call.integer("exchange_index")
    mine = {group.group_id: group for group in call.services.groups.groups_of(call.account)}
    group = mine.get(group_id)
    shard = group.exchange_index if group is not None and wanted is None else wanted or 0
    group = call.services.groups.find(call.account, group_id, shard)
    return Answer(body={**_facts(group), "orders": list(group.resting)})


def create_order_group(call: Call) -> Answer:
    body = call.body("CreateOrderGroupRequest")
    exchange_index = body.integer("exchange_index") or 0
    call.spend_write(WRITE_COST, exchange_index)
    group = call.services.groups.create(call.account, _limit_e2(body), exchange_index)
    return Answer(
        status=201,
        body={"order_group_id": group.group_id, "subaccount": 0, "exchange_index": group.exchange_index},
    )


def trigger_order_group(call: Call) -> Answer:
    call.services.groups.trigger(_own_group(call))
    return Answer(body={})


def reset_order_group(call: Call) -> Answer:
    call.services.groups.reset(_own_group(call))
    return Answer(body={})


def limit_order_group(call: Call) -> Answer:
    body = call.body("UpdateOrderGroupLimitRequest")
    call.services.groups.set_limit(_own_group(call), _limit_e2(body))
    return Answer(body={})


def delete_order_group(call: Call) -> Answer:
    call.services.groups.delete(_own_group(call))
    return Answer(body={})


def _own_group(call: Call) -> OrderGroup:
    exchange_index = call.integer("exchange_index") or 0
    call.spend_write(WRITE_COST, exchange_index)
    return call.services.groups.find(call.account, call.path_parameters["group_id"], exchange_index)


def _limit_e2(body: Body) -> int:
    exact_e2 = body.decimal("contracts_limit_fp", 2, "invalid_parameters")
    whole = body.integer("contracts_limit")
    if exact_e2 is not None:
        return exact_e2
    if whole is None:
        raise invalid("contracts_limit or contracts_limit_fp is required")
    return whole * 100


def _facts(group: OrderGroup) -> Json:
    return {
        "contracts_limit_fp": count_text(group.limit_e2),
        "is_auto_cancel_enabled": True,
        "exchange_index": group.exchange_index,
    }
