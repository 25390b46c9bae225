"""Answers to writes: what the exchange says it has done.

A success whose body does not fit raises one of PARSE_ERRORS; the client then knows nothing about the outcome.

Source: Kalshi OpenAPI 3.34.0 of October 2026; recorded answers of June 2026.
"""

from __future__ import annotations

import msgspec

from kalshi.errors import describe
from kalshi.numbers import (
    parse_count,
)
from kalshi.rest_wire import decode, given
from kalshi.types import (
    AmendAck,
    CancelAck,
    CreateAck,
    DecreaseAck,
    ItemRejection,
)
from kalshi.wire import WireError


class _GroupCreatedAnswer(msgspec.Struct):
    order_group_id: str


class _AckItem(msgspec.Struct, gc=False):
    order_id: str | None = None
    client_order_id: str | None = None
    fill_count: str | None = None
    remaining_count: str | None = None
    reduced_by: str | None = None
    ts_ms: int | None = None
    error: msgspec.Raw = msgspec.Raw(b"null")

    @property
    def has_error(self) -> bool:
        return bytes(self.error) != b"null"


class _BatchAnswer(msgspec.Struct):
    orders: list[_AckItem]


def parse_group_created(body: bytes) -> str:
    return decode(body, _GroupCreatedAnswer).order_group_id


def parse_create_ack(body: bytes, client_order_id: str) -> CreateAck:
    """Returns the answer to a create; `client_order_id` stands in where the answer leaves it out."""
    return _create_ack(decode(body, _AckItem), client_order_id)


def parse_amend_ack(body: bytes) -> AmendAck:
    item = decode(body, _AckItem)
    return AmendAck(
        order_id=given(item.order_id, "order_id"),
        remaining_e2=None if item.remaining_count is None else parse_count(item.remaining_count),
        filled_e2=None if item.fill_count is None else parse_count(item.fill_count),
        ts_ms=given(item.ts_ms, "ts_ms"),
    )


def parse_decrease_ack(body: bytes) -> DecreaseAck:
    item = decode(body, _AckItem)
    return DecreaseAck(
        order_id=given(item.order_id, "order_id"),
        remaining_e2=parse_count(given(item.remaining_count, "remaining_count")),
        ts_ms=given(item.ts_ms, "ts_ms"),
    )


def parse_cancel_ack(body: bytes) -> CancelAck:
    return _cancel_ack(decode(body, _AckItem))


def parse_batch_create(body: bytes, client_order_ids: tuple[str, ...]) -> tuple[CreateAck | ItemRejection, ...]:
    """Returns one answer per order of the batch, in its order."""
    items = _batch_items(body, len(client_order_ids))
    return tuple(
        _rejection(item.error) if item.has_error else _create_ack(item, client_order_id)
        for item, client_order_id in zip(items, client_order_ids, strict=True)
    )


def parse_batch_cancel(body: bytes, order_ids: tuple[str, ...]) -> tuple[CancelAck | ItemRejection, ...]:
    """Returns one answer per order of the batch, in its order."""
    items = _batch_items(body, len(order_ids))
    answers: list[CancelAck | ItemRejection] = []
    for item, order_id in zip(items, order_ids, strict=True):
        if item.order_id is not None and item.order_id != order_id:
            raise WireError("a batch answer names another order than the request at the same place")
        answers.append(_rejection(item.error) if item.has_error else _cancel_ack(item))
    return tuple(answers)


def _create_ack(item: _AckItem, client_order_id: str) -> CreateAck:
    if item.client_order_id and item.client_order_id != client_order_id:
        raise WireError("the answer to a create names another client_order_id than the request")
    return CreateAck(
        order_id=given(item.order_id, "order_id"),
        client_order_id=client_order_id,
        filled_e2=parse_count(given(item.fill_count, "fill_count")),
        remaining_e2=parse_count(given(item.remaining_count, "remaining_count")),
        ts_ms=given(item.ts_ms, "ts_ms"),
    )


def _cancel_ack(item: _AckItem) -> CancelAck:
    return CancelAck(
        order_id=given(item.order_id, "order_id"),
        reduced_by_e2=parse_count(given(item.reduced_by, "reduced_by")),
        ts_ms=given(item.ts_ms, "ts_ms"),
    )


def _rejection(error: msgspec.Raw) -> ItemRejection:
    # The item's error is what stands under "error" in the answer to a single request.
    code, message, details = describe(400, b'{"error":' + bytes(error) + b"}", "")
    return ItemRejection(code=code, message=f"{message} ({details})" if details else message)


def _batch_items(body: bytes, count: int) -> list[_AckItem]:
    items = decode(body, _BatchAnswer).orders
    if len(items) != count:
        raise WireError(f"a batch of {count} orders was answered with {len(items)} items")
    return items
