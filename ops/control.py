"""What a person may ask of the running bot: one pure function from a command to a reply and the effects that
it wants.

Behind the local socket today and behind HTTP later stands this same dispatcher, so that a word means the same
everywhere and can be tested without a socket. It does nothing itself: it returns effects, and the supervisor
carries them out.

1. Every command leaves an audit record: who asked, for what, when, and whether it was taken.
2. An unknown word, actor or market is answered with what there is; a refused command has no effect but its
   record.
3. Chaos (`kill-actor`, `stall-actor`, `slow-actor`) is for simulated and demo exchanges; killing needs `force=yes`
   anywhere else, and the other two are refused there: they have no use in an emergency.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePath

import attrs

from actors.messages.control import ActorRow, ControlCommand, ControlReply, MarketRow, SystemSnapshot
from ops.modes import NOTHING_IS_SENT, Mode
from ops.money_text import cents, contracts, identity, signed_dollars

LOG_LEVELS = ("TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL")
LOGS_BESIDE_ACTORS = ("main", "root", "wire")  # parts of the outer scope that have a log of their own
LISTED_NAMES_MAX = 40  # a reply stays readable in a terminal
CHAOS_MODES = ("simulated", "demo", "shadow")
CHAOS_SECONDS_MAX = 60.0
SLOWNESS_S_MAX = 1.0  # a message


@attrs.frozen(kw_only=True)
class ControlView:
    """All that the dispatcher may look at: the newest snapshot, the switches, and the time."""

    snapshot: SystemSnapshot
    at_ms: int
    kill_switch: bool = False
    paused_all: bool = False
    paused: frozenset[str] = frozenset()
    paused_programs: frozenset[str] = frozenset()
    programs: tuple[tuple[str, bool], ...] = ()  # every program, and whether it runs
    configuration: tuple[str, ...] = ()  # of that market: the numbers it was last configured with, and why
    verdicts: tuple[str, ...] = ()  # of the market that `explain` asks about: what each program last said of it


@attrs.frozen(kw_only=True)
class AuditRecord:
    """One asked word: who, what, when, and what came of it."""

    principal: str
    word: str
    arguments: tuple[tuple[str, str], ...]
    at_ms: int
    accepted: bool


@attrs.frozen(kw_only=True)
class WriteAudit:
    record: AuditRecord


@attrs.frozen(kw_only=True)
class KillActor:
    name: str


@attrs.frozen(kw_only=True)
class StallActor:
    """An actor hears nothing for so many seconds."""

    name: str
    seconds: float


@attrs.frozen(kw_only=True)
class SlowActor:
    """For so many seconds an actor takes `each_s` longer for each message."""

    name: str
    each_s: float
    seconds: float


@attrs.frozen(kw_only=True)
class PauseQuoting:
    """Withdraw and do not quote: one market, or all of them where `ticker` is None."""

    ticker: str | None


@attrs.frozen(kw_only=True)
class ResumeQuoting:
    ticker: str | None


@attrs.frozen(kw_only=True)
class PauseProgram:
    """Withdraw what a program quotes, and quote none of its markets."""

    name: str


@attrs.frozen(kw_only=True)
class ResumeProgram:
    name: str


@attrs.frozen(kw_only=True)
class Flatten:
    """Pause and close what is held: one market, or all of them where `ticker` is None."""

    ticker: str | None


@attrs.frozen(kw_only=True)
class FlattenProgram:
    """Pause a program and close what is held in its markets."""

    name: str
    tickers: tuple[str, ...]


@attrs.frozen(kw_only=True)
class SwitchProgram:
    """Start or stop a trading program."""

    name: str
    on: bool


@attrs.frozen(kw_only=True)
class SetKillSwitch:
    on: bool


@attrs.frozen(kw_only=True)
class ReleaseLosses:
    """Count losses anew, and quote again if a loss limit had halted it."""


@attrs.frozen(kw_only=True)
class StopBot:
    """Begin the ordered end, as the first Ctrl+C does."""


@attrs.frozen(kw_only=True)
class SetLogLevel:
    actor: str
    level: str


@attrs.frozen(kw_only=True)
class BackUpLedger:
    """Copy the database to a new file while it is written."""

    file: str


ControlEffect = (
    WriteAudit
    | KillActor
    | StallActor
    | SlowActor
    | PauseQuoting
    | ResumeQuoting
    | PauseProgram
    | ResumeProgram
    | Flatten
    | FlattenProgram
    | SetKillSwitch
    | SwitchProgram
    | ReleaseLosses
    | StopBot
    | BackUpLedger
    | SetLogLevel
)
_Answer = tuple[ControlReply, tuple[ControlEffect, ...]]


class _Refused(Exception):
    """The command cannot be carried out; the text says why and what would."""


def dispatch(command: ControlCommand, view: ControlView) -> _Answer:
    """Returns the reply to `command` and the effects to carry out, the audit record first."""
    try:
        reply, effects = _answer(command, view)
    except _Refused as refused:
        reply, effects = ControlReply(ok=False, text=str(refused)), ()
    record = AuditRecord(
        principal=command.principal,
        word=command.word,
        arguments=command.arguments,
        at_ms=view.at_ms,
        accepted=reply.ok,
    )
    return reply, (WriteAudit(record=record), *effects)


def _answer(command: ControlCommand, view: ControlView) -> _Answer:
    word = _WORDS.get(command.word)
    if word is None:
        raise _Refused(f"There is no word {command.word!r}; {_nearest(command.word, _WORDS)}")
    arguments = dict(command.arguments)
    unknown = [name for name in arguments if name not in word.arguments]
    if unknown:
        known = ", ".join(word.arguments) or "none"
        raise _Refused(f"{command.word!r} takes no argument {unknown[0]!r}; it takes: {known}.")
    return word.answer(arguments, view)


def _status(_: Mapping[str, str], view: ControlView) -> _Answer:
    return ControlReply(ok=True, text=summary(view.snapshot), snapshot=view.snapshot), ()


def _actors(_: Mapping[str, str], view: ControlView) -> _Answer:
    lines = [_actor_line(row) for row in view.snapshot.actors]
    return ControlReply(ok=True, text="\n".join(lines) or "No actor runs.", snapshot=view.snapshot), ()


def _kill_actor(arguments: Mapping[str, str], view: ControlView) -> _Answer:
    name = _actor(arguments, view, "kill-actor")
    if view.snapshot.mode not in CHAOS_MODES and arguments.get("force") != "yes":
        raise _Refused(f"Killing actors in mode {view.snapshot.mode!r} needs force=yes: real orders depend on them.")
    return _done(f"{name} is being killed; its supervisor restarts it.", KillActor(name=name))


def _stall_actor(arguments: Mapping[str, str], view: ControlView) -> _Answer:
    name = _actor(arguments, view, "stall-actor")
    seconds = _seconds(arguments, "seconds", "stall-actor", CHAOS_SECONDS_MAX)
    _refuse_where_real(view, "stall-actor")
    return _done(f"{name} hears nothing for {seconds:g} s.", StallActor(name=name, seconds=seconds))


def _slow_actor(arguments: Mapping[str, str], view: ControlView) -> _Answer:
    name = _actor(arguments, view, "slow-actor")
    seconds = _seconds(arguments, "seconds", "slow-actor", CHAOS_SECONDS_MAX)
    each_s = _seconds(arguments, "each", "slow-actor", SLOWNESS_S_MAX)
    _refuse_where_real(view, "slow-actor")
    text = f"{name} takes {each_s * 1000:g} ms longer for each message, for {seconds:g} s."
    return _done(text, SlowActor(name=name, each_s=each_s, seconds=seconds))


def _refuse_where_real(view: ControlView, word: str) -> None:
    if view.snapshot.mode not in CHAOS_MODES:
        raise _Refused(f"{word!r} is for the modes {', '.join(CHAOS_MODES)}, not for {view.snapshot.mode!r}.")


def _pause(arguments: Mapping[str, str], view: ControlView) -> _Answer:
    if (name := _program_alone(arguments, view, "pause")) is not None:
        text = f"The markets of {name} are being withdrawn and stay unquoted until `resume --program {name}`."
        return _done(text, PauseProgram(name=name))
    ticker = _market_or_all(arguments, view, "pause")
    if ticker is None:
        return _done("All markets are being withdrawn and stay unquoted until `resume`.", PauseQuoting(ticker=None))
    return _done(f"{ticker} is being withdrawn and stays unquoted until `resume`.", PauseQuoting(ticker=ticker))


def _resume(arguments: Mapping[str, str], view: ControlView) -> _Answer:
    if (name := _program_alone(arguments, view, "resume")) is not None:
        if name not in view.paused_programs:
            raise _Refused(f"The program {name} is not paused.")
        return _done(f"Quoting resumes in the markets of {name}.", ResumeProgram(name=name))
    ticker = arguments.get("ticker")
    if ticker is None:
        note = " The kill switch is still on." if view.kill_switch else ""
        return _done(f"Quoting resumes in all markets.{note}", ResumeQuoting(ticker=None))
    if ticker not in view.paused:
        hint = "all markets are paused: `resume` without a ticker" if view.paused_all else _paused_list(view)
        raise _Refused(f"{ticker} is not paused by itself; {hint}.")
    still = " All markets are paused still: `resume` without a ticker." if view.paused_all else ""
    return _done(f"{ticker} is not paused by itself any more.{still}", ResumeQuoting(ticker=ticker))


def _flatten(arguments: Mapping[str, str], view: ControlView) -> _Answer:
    if (name := _program_alone(arguments, view, "flatten")) is not None:
        rows = [row for row in view.snapshot.markets if row.program == name]
        held_ones = sum(row.position_e2 != 0 for row in rows)
        return _done(
            f"{held_ones} positions of {name} are being closed; it stays unquoted until `resume --program {name}`.",
            # All its markets: what rests at this moment may still be filled.
            FlattenProgram(name=name, tickers=tuple(row.ticker for row in rows)),
        )
    ticker = _market_or_all(arguments, view, "flatten")
    held = [row for row in view.snapshot.markets if row.position_e2 and ticker in (None, row.ticker)]
    where = "all markets stay" if ticker is None else f"{ticker} stays"
    text = f"{len(held)} positions are being closed; {where} unquoted until `resume`."
    return _done(text, Flatten(ticker=ticker))


def _program_alone(arguments: Mapping[str, str], view: ControlView, word: str) -> str | None:
    """Returns the program that is meant; None where none is. Raises _Refused beside a market, and for unknown ones."""
    name = arguments.get("program")
    if name is None:
        return None
    if len(arguments) > 1:
        raise _Refused(f"{word!r} takes a program or a market, not both.")
    programs = dict(view.programs)
    if name not in programs:
        raise _Refused(f"There is no program {name!r}; {_nearest(name, programs)}")
    return name


def _explain(arguments: Mapping[str, str], view: ControlView) -> _Answer:
    ticker = _required(arguments, "ticker", "explain")
    lines = [f"selection by {verdict}" for verdict in view.verdicts]
    lines += (f"configured {number}" for number in view.configuration)
    if not lines or any(row.ticker == ticker for row in view.snapshot.markets):
        lines[:0] = _explanation(_market(ticker, view), view)
    else:
        lines[:0] = [f"{ticker} is not quoted: no program has it"]
    return ControlReply(ok=True, text="\n".join(lines)), ()


def _program(arguments: Mapping[str, str], view: ControlView) -> _Answer:
    programs = dict(view.programs)
    if not arguments:
        lines = (f"{name}: {'on' if is_on else 'off'}" for name, is_on in programs.items())
        return ControlReply(ok=True, text="\n".join(lines)), ()
    name, state = _required(arguments, "name", "program"), _required(arguments, "state", "program")
    if name not in programs:
        raise _Refused(f"There is no program {name!r}; {_nearest(name, programs)}")
    if state not in ("on", "off"):
        raise _Refused(f"program takes state=on or state=off, not {state!r}.")
    if programs[name] == (state == "on"):
        return ControlReply(ok=True, text=f"The program {name} is {state} already."), ()
    text = (
        f"The program {name} selects again; its markets come with the next reading of the list."
        if state == "on"
        else f"The program {name} gives up its markets; what it quotes is withdrawn."
    )
    return _done(text, SwitchProgram(name=name, on=state == "on"))


def _kill_switch(arguments: Mapping[str, str], view: ControlView) -> _Answer:
    state = _required(arguments, "state", "kill-switch")
    if state not in ("on", "off"):
        raise _Refused(f"kill-switch takes state=on or state=off, not {state!r}.")
    if (state == "on") == view.kill_switch:
        return ControlReply(ok=True, text=f"The kill switch is {state} already."), ()
    if state == "on":
        return _done("Kill switch on: all quotes are fenced off; it stays on over restarts.", SetKillSwitch(on=True))
    return _done("Kill switch off: quoting starts again behind a new fence.", SetKillSwitch(on=False))


def _release(_: Mapping[str, str], view: ControlView) -> _Answer:
    return _done("The loss limits count anew from now on; what they had halted quotes again.", ReleaseLosses())


def _stop(_: Mapping[str, str], view: ControlView) -> _Answer:
    return _done("Stopping: orders are fenced and swept, then the bot ends.", StopBot())


def _backup(arguments: Mapping[str, str], view: ControlView) -> _Answer:
    file = _required(arguments, "file", "backup")
    if not PurePath(file).is_absolute():
        raise _Refused(
            f"backup needs the whole path of the new file, not {file!r}: the bot has its own working folder."
        )
    return _done(f"The ledger is being copied to {file}.", BackUpLedger(file=file))


def _log_level(arguments: Mapping[str, str], view: ControlView) -> _Answer:
    actor, level = (
        _required(arguments, "actor", "log-level"),
        _required(arguments, "level", "log-level").upper(),
    )
    if level not in LOG_LEVELS:
        raise _Refused(f"There is no level {level!r}; there are {', '.join(LOG_LEVELS)}.")
    if actor not in LOGS_BESIDE_ACTORS and actor not in {row.name.partition(":")[0] for row in view.snapshot.actors}:
        _known_actor(actor, view)
    return _done(f"{actor} logs at {level} from now on.", SetLogLevel(actor=actor, level=level))


@attrs.frozen
class _Word:
    answer: Callable[[Mapping[str, str], ControlView], _Answer]
    arguments: tuple[str, ...] = ()
    help: str = ""


_WORDS: dict[str, _Word] = {
    "status": _Word(_status, (), "the whole bot in a few lines"),
    "actors": _Word(_actors, (), "every actor with state, restarts and mailbox"),
    "kill-actor": _Word(_kill_actor, ("name", "force"), "crash one actor on purpose"),
    "stall-actor": _Word(_stall_actor, ("name", "seconds"), "let one actor hear nothing for a while"),
    "slow-actor": _Word(_slow_actor, ("name", "each", "seconds"), "let one actor work slowly for a while"),
    "pause": _Word(_pause, ("ticker", "all", "program"), "withdraw one market, those of a program, or all"),
    "resume": _Word(_resume, ("ticker", "program"), "quote again"),
    "flatten": _Word(_flatten, ("ticker", "all", "program"), "pause, and close what is held"),
    "explain": _Word(_explain, ("ticker",), "why a market is quoted as it is"),
    "program": _Word(_program, ("name", "state"), "which programs run; start or stop one"),
    "kill-switch": _Word(_kill_switch, ("state",), "on or off; on survives restarts"),
    "release": _Word(_release, (), "quote again after a loss limit, and count losses anew"),
    "stop": _Word(_stop, (), "end the bot in order"),
    "backup": _Word(_backup, ("file",), "copy the ledger to a new file"),
    "log-level": _Word(_log_level, ("actor", "level"), "make one actor talk more or less"),
}
WORDS: Mapping[str, str] = {name: word.help for name, word in _WORDS.items()}


def summary(snapshot: SystemSnapshot) -> str:
    """Returns the bot's state in a few lines of plain text."""
    totals = snapshot.totals
    quoted = sum(row.own_bid is not None and row.own_ask is not None for row in snapshot.markets)
    mode = f"{snapshot.mode} ({NOTHING_IS_SENT})" if snapshot.mode == Mode.SHADOW else snapshot.mode
    lines = (
        f"mode {mode}, venue {snapshot.venue}, boot {snapshot.boot}, up {snapshot.up_s:.0f} s",
        f"permit: {snapshot.permit}{_because(snapshot.permit_reasons)}",
        f"feed: {snapshot.feed}; discovery: {snapshot.discovery}",
        *((f"volatility: {snapshot.volatility}",) if snapshot.volatility else ()),
        f"markets: {len(snapshot.markets)}, {quoted} quoted on both sides",
        *((f"volatility sessions: {snapshot.sessions}",) if snapshot.sessions else ()),
        f"orders: {totals.orders_resting} resting, {totals.orders_unknown} unknown",
        f"PnL {identity(totals)}; fees {signed_dollars(totals.fees_e6, 6).lstrip('+')}",
        f"fills {totals.fills}, contracts {contracts(totals.contracts_e2)}",
    )
    return "\n".join(lines)


