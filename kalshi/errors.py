"""What can go wrong between us and the exchange, by what it means for the caller.

Rules:
1. `Rejected` is an answer: the exchange read the request and did nothing. Do not send it again unchanged.
2. `Unavailable` is no answer, and certainly nothing was done: send it again later.
3. `OutcomeUnknown` is a write whose bytes may have left and that was not understandably answered. It may have
   been done, or may still be done. Only reconciliation ends it, never a timer.
4. `Malformed` is a read that was answered with something this client cannot understand.
5. `SendRefused` is our own last check, just before the first byte. The exchange has no part in it.

Codes are compared in lower case, because the exchange uses both (`not_found`, `AMEND_ORDER_NO_OP`).

Source: Kalshi rate limit, order and error pages of 2026-08 to 2026-10; recorded answers of 2026-06-11.
"""

from __future__ import annotations

from typing import Final

import msgspec

# How much of a foreign text may stand in a message of ours: enough to recognise it.
EXCERPT_LENGTH_MAX: Final = 200

_HTTP_UNAUTHORIZED: Final = 401
_HTTP_REQUEST_TIMEOUT: Final = 408
_HTTP_TOO_MANY_REQUESTS: Final = 429
_HTTP_SERVER_ERRORS: Final = 500

_TIMESTAMP_EXPIRED = "header_timestamp_expired"  # recorded on the demo environment, June 2026


class ExchangeError(Exception):
    """The exchange did not do what was asked; the subclass says how much is known."""


class Rejected(ExchangeError):
    """The exchange answered no, and nothing was done. `code` is in lower case."""

    def __init__(self, status: int, code: str, message: str, details: str = "") -> None:
        super().__init__(status, code, message, details)
        self.status = status
        self.code = code.lower()
        self.message = message
        self.details = details

    def __str__(self) -> str:
        tail = f" ({self.details})" if self.details else ""
        return f"the exchange refused with {self.status} {self.code}: {self.message}{tail}"


class AuthenticationFailed(Rejected):
    """401: the key, its signature or our clock is wrong. Retrying does not help; a person must look.

    Except where `is_about_time`: the clock may have been stepped a moment ago, or the request was too long on its way.
    """

    @property
    def is_about_time(self) -> bool:
        """Whether the exchange refused the time of the signature, which says nothing of the key."""
        return self.code == _TIMESTAMP_EXPIRED


class Unavailable(ExchangeError):
    """No usable answer, and the request certainly did nothing."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RateLimited(Unavailable):
    """429: the token bucket was empty. Nothing was done, and the answer names no waiting time."""


class OutcomeUnknown(ExchangeError):
    """A write whose bytes may have left and that got no usable answer: it may take effect even later."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Malformed(ExchangeError):
    """A read was answered with success, but its body is not what this client understands."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SendRefused(Exception):
    """Our own last check refused the request just before its first byte; nothing has left."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Inner(msgspec.Struct, gc=False):
    code: str = ""
    message: str = ""
    details: str = ""


class _Outer(msgspec.Struct, gc=False):
    error: _Inner | str | None = None
    code: str = ""
    message: str = ""
    details: str = ""
    msg: str = ""


_decoder: Final = msgspec.json.Decoder(_Outer)


def excerpt(text: str | bytes) -> str:
    """Returns the beginning of a foreign text, printable and on one line, for a message of ours."""
    head = text[: EXCERPT_LENGTH_MAX * 2]
    shown = head.decode("utf-8", "replace") if isinstance(head, bytes) else head
    flat = "".join(character if character.isprintable() else " " for character in shown)
    return " ".join(flat.split())[:EXCERPT_LENGTH_MAX]


def describe(status: int, body: bytes, content_type: str) -> tuple[str, str, str]:
    """Returns (code, message, details) of an error body of any known shape; never raises.

    What is no JSON of a known shape (HTML of a gateway, nothing at all, a cut text) gets the code
    `http_<status>`.
    """
    fallback = (f"http_{status}", excerpt(body) or "no body", content_type.partition(";")[0])
    try:
        outer = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return fallback
    if isinstance(outer.error, str):
        return outer.error.lower().replace(" ", "_") or fallback[0], outer.error, outer.details
    if outer.error is not None:
        return outer.error.code.lower() or fallback[0], outer.error.message, outer.error.details
    if outer.msg:
        return "invalid_parameters", outer.msg, outer.details
    if outer.code or outer.message or outer.details:
        return outer.code.lower() or fallback[0], outer.message, outer.details
    return fallback


def parse_error(status: int, body: bytes, content_type: str = "") -> Rejected | Unavailable:
    """Returns the error that an answer with this status means for a read.

    For a write an `Unavailable` that is no `RateLimited` must become `OutcomeUnknown`: a gateway that answers
    502 or 504 may have passed the request on.
    """
    code, message, details = describe(status, body, content_type)
    if status == _HTTP_UNAUTHORIZED:
        return AuthenticationFailed(status, code, message, details)
    if status == _HTTP_TOO_MANY_REQUESTS:
        return RateLimited(f"429 {code}: the rate limit of the account is used up")
    if status >= _HTTP_SERVER_ERRORS or status == _HTTP_REQUEST_TIMEOUT:
        return Unavailable(f"{status} {code}: {message}")
    return Rejected(status, code, message, details)
