"""The exchange says no: one exception that carries status, code, message and details as recorded on the wire.

The codes are the ones of kalshi-rest.md §3; where the truth is unknown the caller takes them from the
settings.
"""

from __future__ import annotations


class Refused(Exception):
    """A request was refused and nothing was done; the sender's fault unless the status says otherwise."""

    def __init__(self, status: int, code: str, message: str | None = None, details: str = "") -> None:
        self.status = status
        self.code = code
        self.message = code.replace("_", " ") if message is None else message
        self.details = details
        super().__init__(f"{status} {code} {details}".strip())

    @property
    def error(self) -> dict[str, str]:
        """The inner error object, as it stands in batch items."""
        plain = {"code": self.code, "message": self.message}
        return {**plain, "details": self.details} if self.details else plain

    @property
    def body(self) -> object:
        """The whole answer body."""
        return {"error": self.error}


class Undecodable(Refused):
    """The body does not decode: the recorded answer is flat, without the "error" object."""

    def __init__(self, details: str) -> None:
        super().__init__(400, "bad_request", details=details)

    @property
    def body(self) -> object:
        return self.error


class QueryInvalid(Refused):
    """A query parameter fails validation: the recorded answer has "msg" alone."""

    def __init__(self, operation: str, field: str, tag: str) -> None:
        super().__init__(400, "invalid_query")
        self._text = (
            f"Parameter validation failed for {operation}: Key: '{operation}Params.{field}' "
            f"Error:Field validation for '{field}' failed on the '{tag}' tag"
        )

    @property
    def body(self) -> object:
        return {"msg": self._text}


class TooManyRequests(Refused):
    """A token bucket is empty; nothing was done."""

    def __init__(self, *, nested: bool) -> None:
        super().__init__(429, "too_many_requests")
        self._nested = nested

    @property
    def body(self) -> object:
        return super().body if self._nested else {"error": self.message}


def invalid(details: str) -> Refused:
    """Returns the refusal of a request whose fields make no sense."""
    return Refused(400, "invalid_parameters", details=details)


def not_found() -> Refused:
    """Returns the one answer for unknown, canceled and executed orders alike (recorded)."""
    return Refused(404, "not_found")