def _explanation(row: MarketRow, view: ControlView) -> Iterable[str]:
    yield f"{row.ticker} ({row.category}): book {row.condition}, position {contracts(row.position_e2)}"
    yield f"market {cents(row.best_bid_e4)} / {cents(row.best_ask_e4)}"
    bid = cents(row.own_bid.price_e4) if row.own_bid else "–"
    ask = cents(row.own_ask.price_e4) if row.own_ask else "–"
    yield f"our quotes {bid} / {ask}"
    if row.ticker in view.paused or view.paused_all or row.program in view.paused_programs:
        yield "paused by a person"
    yield f"permit: {view.snapshot.permit}{_because(view.snapshot.permit_reasons)}"
    if row.program:
        yield f"owner: program {row.program}, strategy {row.strategy}"
    yield from (f"- {reason}" for reason in row.reasons or ("nothing speaks against it",))


def _actor_line(row: ActorRow) -> str:
    last = f", last exit: {row.last_exit}" if row.last_exit else ""
    return (
        f"{row.name:<28} {row.state:<12} restarts {row.restarts}, mailbox {row.mailbox_depth}"
        f" (peak {row.mailbox_peak}), idle {row.idle_s:.1f} s{last}"
    )


def _done(text: str, effect: ControlEffect) -> _Answer:
    return ControlReply(ok=True, text=text), (effect,)


