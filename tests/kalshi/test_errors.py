"""Every shape of error body becomes one typed error that says what it means for the caller."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.errors import (
    EXCERPT_LENGTH_MAX,
    AuthenticationFailed,
    ExchangeError,
    RateLimited,
    Rejected,
    Unavailable,
    excerpt,
    parse_error,
)

SHAPES = [
    (b'{"error":{"code":"not_found","message":"not found","service":"exchange"}}', "not_found", "not found", ""),
    (
        b'{"error":{"code":"invalid_order","message":"invalid order","details":"post only cross"}}',
        "invalid_order",
        "invalid order",
        "post only cross",
    ),
    (
        b'{"code":"bad_request","message":"bad request","details":"json: cannot unmarshal number"}',
        "bad_request",
        "bad request",
        "json: cannot unmarshal number",
    ),
    (b'{"msg":"Parameter validation failed"}', "invalid_parameters", "Parameter validation failed", ""),
    (b'{"error":"something odd"}', "something_odd", "something odd", ""),
    (b'{"error":{"code":"AMEND_ORDER_NO_OP","message":""}}', "amend_order_no_op", "", ""),
    (b'{"details":"only details"}', "http_400", "", "only details"),
]


@pytest.mark.parametrize(("body", "code", "message", "details"), SHAPES)
def test_all_recorded_shapes_are_read(body: bytes, code: str, message: str, details: str) -> None:
    error = parse_error(400, body, "application/json")
    assert isinstance(error, Rejected)
    assert (error.status, error.code, error.message, error.details) == (400, code, message, details)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><head><title>502 Bad Gateway</title></head></html>",
        b'{"error":{"code":"not_fo',
        b'{"error":{"code":5}}',
        b"[]",
        b"{}",
        b'{"error":null}',
        b'{"error":""}',
        b"\xff\xfe\x00",
        b"[" * 5_000,
    ],
)
def test_bodies_without_a_known_shape_still_give_a_typed_error(body: bytes) -> None:
    error = parse_error(403, body, "text/html; charset=utf-8")
    assert isinstance(error, Rejected)
    assert error.code == "http_403"
    assert len(str(error)) < 500


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, Rejected),
        (400, Rejected),
        (401, AuthenticationFailed),
        (404, Rejected),
        (408, Unavailable),
        (409, Rejected),
        (410, Rejected),
        (429, RateLimited),
        (500, Unavailable),
        (502, Unavailable),
        (503, Unavailable),
        (504, Unavailable),
    ],
)
def test_the_status_decides_what_the_caller_may_do(status: int, kind: type[ExchangeError]) -> None:
    assert type(parse_error(status, b'{"error":"x"}', "application/json")) is kind


def test_codes_are_compared_in_lower_case() -> None:
    assert Rejected(409, "MARKET_INACTIVE", "closed").code == "market_inactive"


def test_messages_say_what_the_exchange_said() -> None:
    assert str(Rejected(400, "invalid_order", "invalid order", "post only cross")) == (
        "the exchange refused with 400 invalid_order: invalid order (post only cross)"
    )
    assert "502" in str(parse_error(502, b"<html>down</html>", "text/html"))


@given(st.integers(300, 599), st.binary(max_size=300), st.text(max_size=40))
def test_no_answer_whatever_breaks_the_parser(status: int, body: bytes, content_type: str) -> None:
    assert isinstance(parse_error(status, body, content_type), ExchangeError)


@given(st.text(max_size=2_000))
def test_excerpts_are_short_printable_and_on_one_line(text: str) -> None:
    shown = excerpt(text)
    assert len(shown) <= EXCERPT_LENGTH_MAX
    assert shown.isprintable()


@pytest.mark.parametrize(("code", "is_about_time"), [("header_timestamp_expired", True), ("incorrect_api_key", False)])
def test_a_refused_time_is_told_from_a_refused_key(code: str, is_about_time: bool) -> None:
    refused = parse_error(401, b'{"error":{"code":"%s","message":"x"}}' % code.encode())
    assert isinstance(refused, AuthenticationFailed)
    assert refused.is_about_time == is_about_time
