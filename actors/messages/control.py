"""What people ask the running bot, and the one picture of it that all views are drawn from."""

from __future__ import annotations

import attrs

from kalshi.numbers import CountE2, MoneyE6, PriceE4


@attrs.frozen(kw_only=True)
class ActorRow:
    name: str
    state: str
    incarnation: int
    restarts: int
    mailbox_depth: int
    mailbox_peak: int
    idle_s: float
    last_exit: str


@attrs.frozen(kw_only=True)
class QuoteRow:
    price_e4: PriceE4
    remaining_e2: CountE2


@attrs.frozen(kw_only=True)
class MarketRow:
    ticker: str
    category: str
    condition: str
    best_bid_e4: PriceE4 | None
    best_ask_e4: PriceE4 | None
    own_bid: QuoteRow | None
    own_ask: QuoteRow | None
    position_e2: CountE2
    pnl_e6: MoneyE6
    reasons: tuple[str, ...]
    program: str = ""  # the owner, empty where there is none
    strategy: str = ""


@attrs.frozen(kw_only=True)
class Totals:
    cash_e6: MoneyE6
    marks_e6: MoneyE6
    realised_e6: MoneyE6
    unrealised_e6: MoneyE6
    fees_e6: MoneyE6
    pnl_e6: MoneyE6
    is_exact: bool
    fills: int
    contracts_e2: CountE2
    orders_resting: int
    orders_unknown: int


@attrs.frozen(kw_only=True)
class SystemSnapshot:
    """The whole bot at one moment; feeds the terminal table, `status` and later the console."""

    at_ms: int
    up_s: float
    mode: str
    venue: str
    boot: str
    permit: str
    permit_reasons: tuple[str, ...]
    feed: str
    discovery: str
    markets: tuple[MarketRow, ...]
    actors: tuple[ActorRow, ...]
    totals: Totals
    write_tokens: float
    loop_worst_ms: float
    loop_blocks: int
    sessions: str = ""  # volatility sessions; empty where no program runs them
    volatility: str = ""  # what the scanner sees, empty where it is off


@attrs.frozen(kw_only=True)
class ControlCommand:
    """One request of a person or program: a word, its arguments, and who asks."""

    word: str
    arguments: tuple[tuple[str, str], ...] = ()
    principal: str = "local"


@attrs.frozen(kw_only=True)
class ControlReply:
    ok: bool
    text: str
    snapshot: SystemSnapshot | None = None
