"""How a supervisor says that it cannot go on, and what is refused by it."""

from __future__ import annotations

from actors.runtime.lifecycle import error_text, leaves


class Escalated(Exception):
    """A supervisor gave up and stopped its children; `cause` is the offender's exception."""

    def __init__(
        self,
        supervisor: str,
        offender: str,
        reason: str,
        *,
        cause: BaseException | None,
        is_fatal: bool = False,
    ) -> None:
        detail = f" ({error_text(cause)})" if cause is not None else ""
        super().__init__(f"supervisor {supervisor} gives up because of {offender}: {reason}{detail}")
        self.supervisor = supervisor
        self.offender = offender
        self.reason = reason
        self.cause = cause
        self.is_fatal = is_fatal


class BootFailed(Escalated):
    """A child failed at its first start, so the supervisor never came up."""


class UnknownChild(KeyError):
    """The supervisor has no child of that name."""

    def __str__(self) -> str:
        return str(self.args[0])


class NotRunning(RuntimeError):
    """The supervisor is not running yet, or is stopping; children cannot be added now."""


def is_fatal(crash: BaseException | None, fatal: tuple[type[BaseException], ...]) -> bool:
    """Whether the crash holds an error of a `fatal` type, or a supervisor's giving up because of one."""
    if crash is None:
        return False
    return any(isinstance(leaf, fatal) or (isinstance(leaf, Escalated) and leaf.is_fatal) for leaf in leaves(crash))


def has_given_up(crash: BaseException | None) -> bool:
    """Whether the crash is that of a supervisor that gave up."""
    return crash is not None and any(isinstance(leaf, Escalated) for leaf in leaves(crash))
