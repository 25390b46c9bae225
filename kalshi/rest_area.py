"""What the areas of the REST client share: one sender, and how an answer becomes a value.

An area is a class of methods, one per endpoint; `kalshi.rest` puts the areas together to one client. What a request
is, and when it may be repeated, is the sender's business (`kalshi.rest_send`); what an answer looks like is told in
the `rest_*_answers` modules.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import quote

from kalshi.budget import COST_DEFAULT, Priority
from kalshi.errors import Malformed, OutcomeUnknown, excerpt
from kalshi.rest_send import Answer, Query, Sender, malformed_read
from kalshi.rest_wire import PARSE_ERRORS

T = TypeVar("T")


class RestArea:
    """Some of the client's endpoints, over the sender that all areas of a client share."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def _read(
        self,
        path: str,
        query: Query,
        parse: Callable[[bytes], T],
        priority: Priority,
        cost: int = COST_DEFAULT,
    ) -> T:
        return parsed(path, await self._sender.read(path, query, cost=cost, priority=priority), parse)


async def read_all(page_call: Callable[[str], Awaitable[tuple[tuple[T, ...], str]]], pages_max: int) -> tuple[T, ...]:
    """Returns the items of all pages; `page_call` takes a cursor ("" first) and returns (items, next cursor).

    A page may be empty without being the last. Raises Malformed for a cursor that comes twice (the exchange
    answers an unknown one with the first page) and for more than `pages_max` pages.
    """
    items: list[T] = []
    cursors = {""}
    cursor = ""
    for _ in range(pages_max):
        page, cursor = await page_call(cursor)
        items.extend(page)
        if not cursor:
            return tuple(items)
        if cursor in cursors:
            raise Malformed(f"the pages go in a circle: the cursor {excerpt(cursor)!r} came twice")
        cursors.add(cursor)
    raise Malformed(f"the list has more than {pages_max} pages")


def parsed(path: str, answer: Answer, parse: Callable[[bytes], T]) -> T:
    """Returns what a successful read says. Raises Malformed."""
    try:
        return parse(answer.body)
    except PARSE_ERRORS as error:
        raise malformed_read(path, answer.body, error) from error


def acked(answer: Answer, parse: Callable[[bytes], T]) -> T:
    """Returns what a successful write says it has done. Raises OutcomeUnknown for what cannot be read."""
    try:
        return parse(answer.body)
    except PARSE_ERRORS as error:
        reason = f"answered {answer.status}, but unreadably: {excerpt(str(error))}; {excerpt(answer.body)!r}"
        raise OutcomeUnknown(reason) from error


def segment(text: str) -> str:
    """Returns a ticker or an id as one segment of a path."""
    return quote(text, safe="")


def flag(value: bool | None) -> str | None:
    """Returns a query word for a flag that may be left away."""
    return None if value is None else "true" if value else "false"
