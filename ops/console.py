"""The bot in a terminal: a live table where there is one, else one line a second.

`render` is pure: a snapshot and a size in, something for rich out. It fits its size: when rows are short,
what needs a person's eyes comes first (markets with orders or positions, actors that are not well), and what
is left out is counted.

    ┌ what, where, since when, may it quote ┐
    │ markets: book, own quotes, position   │
    │ actors: worst first                   │
    └ money, with its identity, and limits  ┘
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import attrs
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from actors.messages.control import ActorRow, MarketRow, QuoteRow, SystemSnapshot
from ops.modes import NOTHING_IS_SENT, Mode
from ops.money_text import NONE_TEXT, cents, contracts, identity, signed_contracts, signed_dollars

WIDE_COLUMNS = 96  # from here on every column of the market table has room
FRAME_ROWS = 2 + 3 + 2 + 2 + 2 + 1  # borders, header, rules, heads of two tables, totals, the cursor's own row
ACTOR_CELL_COLUMNS = 38
ACTOR_ROWS_SHARE = 0.35  # of the rows that the tables share

_GOOD, _BAD, _WEAK, _QUIET = "green", "bold red", "yellow", "grey62"
_WELL = ("running", "finished")
_STATE_STYLES = {
    "running": _GOOD,
    "waiting": _WEAK,
    "starting": _WEAK,
    "backing off": _WEAK,
    "stopping": _WEAK,
    "stopped": _QUIET,
    "finished": _QUIET,
}  # anything else, such as quarantined, is bad


def render(snapshot: SystemSnapshot, *, width: int = 100, height: int = 40) -> RenderableType:
    """Returns the whole picture for a terminal of `width` columns and `height` rows."""
    rows = max(3, height - FRAME_ROWS)
    cells = _actor_cells(snapshot.actors)
    columns = max(1, (width - 4) // ACTOR_CELL_COLUMNS)
    actor_rows = min(math.ceil(len(cells) / columns), max(1, int(rows * ACTOR_ROWS_SHARE)))
    market_rows = max(2, rows - actor_rows)
    body = Group(
        _header(snapshot),
        Rule(style="grey30"),
        _markets(snapshot.markets, market_rows, is_wide=width >= WIDE_COLUMNS),
        Rule(style="grey30"),
        _actors(cells, actor_rows, columns),
        _totals(snapshot, is_wide=width >= WIDE_COLUMNS),
    )
    title = Text.assemble((" kalshi-market-maker ", "bold"), (f"{snapshot.mode} ", _mode_style(snapshot.mode)))
    if snapshot.mode == Mode.SHADOW:
        title.append(f"{NOTHING_IS_SENT} ", _WEAK)
    return Panel(
        body,
        title=title,
        title_align="left",
        subtitle=Text(" Ctrl+C stops it, verified flat ", _QUIET),
        subtitle_align="right",
        border_style=_border_style(snapshot),
        padding=(0, 1),
        width=width,
    )


def status_line(snapshot: SystemSnapshot) -> str:
    """Returns the bot's state in one line of plain text, for logs and pipes."""
    totals = snapshot.totals
    quoted = sum(_is_two_sided(row) for row in snapshot.markets)
    ill = sum(not _is_well(row) for row in snapshot.actors)
    parts = [
        *((f"SHADOW: {NOTHING_IS_SENT}",) if snapshot.mode == Mode.SHADOW else ()),
        f"up {duration(snapshot.up_s)}",
        f"permit {snapshot.permit}{_first_reason(snapshot.permit_reasons)}",
        f"feed {snapshot.feed}",
        f"markets {quoted}/{len(snapshot.markets)} two-sided",
        f"orders {totals.orders_resting}" + (f" (+{totals.orders_unknown} unknown)" if totals.orders_unknown else ""),
        f"fills {totals.fills}",
        f"PnL {identity(snapshot.totals)}",
        f"actors {len(snapshot.actors)}" + (f" ({ill} not well)" if ill else ""),
    ]
    return " | ".join(" ".join(part.split()) for part in parts)


