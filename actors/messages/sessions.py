"""Volatility sessions on their way into the Ledger and onto the screen."""

from __future__ import annotations

import attrs

from actors.runtime.mailbox import ReplySlot
from kalshi.numbers import CountE2, MoneyE6


@attrs.frozen(kw_only=True)
class SessionRow:
    """One session as the Ledger keeps it; `ended_ms` is None while it is open."""

    session_id: str
    program: str
    ticker: str
    event_id: str
    started_ms: int
    ended_ms: int | None
    close_time_ms: int
    phase: str
    end_reason: str  # empty while it lives
    left: str  # why something was left behind; empty where nothing was
    pnl_at_start_e6: MoneyE6  # of the market, before the session
    pnl_e6: MoneyE6  # of the session
    position_e2: CountE2


@attrs.frozen(kw_only=True)
class RecordSession:
    """Keep this row; it replaces the one of the same session. Said again now and then, so one that is lost is made
    good.
    """

    row: SessionRow


@attrs.frozen(kw_only=True)
class ReadOpenSessions:
    """Ask the Ledger for the sessions of `program` that have not ended. The reply is a tuple of SessionRow."""

    program: str
    reply: ReplySlot


@attrs.frozen(kw_only=True)
class SessionsView:
    """All sessions that run or unwind, for people."""

    program: str
    sessions_max: int
    rows: tuple[SessionRow, ...]
    candidates: tuple[str, ...]  # markets in which a session is about to begin
    at_ms: int
