"""Moving money between shards and subaccounts over REST (kalshi-rest.md §6, §7.7)."""

from __future__ import annotations

import uuid
from typing import Final

from kalshi.simulator.api_keys import locked
from kalshi.simulator.refusals import Refused, invalid
from kalshi.simulator.rest_body import Body
from kalshi.simulator.rest_call import DEFAULT_COST, Answer, Call
from kalshi.simulator.treasury import RESERVATIONS, Place, Transfer
from kalshi.simulator.views import Json
from kalshi.simulator.wire_numbers import cash_text

_PAGE_DEFAULT: Final = 100
_PAGE_MAX: Final = 1_000
_SHARD_PAGE_MAX: Final = 500
_E6_PER_CENTICENT: Final = 100
_E6_PER_CENT: Final = 10_000
_INSTANCES: Final = ("event_contract", "margined")


def transfer_between_shards(call: Call) -> Answer:
    """Moves centi-cents between two pots; accepted at once, shown complete when reads have it."""
    body = call.body("IntraExchangeInstanceTransferRequest")
    call.spend_write(DEFAULT_COST, 0)
    instances = (body.required_text("source"), body.required_text("destination"))
    if any(instance not in _INSTANCES for instance in instances):
        raise invalid("source and destination must be event_contract or margined")
    if "margined" in instances:
        raise Refused(400, "invalid_parameters", details="this account has no margined instance")
    source = Place(
        subaccount=body.integer("source_subaccount") or 0, exchange_index=body.integer("source_exchange_shard") or 0
    )
    destination = Place(
        subaccount=body.integer("destination_subaccount") or 0,
        exchange_index=body.integer("destination_exchange_shard") or 0,
    )
    _check_lock(call, source, destination)
    amount, client_id = body.integer("amount"), _transfer_id(body)
    if client_id is not None and (source.subaccount or destination.subaccount):
        raise invalid("client_transfer_id is for transfers of the primary account")
    treasury = call.services.treasury
    transfer = treasury.move_between_shards(
        call.account, source, destination, (amount or 0) * _E6_PER_CENTICENT, client_id
    )
    return Answer(body={"transfer_id": transfer.transfer_id})


def _check_lock(call: Call, source: Place, destination: Place) -> None:
    """Raises Refused for a locked key that names another subaccount; between its own shards it may move money."""
    own = call.key.subaccount if call.key is not None else None
    if own is not None and (source.subaccount, destination.subaccount) != (own, own):
        raise locked()


def list_shard_transfers(call: Call) -> Answer:
    limit = call.limit("GetIntraExchangeInstanceTransfers", _PAGE_DEFAULT, _SHARD_PAGE_MAX)
    rows = call.services.treasury.shard_transfers(call.account)
    chosen, cursor = call.page(rows, _newest_first, limit)
    return Answer(body={"transfers": [_shard_view(call, transfer) for transfer in chosen], "cursor": cursor})


def get_shard_transfer(call: Call) -> Answer:
    transfer = call.services.treasury.shard_transfer(call.account, call.path_parameters["transfer_id"])
    return Answer(body={"transfer": _shard_view(call, transfer)})


def _newest_first(transfer: Transfer) -> tuple[int, str]:
    return -transfer.created_ms, transfer.transfer_id


def _shard_view(call: Call, transfer: Transfer) -> Json:
    is_visible = transfer.created_ms <= call.services.reads.as_of_ms()
    view: Json = {
        "transfer_id": transfer.transfer_id,
        "source": "event_contract",
        "destination": "event_contract",
        "source_exchange_shard": transfer.source.exchange_index,
        "destination_exchange_shard": transfer.destination.exchange_index,
        "amount": cash_text(transfer.amount_e6),
        "status": "complete" if is_visible else "pending",
        "created_ts": transfer.created_ms // 1000,
    }
    client_id = transfer.client_transfer_id
    return view if client_id is None else view | {"client_transfer_id": client_id}


def create_subaccount(call: Call) -> Answer:
    body = call.body("CreateSubaccountRequest")
    call.spend_write(DEFAULT_COST, 0)
    _refuse_locked(call)
    number = call.services.treasury.create_subaccount(call.account, body.integer("exchange_index") or 0)
    return Answer(status=201, body={"subaccount_number": number})


