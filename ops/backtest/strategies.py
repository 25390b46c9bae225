"""Which strategies a backtest runs, with which parameters, and which of them the recordings cannot judge.

A strategy takes the parameters of the first program of the settings that quotes by it; without one, its defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from ops.settings import Settings
from quant.programs import Program, SelectionKind
from quant.quoting.strategies import StrategyName

# By the name of the strategy: they run as the others do, for limits and invariants hold for them as well.
NOT_JUDGED: Final[Mapping[str, str]] = {
    "incentive": "its rewards come from incentive programs, and none is recorded",
    "refill": "it buys what its stakes say, and a recording knows of no stakes",
}


def parse_strategies(words: str) -> tuple[StrategyName, ...]:
    """Returns the strategies that "all", or names with commas, mean. Raises ValueError."""
    if words.strip() == "all":
        return tuple(StrategyName)
    known = {name.value: name for name in StrategyName}
    chosen = [word.strip() for word in words.split(",")]
    unknown = [word for word in chosen if word not in known]
    if unknown:
        raise ValueError(f"unknown strategies {', '.join(unknown) or '(none)'}: choose of all, {', '.join(known)}")
    return tuple(known[word] for word in dict.fromkeys(chosen))


def program_of(settings: Settings, name: StrategyName) -> Program:
    """Returns the program by which a strategy is run."""
    found = (program for program in settings.programs.values() if program.strategy is name)
    return attrs.evolve(next(found, Program(strategy=name)), selection=SelectionKind.SCORED, is_enabled=True)
