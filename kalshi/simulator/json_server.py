"""A table of JSON questions as an ASGI application: what the truth and control ports need, and nothing else.

A web framework costs a third of the start-up time per application; these ports serve a person or a test on
loopback and have a dozen routes. A body must come as application/json: a web page that a browser shows cannot
send that to another origin unasked, so no page can play with the exchange.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import attrs
import msgspec
import trio

BODY_BYTES_MAX: Final = 1_000_000
_JSON: Final = (b"content-type", b"application/json")


class BadRequest(Exception):
    """The question cannot be answered; `body` says why, to a person."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


@attrs.frozen(kw_only=True)
class Question:
    """One request: what stood in the place of the route's `*`, the query, the decoded body."""

    rest: str = ""
    query: Mapping[str, str] = attrs.field(factory=dict)
    body: Any = None


Respond = Callable[[Question], object]
Routes = Mapping[tuple[str, str], Respond]


def build_json_app(routes: Routes) -> Any:
    """Returns an ASGI application; a route is a method and a path, whose last part may be `*`."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        try:
            answer, status = await _answer(routes, scope, receive), 200
        except BadRequest as bad:
            answer, status = bad.body, bad.status
        content = msgspec.json.encode(answer) + b"\n"
        headers = [_JSON, (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content, "more_body": False})

    return app


async def _answer(routes: Routes, scope: Any, receive: Any) -> object:
    body = await _body(scope, receive)
    await trio.lowlevel.checkpoint()
    method, path = scope["method"], scope["path"].rstrip("/")
    parent, _, last = path.rpartition("/")
    respond, rest = routes.get((method, path)), ""
    if respond is None:
        respond, rest = routes.get((method, f"{parent}/*")), last
    if respond is None:
        raise BadRequest(404, {"error": "no such route", "routes": [f"{verb} {route}" for verb, route in routes]})
    query = dict(parse_qsl(bytes(scope.get("query_string", b"")).decode("ascii", "replace")))
    return respond(Question(rest=rest, query=query, body=body))


async def _body(scope: Any, receive: Any) -> Any:
    content, is_too_large = b"", False
    while True:  # ends with the body, or the connection; what is too much is read and forgotten
        message = await receive()
        content += message.get("body", b"")
        if len(content) > BODY_BYTES_MAX:
            content, is_too_large = b"", True
        if not message.get("more_body", False):
            break
    if is_too_large:
        raise BadRequest(413, {"error": f"a body has at most {BODY_BYTES_MAX:,} bytes"})
    if not content.strip():
        return None
    kinds = (value for name, value in scope["headers"] if name.lower() == b"content-type")
    if not next(kinds, b"").startswith(b"application/json"):
        raise BadRequest(415, {"error": "send the body as application/json"})
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as bad:
        raise BadRequest(400, {"error": f"the body is no JSON: {bad}"}) from None