def transfer_between_subaccounts(call: Call) -> Answer:
    body = call.body("ApplySubaccountTransferRequest")
    call.spend_write(DEFAULT_COST, 0)
    _refuse_locked(call)
    client_id, amount_cents = _transfer_id(body), body.integer("amount_cents")
    if client_id is None:
        raise invalid("client_transfer_id is required")
    numbers = (body.integer("from_subaccount"), body.integer("to_subaccount"))
    if None in numbers:
        raise invalid("from_subaccount and to_subaccount are required")
    shard = body.integer("exchange_index") or 0
    source, destination = (Place(subaccount=number or 0, exchange_index=shard) for number in numbers)
    call.services.treasury.move_between_subaccounts(
        call.account, source, destination, (amount_cents or 0) * _E6_PER_CENT, client_id
    )
    return Answer(body={})


def _refuse_locked(call: Call) -> None:
    if call.key is not None:
        call.services.keys.check_unlocked(call.key)


def subaccount_balances(call: Call) -> Answer:
    rows = [
        {
            "subaccount_number": account.subaccount_number,
            "exchange_index": shard,
            "balance": cash_text(cash_e6),
            "updated_ts": call.view(account).cash_updated_ms // 1000,
        }
        for account in call.subaccounts()
        for shard, cash_e6 in call.view(account).cash_by_shard_e6.items()
    ]
    return Answer(body={"subaccount_balances": rows})


def list_subaccount_transfers(call: Call) -> Answer:
    limit = call.limit("GetSubaccountTransfers", _PAGE_DEFAULT, _PAGE_MAX)
    rows = call.services.treasury.subaccount_transfers(call.account)
    chosen, cursor = call.page(rows, _newest_first, limit)
    views = [
        {
            "transfer_id": transfer.transfer_id,
            "from_subaccount": transfer.source.subaccount,
            "to_subaccount": transfer.destination.subaccount,
            "amount_cents": transfer.amount_e6 // _E6_PER_CENT,
            "created_ts": transfer.created_ms // 1000,
            "exchange_index": transfer.source.exchange_index,
        }
        for transfer in chosen
    ]
    return Answer(body={"transfers": views, "cursor": cursor})


def get_netting(call: Call) -> Answer:
    switches = call.services.treasury.netting(call.account)
    rows = [
        {"subaccount_number": account.subaccount_number, "enabled": switches[account.subaccount_number]}
        | {"exchange_index": shard}
        for account in call.subaccounts()
        for shard in account.cash_by_shard_e6
    ]
    return Answer(body={"netting_configs": rows})


def set_netting(call: Call) -> Answer:
    body = call.body("UpdateSubaccountNettingRequest")
    call.spend_write(DEFAULT_COST, 0)
    number = body.integer("subaccount_number")
    if number is None:
        raise invalid("subaccount_number is required")
    account = call.subaccount(number)
    call.services.treasury.set_netting(call.account, account.subaccount_number, enabled=body.flag("enabled"))
    return Answer()


def get_target_allocation(call: Call) -> Answer:
    percents, reservation = call.services.treasury.allocation(call.account)
    rows = [{"exchange_index": shard, "percent": percent} for shard, percent in percents.items()]
    return Answer(body={"allocations": rows, "resting_margin_reservation": reservation})


def set_target_allocation(call: Call) -> Answer:
    body = call.body("SetTargetBalanceAllocationRequest")
    call.spend_write(DEFAULT_COST, 0)
    percents: dict[int, int] = {}
    for item in body.objects("allocations"):
        row = call.body_of("TargetBalanceAllocationInput", item)
        shard, percent = row.integer("exchange_index"), row.integer("percent")
        if shard is None or percent is None or not 0 <= percent <= 100 or shard < 0:
            raise invalid("each allocation needs an exchange_index and a percent from 0 to 100")
        percents[shard] = percent
    wanted = body.text("resting_margin_reservation") or "sum"
    reservation = next((one for one in RESERVATIONS if one == wanted), None)
    if reservation is None:
        raise invalid("resting_margin_reservation must be none, max or sum")
    call.services.treasury.set_allocation(call.account, percents, reservation)
    return Answer(body={})


def _transfer_id(body: Body) -> str | None:
    text = body.text("client_transfer_id")
    if text is None:
        return None
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise invalid("client_transfer_id must be a UUID") from error
