"""Order groups over REST (kalshi-rest.md §7.6): one group belongs to one subaccount on one shard."""

from __future__ import annotations

from kalshi.simulator.groups import OrderGroup
from kalshi.simulator.refusals import invalid, not_found
from kalshi.simulator.rest_body import Body
from kalshi.simulator.rest_call import Answer, Call
from kalshi.simulator.rest_orders import WRITE_COST
from kalshi.simulator.views import Json
from kalshi.simulator.wire_numbers import count_text


def list_order_groups(call: Call) -> Answer:
    rows = [{"id": group.group_id, **_facts(group)} for group in _visible(call).values()]
    return Answer(body={"order_groups": rows})


def get_order_group(call: Call) -> Answer:
    # A read finds the group on whatever shard it is, unless one is named; only writes need the shard.
    group, wanted = _visible(call).get(call.path_parameters["group_id"]), call.integer("exchange_index")
    if group is None or wanted not in (None, group.exchange_index):
        raise not_found()
    return Answer(body={**_facts(group), "orders": list(group.resting)})


def create_order_group(call: Call) -> Answer:
    body = call.body("CreateOrderGroupRequest")
    exchange_index = body.integer("exchange_index") or 0
    call.spend_write(WRITE_COST, exchange_index)
    account = call.subaccount(body.integer("subaccount"))
    group = call.services.groups.create(account, _limit_e2(body), exchange_index)
    return Answer(
        status=201,
        body={
            "order_group_id": group.group_id,
            "subaccount": account.subaccount_number,
            "exchange_index": group.exchange_index,
        },
    )


def trigger_order_group(call: Call) -> Answer:
    call.services.groups.trigger(_own_group(call))
    return Answer(body={})


def reset_order_group(call: Call) -> Answer:
    call.services.groups.reset(_own_group(call))
    return Answer(body={})


def limit_order_group(call: Call) -> Answer:
    body = call.body("UpdateOrderGroupLimitRequest")
    group = _own_group(call)
    call.services.groups.set_limit(group, _limit_e2(body))
    return Answer(body={})


def delete_order_group(call: Call) -> Answer:
    call.services.groups.delete(_own_group(call))
    return Answer(body={})


def _visible(call: Call) -> dict[str, OrderGroup]:
    return {
        group.group_id: group for account in call.subaccounts() for group in call.services.groups.groups_of(account)
    }


def _own_group(call: Call) -> OrderGroup:
    exchange_index = call.integer("exchange_index") or 0
    call.spend_write(WRITE_COST, exchange_index)
    account = call.subaccount(call.integer("subaccount"))
    return call.services.groups.find(account, call.path_parameters["group_id"], exchange_index)


def _limit_e2(body: Body) -> int:
    exact_e2 = body.decimal("contracts_limit_fp", 2, "invalid_parameters")
    whole = body.integer("contracts_limit")
    if exact_e2 is None and whole is None:
        raise invalid("contracts_limit or contracts_limit_fp is required")
    if exact_e2 is not None and whole is not None and exact_e2 != whole * 100:
        raise invalid("contracts_limit and contracts_limit_fp must match")
    return exact_e2 if exact_e2 is not None else (whole or 0) * 100


def _facts(group: OrderGroup) -> Json:
    return {
        "contracts_limit_fp": count_text(group.limit_e2),
        "is_auto_cancel_enabled": True,
        "exchange_index": group.exchange_index,
    }