def duration(seconds: float) -> str:
    """Returns a duration as h:mm:ss."""
    minutes, second = divmod(int(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}"


def _header(snapshot: SystemSnapshot) -> RenderableType:
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append("up ", _QUIET).append(duration(snapshot.up_s))
    line.append("   boot ", _QUIET).append(snapshot.boot)
    line.append("   venue ", _QUIET).append(snapshot.venue)
    permit = Text(no_wrap=True, overflow="ellipsis")
    permit.append("permit ", _QUIET).append(snapshot.permit, _permit_style(snapshot))
    if snapshot.permit_reasons:
        permit.append(f"  {'; '.join(snapshot.permit_reasons)}", _WEAK)
    data = Text(no_wrap=True, overflow="ellipsis")
    data.append("feed ", _QUIET).append(snapshot.feed, _GOOD if _sounds_well(snapshot.feed) else _WEAK)
    data.append("   discovery ", _QUIET).append(snapshot.discovery)
    return Group(line, permit, data)


def _markets(markets: tuple[MarketRow, ...], rows_max: int, *, is_wide: bool) -> RenderableType:
    table = Table(box=None, expand=True, pad_edge=False, header_style=_QUIET, padding=(0, 1, 0, 0))
    table.add_column("market", no_wrap=True, overflow="ellipsis", ratio=1, min_width=14)
    if is_wide:
        table.add_column("category", no_wrap=True, overflow="ellipsis", max_width=19)
    for name in ("bid", "ask"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("our bid", "our ask"):
        table.add_column(name, justify="right", no_wrap=True, min_width=9)
    table.add_column("position", justify="right", no_wrap=True)
    table.add_column("PnL $", justify="right", no_wrap=True)
    ordered = sorted(markets, key=_market_rank)
    shown = ordered if len(ordered) <= rows_max else ordered[: rows_max - 1]
    for row in shown:
        table.add_row(*_market_cells(row, is_wide=is_wide))
    if not markets:
        table.add_row(Text("no market is assigned yet", _QUIET))
    elif len(shown) < len(ordered):
        table.add_row(Text(f"… and {len(ordered) - len(shown)} more", _QUIET))
    return table


def _market_cells(row: MarketRow, *, is_wide: bool) -> Iterable[Text]:
    live = row.condition == "live"
    yield Text(row.ticker, "" if live else _WEAK)
    if is_wide:
        yield Text(row.category if live else row.condition, _QUIET if live else _WEAK)
    yield Text(cents(row.best_bid_e4))
    yield Text(cents(row.best_ask_e4))
    yield _quote(row.own_bid, "cyan")
    yield _quote(row.own_ask, "magenta")
    yield Text(signed_contracts(row.position_e2), _QUIET if row.position_e2 == 0 else "bold")
    yield Text(signed_dollars(row.pnl_e6), _money_style(row.pnl_e6))


def _quote(quote: QuoteRow | None, style: str) -> Text:
    if quote is None:
        return Text(NONE_TEXT, _QUIET)
    return Text.assemble((cents(quote.price_e4), style), (f" ×{contracts(quote.remaining_e2)}", _QUIET))


@attrs.frozen
class _ActorCell:
    """One actor, or all the healthy market actors together, in one cell of the grid."""

    rank: tuple[int, int, str]
    text: Text


def _actor_cells(actors: tuple[ActorRow, ...]) -> list[_ActorCell]:
    quiet = [row for row in actors if row.name.startswith("market:") and _is_well(row) and not row.restarts]
    cells = [_actor_cell(row) for row in actors if row not in quiet]
    if quiet:
        depth = max(row.mailbox_depth for row in quiet)
        text = Text.assemble(
            ("● ", _GOOD), f"market × {len(quiet)}", (f"  mail ≤{depth}" if depth else "  mail 0", _QUIET)
        )
        cells.append(_ActorCell(rank=(3, 0, "market"), text=text))
    return sorted(cells, key=lambda cell: cell.rank)


def _actor_cell(row: ActorRow) -> _ActorCell:
    style = _STATE_STYLES.get(row.state, _BAD)
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append("● ", style).append(row.name)
    if not _is_well(row):
        text.append(f" {row.state}", style)
    if row.restarts:
        text.append(f" ↻{row.restarts}", _WEAK)
    text.append(f"  mail {row.mailbox_depth}", _QUIET)
    return _ActorCell(rank=(0 if style == _BAD else 1 if style == _WEAK else 2, -row.restarts, row.name), text=text)


def _actors(cells: list[_ActorCell], rows_max: int, columns: int) -> RenderableType:
    places = rows_max * columns
    shown = [cell.text for cell in cells]
    if len(shown) > places:
        left_out = len(shown) - places + 1
        shown = [*shown[: places - 1], Text(f"… and {left_out} more", _QUIET)]
    grid = Table.grid(expand=True, padding=(0, 2, 0, 0))
    for _ in range(columns):
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for start in range(0, len(shown), columns):
        grid.add_row(*shown[start : start + columns])
    return Group(Text("actors", _QUIET), grid)


def _totals(snapshot: SystemSnapshot, *, is_wide: bool) -> RenderableType:
    totals = snapshot.totals
    money = Text(no_wrap=True, overflow="ellipsis")
    money.append("PnL ", "bold").append(
        identity(snapshot.totals), _money_style(totals.pnl_e6) if totals.is_exact else _BAD
    )
    counts = Text(no_wrap=True, overflow="ellipsis")
    counts.append("fills ", _QUIET).append(f"{totals.fills}")
    counts.append("  contracts ", _QUIET).append(contracts(totals.contracts_e2))
    counts.append("  fees ", _QUIET).append(signed_dollars(totals.fees_e6).lstrip("+"))
    counts.append("  orders ", _QUIET).append(f"{totals.orders_resting}")
    if totals.orders_unknown:
        counts.append(f" +{totals.orders_unknown} unknown", _WEAK)
    if is_wide:
        counts.append("  realised ", _QUIET).append(signed_dollars(totals.realised_e6))
        counts.append("  tokens ", _QUIET).append(f"{snapshot.write_tokens:.0f}")
        counts.append("  loop ", _QUIET).append(
            f"{snapshot.loop_worst_ms:.0f} ms", _WEAK if snapshot.loop_blocks else ""
        )
    return Group(money, counts)


def _market_rank(row: MarketRow) -> tuple[bool, str, str]:
    """Markets with something at stake first, by category; nothing that flips every second, so rows stay put."""
    return (row.position_e2 == 0, row.category, row.ticker)


def _is_two_sided(row: MarketRow) -> bool:
    return row.own_bid is not None and row.own_ask is not None


def _is_well(row: ActorRow) -> bool:
    return row.state in _WELL


def _sounds_well(feed: str) -> bool:
    return feed.startswith(("live", "connected", "ok"))


def _first_reason(reasons: tuple[str, ...]) -> str:
    if not reasons:
        return ""
    more = f" +{len(reasons) - 1}" if len(reasons) > 1 else ""
    return f" ({reasons[0]}{more})"


def _money_style(money_e6: int) -> str:
    return _GOOD if money_e6 > 0 else "red" if money_e6 < 0 else _QUIET


def _mode_style(mode: str) -> str:
    return "bold white on red" if mode == "live" else "cyan"


def _permit_style(snapshot: SystemSnapshot) -> str:
    return _WEAK if snapshot.permit_reasons else _GOOD


def _border_style(snapshot: SystemSnapshot) -> str:
    if not snapshot.totals.is_exact:
        return "red"
    return "yellow" if snapshot.permit_reasons else "grey50"
