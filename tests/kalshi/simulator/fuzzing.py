"""Structure-aware nonsense: sound requests and commands, and the many ways in which they can be broken.

Everything is drawn from one `random.Random`, so a seed names a run. A case knows whether it is *certainly* malformed:
then it must be refused. Other cases may be fine by chance (another price, one field more); for them only the general
promises hold: no 5xx, a known error shape, and a refusal that has changed nothing.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

import attrs

from kalshi.simulator.rest_api import ROUTES, Route
from tests.kalshi.simulator.customer import OTHER_TICKER, PREFIX, SUB_CENT_TICKER, TICKER

# Deep enough to exhaust the recursion of any decoder written in C or Python.
NESTING_DEPTH: Final = 20_000
_LONG_TEXT: Final = 5_000
_QUERY_PAIRS_MAX: Final = 200

_LEGACY: Final = "/portfolio/orders"

_QUERY_NAMES: Final = (
    "limit",
    "cursor",
    "status",
    "ticker",
    "tickers",
    "event_ticker",
    "series_ticker",
    "market_tickers",
    "min_ts",
    "max_ts",
    "start_ts",
    "end_ts",
    "period_interval",
    "depth",
    "exchange_index",
    "subaccount",
    "order_id",
    "settlement_status",
    "count_filter",
    "mve_filter",
    "with_nested_markets",
    "min_close_ts",
    "max_close_ts",
    "min_updated_ts",
    "min_created_ts",
    "max_settled_ts",
    "include_latest_before_start",
    "type",
    "category",
    "tags",
    "show_historical",
    "is_block_trade",
)
_TEXTS: Final = (
    "",
    " ",
    "0",
    "-0",
    "-1.00",
    "0.00",
    "0.001",
    "0.00001",
    "1.0000",
    "1.0001",
    "99999999999999999999.99",
    "1e5",
    "1,5",
    "+1",
    "0x10",
    ".5",
    "5.",
    "NaN",
    "Infinity",
    "-Infinity",
    "null",
    "true",
    "None",
    "\uff11.\uff10\uff10",  # fullwidth digits: str.isdigit says yes
    "\u0663",  # an Arabic three
    "\u00b2",  # a superscript two
    "\x00",
    "a\nb",
    "\u202e\u0000\ufeff",
    "\U0001f980" * 50,
    "../../etc",
    "'; DROP TABLE orders; --",
    "%s%n{0}{}",
    "<script>",
    "2026-11-20T00:00:00Z",
    "x" * _LONG_TEXT,
    "1" * _LONG_TEXT,
)
_NUMBERS: Final = (0, -1, 1, 1.5, -0.0, 1e308, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**30, 10**400)


def nonsense(rng: random.Random) -> object:
    """Returns any JSON value."""
    return rng.choice(
        (
            None,
            True,
            False,
            rng.choice(_NUMBERS),
            rng.choice(_NUMBERS),
            rng.choice(_TEXTS),
            rng.choice(_TEXTS),
            [],
            {},
            [None],
            [[[[]]]],
            {"": {"": []}},
            [rng.choice(_TEXTS), rng.choice(_NUMBERS)],
            {rng.choice(_TEXTS): rng.choice(_NUMBERS)},
        )
    )


def of_another_type(rng: random.Random, value: object) -> object:
    """Returns a JSON value of another JSON type than the given one, never null."""
    while True:  # ends with the first of another type; two of three are
        found = nonsense(rng)
        if found is not None and _json_type(found) != _json_type(value):
            return found


def _json_type(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Returns the path of every node below the root."""
    children: list[tuple[Any, object]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    found = []
    for key, child in children:
        found += [(*path, key), *_places(child, (*path, key))]
    return found


def mutate_tree(rng: random.Random, value: object) -> object:
    """Returns a copy with one node replaced, removed, doubled, or joined by a stranger."""
    copy = json.loads(json.dumps(value))
    places = _places(copy)
    if not places:
        return nonsense(rng)
    *above, key = rng.choice(places)
    parent = copy
    for step in above:
        parent = parent[step]
    match rng.randrange(5):
        case 0:
            del parent[key]
        case 1:
            parent[key] = [parent[key]] * rng.choice((0, 1, 2, 200))
        case 2 if isinstance(parent, dict):
            parent[rng.choice(_TEXTS)] = nonsense(rng)
        case 3:
            parent[key] = of_another_type(rng, parent[key])
        case _:
            parent[key] = nonsense(rng)
    return copy


def broken_text(rng: random.Random, value: object) -> bytes:
    """Returns bytes that are no JSON at all, however one looks at them."""
    text = json.dumps(value).encode()
    match rng.randrange(8):
        case 0:
            return text[: rng.randrange(1, len(text))]
        case 1:
            return text + rng.choice((b"}", b",", b"x", b"\x00", text))
        case 2:
            at = rng.randrange(1, len(text))
            return text[:at] + rng.choice((b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"\x00")) + text[at:]
        case 3:
            return b'{"a":' * NESTING_DEPTH
        case 4:
            return b"[" * NESTING_DEPTH + b"]" * NESTING_DEPTH
        case 5:
            return text[:-1] + rng.choice((b',"x":NaN}', b',"x":Infinity}', b',"x":01}', b',"x":.5}', b",}"))
        case 6:
            return text[:-1] + b',"x":"\\ud800"}'
        case _:
            return rng.choice(
                (b"\xef\xbb\xbf" + text, b"//\n" + text, b"<xml/>", b"a=b&c=d", b"\x1f\x8b\x08\x00", b"'")
            )


def loose_text(rng: random.Random, value: object) -> bytes:
    """Returns JSON that is odd and allowed: doubled keys, blanks, escapes, numbers of a thousand digits."""
    text = json.dumps(value).encode()
    if not text.endswith(b"}") or text == b"{}":
        return b" \r\n" + text + b"\t "
    inner = text[1:-1]
    match rng.randrange(4):
        case 0:
            return b"{" + inner + b"," + inner + b"}"
        case 1:
            return b"{" + inner + b',"count":"0.01","count":7}'
        case 2:
            return b"{" + inner + b',"x":' + b"9" * 1_000 + b"}"
        case _:
            return b"{" + inner.replace(b"e", b"\\u0065") + b"}"


@attrs.frozen(kw_only=True)
class Case:
    """One request as it goes to the application; `is_malformed` says that it must be refused."""

    method: str
    path: bytes
    query: bytes = b""
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    is_signed: bool = True
    is_malformed: bool = False
    label: str = ""


@attrs.frozen(kw_only=True)
class Names:
    """What a sound request may name just now."""

    order_id: str
    group_id: str
    client_order_id: Callable[[], str]


class RequestFuzzer:
    """Draws requests: a sound one for a random route, then one way to break it."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        # The older order writes have one answer to everything; they come among all routes often enough.
        self._writes = [route for route in ROUTES if route.method != "GET" and not route.path.startswith(_LEGACY)]
        self._any_breakers: tuple[Callable[[Case, object], Case], ...] = (
            self._query,
            self._query,
            self._path,
            self._headers,
            self._credentials,
            self._method,
        )
        self._body_breakers: tuple[Callable[[Case, object], Case], ...] = (
            self._broken_body,
            self._broken_body,
            self._mutated_body,
            self._loose_body,
            self._wrong_type,
            self._missing_field,
        )

    def draw(self, names: Names) -> Case:
        """Returns the next case."""
        rng = self._rng
        route = rng.choice(self._writes) if rng.random() < 0.8 else rng.choice(ROUTES)
        body = sound_body(route, names)
        case = Case(
            method=route.method,
            path=(PREFIX + sound_path(route, names)).encode(),
            query=self._sound_query(route),
            body=b"" if body is None else json.dumps(body).encode(),
            label=f"{route.method} {route.path}",
        )
        is_body_broken = body is not None and rng.random() < 0.8
        breaker = rng.choice(self._body_breakers if is_body_broken else self._any_breakers)
        return attrs.evolve(breaker(case, body), label=f"{case.label} {breaker.__name__}")

    def _sound_query(self, route: Route) -> bytes:
        if "candlesticks" in route.path:
            return f"market_tickers={TICKER}&start_ts=1795100000&end_ts=1795182900&period_interval=60".encode()
        if "queue_positions" in route.path or "orderbooks" in route.path:
            return f"market_tickers={TICKER}&tickers={TICKER}".encode()
        return self._rng.choice((b"", b"limit=5", f"ticker={TICKER}&limit=2".encode(), b"exchange_index=0"))

    def _broken_body(self, case: Case, body: object) -> Case:
        return attrs.evolve(case, body=broken_text(self._rng, body), is_malformed=True)

    def _mutated_body(self, case: Case, body: object) -> Case:
        value = mutate_tree(self._rng, body)
        if self._rng.random() < 0.3:
            value = mutate_tree(self._rng, value)
        return attrs.evolve(case, body=json.dumps(value).encode())

    def _loose_body(self, case: Case, body: object) -> Case:
        return attrs.evolve(case, body=loose_text(self._rng, body))

    def _wrong_type(self, case: Case, body: object) -> Case:
        """One field that the exchange reads has another JSON type: it must say so."""
        if not isinstance(body, dict) or not body:
            return self._mutated_body(case, body)
        key = self._rng.choice(list(body))
        return attrs.evolve(
            case,
            body=json.dumps({**body, key: of_another_type(self._rng, body[key])}).encode(),
            is_malformed=True,
        )

    def _missing_field(self, case: Case, body: object) -> Case:
        """A create or an amend without one of its required fields must be refused."""
        required = [
            key
            for key in ("ticker", "side", "count", "price", "time_in_force", "self_trade_prevention_type", "orders")
            if isinstance(body, dict) and key in body
        ]
        if not isinstance(body, dict) or not required:
            return self._mutated_body(case, body)
        gone = self._rng.choice(required)
        left = {key: value for key, value in body.items() if key != gone}
        return attrs.evolve(case, body=json.dumps(left).encode(), is_malformed=True)

    def _query(self, case: Case, _: object) -> Case:
        rng = self._rng
        pairs = [
            (rng.choice(_QUERY_NAMES), self._query_text())
            for _ in range(200 if rng.random() < 0.01 else rng.randrange(1, 4))
        ]
        separator = rng.choice(("&", "&", "&", ";", "&&"))
        return attrs.evolve(case, query=separator.join(f"{name}={text}" for name, text in pairs).encode())

    def _query_text(self) -> str:
        rng = self._rng
        match rng.randrange(5):
            case 0:
                return quote(str(rng.choice(_NUMBERS))[:400])
            case 1:
                return rng.choice(("%ff%fe", "%", "%zz", "%00", "====", "a=b=c", "KAY6Lw", "gICAgIA"))
            case 2:
                return quote(",".join(rng.choice(_TEXTS)[:40] for _ in range(rng.choice((2, 5)))))
            case 3:
                return rng.choice((TICKER, SUB_CENT_TICKER, "open", "settled", "true", "1", "0"))
            case _:
                return quote(rng.choice(_TEXTS)[:400])

    def _path(self, case: Case, _: object) -> Case:
        rng = self._rng
        raw = case.path
        parts = raw.split(b"/")
        at = rng.randrange(3, len(parts))
        parts[at] = rng.choice(
            (
                b"..",
                b"%2e%2e",
                b"%00",
                b"",
                b"%",
                b"%zz",
                b"%ff",
                b"%2F",
                b"x" * 3_000,
                b";a=b",
                b"~",
                b"*",
                parts[at].upper(),
            )
        )
        return attrs.evolve(case, path=rng.choice((b"/".join(parts), raw + b"/", raw + b"/x", b"/" + raw, b"/", b"/x")))

    def _headers(self, case: Case, _: object) -> Case:
        rng = self._rng
        odd = (
            (
                b"content-type",
                rng.choice((b"text/plain", b"", b"application/xml", b"multipart/form-data", b"\xff", b"a/b;c")),
            ),
            (b"content-encoding", b"gzip"),
            (b"content-length", rng.choice((b"-1", b"x", b"99999999999", b"\xb2"))),
            (b"transfer-encoding", b"chunked"),
            (b"cookie", rng.choice((b"=", b"a=" + b"b" * 9_000, b"\xff=\xfe", b";;;"))),
            (b"accept", rng.choice((b"", b"*/*;q=x", b"\xff"))),
            (b"accept-language", b"es|pt"),
            (b"host", rng.choice((b"", b"[::", b"a:b:c", b"\xff"))),
            (b"origin", b"null"),
            (b"range", b"bytes=0-"),
            (b"x" * 200, b"y" * 9_000),
            (b"", b""),
            (b"kalshi-access-key", b"\xff\xfe"),
        )
        return attrs.evolve(case, headers=tuple(rng.choice(odd) for _ in range(rng.choice((1, 2, 40)))))

    def _credentials(self, case: Case, _: object) -> Case:
        rng = self._rng
        garbage = (b"", b" ", b"\xff", b"alice", b"bob", b"1795182900000", b"-1", b"9" * 400, b"\xb2", b"====", b"QUJD")
        names = (b"kalshi-access-key", b"kalshi-access-timestamp", b"kalshi-access-signature")
        chosen = rng.sample(names, rng.choice((0, 1, 2, 3)))
        return attrs.evolve(
            case,
            headers=tuple((name, rng.choice(garbage)) for name in chosen),
            is_signed=False,
            # A lone timestamp on a public route is an unsigned request.
            is_malformed=_needs_signature(case) or bool({*chosen} & {names[0], names[2]}),
        )

    def _method(self, case: Case, _: object) -> Case:
        wanted = self._rng.choice(
            ("PATCH", "TRACE", "HEAD", "CONNECT", "FOO", "get", "POST", "PUT", "DELETE", "GET", "")
        )
        return attrs.evolve(case, method=wanted)


def _needs_signature(case: Case) -> bool:
    return any(
        route.method == case.method and not route.is_public and f"{route.method} {route.path}" == case.label
        for route in ROUTES
    )


def sound_path(route: Route, names: Names) -> str:
    """Returns the path of a route with names that exist."""
    values = {
        "ticker": TICKER,
        "event_ticker": TICKER.rpartition("-")[0],
        "series_ticker": TICKER.partition("-")[0],
        "order_id": names.order_id,
        "group_id": names.group_id,
    }
    parts = [
        values.get(part[1:-1].partition(":")[0], "x") if part.startswith("{") else part
        for part in route.path.split("/")
    ]
    return "/".join(parts)


def sound_create(names: Names) -> dict[str, object]:
    """Returns a create body that the exchange takes and that rests."""
    return {
        "ticker": TICKER,
        "client_order_id": names.client_order_id(),
        "side": "bid",
        "count": "1.00",
        "price": "0.0200",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
        "post_only": True,
        "cancel_order_on_pause": True,
        "order_group_id": names.group_id,
        "exchange_index": 0,
    }


def _sound_transfer() -> dict[str, object]:
    return {
        "source": "event_contract",
        "destination": "event_contract",
        "source_exchange_shard": 0,
        "destination_exchange_shard": 2,
        "amount": 100,
    }


def sound_body(route: Route, names: Names) -> object | None:
    """Returns a body for a write; None where there is none to break."""
    if route.method == "GET" or route.path.startswith(_LEGACY):
        return None
    match (route.method, route.path.rpartition("/")[2]):
        case ("POST", "orders"):
            return sound_create(names)
        case ("POST", "batched"):
            return {"orders": [sound_create(names), {**sound_create(names), "side": "ask", "price": "0.9800"}]}
        case ("DELETE", "batched"):
            return {"orders": [{"order_id": names.order_id, "exchange_index": 0, "market_ticker": TICKER}]}
        case ("POST", "amend"):
            return {"ticker": TICKER, "side": "bid", "price": "0.0300", "count": "4.00", "exchange_index": 0}
        case ("POST", "decrease"):
            return {"reduce_by": "1.00", "market_ticker": TICKER, "exchange_index": 0}
        case ("POST", "create"):
            return {"contracts_limit_fp": "50.00", "exchange_index": 0}
        case ("PUT", "limit"):
            return {"contracts_limit_fp": "60.00"}
        case ("POST", "intra_exchange_instance_transfer"):
            return _sound_transfer()
        case ("POST", "transfer"):
            return {"from_subaccount": 0, "to_subaccount": 1, "amount_cents": 5, "exchange_index": 0}
        case ("POST", "subaccounts"):
            return {"exchange_index": 0}
        case ("PUT", "netting"):
            return {"subaccount_number": 0, "enabled": True}
        case ("POST", "target_balance_allocation"):
            shares = [{"exchange_index": 0, "percent": 60}, {"exchange_index": 2, "percent": 40}]
            return {"allocations": shares, "resting_margin_reservation": "sum"}
        case ("POST", "api_keys"):
            return {"name": "fuzz", "scopes": ["read"], "public_key": "-----BEGIN"}
        case ("POST", "generate"):
            # The other type of key takes a tenth of a second to make.
            return {"name": "fuzz", "key_type": "ed25519", "scopes": ["read"]}
        case _:
            return None


class CommandFuzzer:
    """Draws socket texts: a sound command, then one way to break it."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def draw(self) -> str:
        """Returns the next text."""
        rng = self._rng
        command = self._sound()
        match rng.randrange(6):
            case 0:
                return broken_text(rng, command).decode("utf-8", "replace")
            case 1:
                return loose_text(rng, command).decode()
            case 2:
                return json.dumps(mutate_tree(rng, mutate_tree(rng, command)))
            case 3:
                return json.dumps(nonsense(rng))
            case _:
                return json.dumps(mutate_tree(rng, command))

    def _sound(self) -> dict[str, object]:
        rng = self._rng
        channels = (
            "orderbook_delta",
            "ticker",
            "trade",
            "fill",
            "user_orders",
            "market_positions",
            "market_lifecycle_v2",
        )
        tickers = rng.sample((TICKER, OTHER_TICKER, SUB_CENT_TICKER, "KXNONE"), rng.randrange(1, 4))
        params: dict[str, object]
        match rng.randrange(4):
            case 0 | 1:
                params = {"channels": rng.sample(channels, 2), "market_tickers": tickers, "use_yes_price": False}
                return {"id": rng.randrange(1, 99), "cmd": "subscribe", "params": params}
            case 2:
                action = rng.choice(("add_markets", "delete_markets", "get_snapshot"))
                params = {"sids": [rng.randrange(1, 5)], "action": action, "market_tickers": tickers}
                return {"id": rng.randrange(1, 99), "cmd": "update_subscription", "params": params}
            case _:
                return {"id": rng.randrange(1, 99), "cmd": "unsubscribe", "params": {"sids": [rng.randrange(1, 5)]}}