def _required(arguments: Mapping[str, str], name: str, word: str) -> str:
    value = arguments.get(name, "").strip()
    if not value:
        raise _Refused(f"{word!r} needs {name}=…")
    return value


def _actor(arguments: Mapping[str, str], view: ControlView, word: str) -> str:
    return _known_actor(_required(arguments, "name", word), view)


def _known_actor(name: str, view: ControlView) -> str:
    known = [row.name for row in view.snapshot.actors]
    if name not in known:
        raise _Refused(f"There is no actor {name!r}; {_nearest(name, known)}")
    return name


def _seconds(arguments: Mapping[str, str], name: str, word: str, most_s: float) -> float:
    text = _required(arguments, name, word)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= most_s:
        raise _Refused(f"{word!r} takes {name} above 0 and at most {most_s:g} s, not {text!r}.")
    return seconds


def _market_or_all(arguments: Mapping[str, str], view: ControlView, word: str) -> str | None:
    """Says which market is meant; withdrawing everything must be said in so many words."""
    is_all, ticker = arguments.get("all") == "yes", arguments.get("ticker")
    if is_all == (ticker is not None):
        raise _Refused(f"{word!r} needs a ticker, --program NAME or --all.")
    return None if ticker is None else _market(ticker, view).ticker


def _market(ticker: str, view: ControlView) -> MarketRow:
    for row in view.snapshot.markets:
        if row.ticker == ticker:
            return row
    known = [row.ticker for row in view.snapshot.markets]
    raise _Refused(f"{ticker!r} is not among the bot's markets; {_nearest(ticker, known)}")


def _paused_list(view: ControlView) -> str:
    return f"paused are: {', '.join(sorted(view.paused))}" if view.paused else "no market is paused"


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    if not names:
        return "there are none at the moment."
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    more = " …" if len(names) > LISTED_NAMES_MAX else ""
    return f"{hint}There are: {', '.join(names[:LISTED_NAMES_MAX])}{more}"


def _because(reasons: tuple[str, ...]) -> str:
    return f" ({'; '.join(reasons)})" if reasons else ""
