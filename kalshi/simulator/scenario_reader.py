"""From YAML or JSON to scenarios, events and faults, or to one error that names everything that is wrong.

cattrs does the work with unknown keys forbidden; the hooks here refuse what it would convert silently (`yes` is
no number, 3.5 no whole number) and check the rules of each kind of value, so that every wrong value is named with
its key and its rule, all in one go.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Hashable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

import attrs
import cattrs
import yaml
from cattrs.errors import BaseValidationError, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn

from kalshi.simulator.clock import SPEED_MAX
from kalshi.simulator.faults import KINDS, AnyFault, Bytes, Duration, Milliseconds, Positive, Share
from kalshi.simulator.price_grid import STRUCTURES
from kalshi.simulator.rate_limits import TIERS
from kalshi.simulator.scenario import (
    EVENT_KINDS,
    Cents,
    Dollars,
    InstantMs,
    Jump,
    Multiplier,
    Rate,
    RuleBroken,
    Scenario,
    ScenarioEvent,
    Speed,
    Structure,
    Tier,
)

FILE_BYTES_MAX: Final = 1_000_000  # a scenario has some kilobytes; a wrong path must not fill the memory
_VALUE_LENGTH_MAX: Final = 60
_DAY_S: Final = 86_400
_TUPLE: Final[Any] = tuple


@attrs.frozen
class Problem:
    """One thing that is wrong: where, what stands there, and the rule that it breaks."""

    key: str
    value: str
    rule: str

    def __str__(self) -> str:
        return f"{self.key}: {self.value} - {self.rule}"


class ScenarioError(Exception):
    """The scenario cannot be used; `problems` names everything that is wrong."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


class _RefusedError(ValueError):
    """A value breaks a rule; the text is the rule."""


def load_scenario(path: Path) -> Scenario:
    """Returns the scenario in a YAML file. Raises ScenarioError with every problem."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
        if len(content) > FILE_BYTES_MAX:
            raise _RefusedError(f"is larger than {FILE_BYTES_MAX:,} bytes: is this the right file?")
        values = yaml.load(content, Loader=_StrictLoader)
    except OSError as error:
        raise _file_error(path, f"cannot be read: {error.strerror or error}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise _file_error(path, " ".join(f"is no usable YAML: {error}".split())) from None
    return read_scenario({} if values is None else values)


def read_scenario(values: object) -> Scenario:
    """Returns the scenario in plain values. Raises ScenarioError with every problem."""
    scenario: Scenario = _read(values, Scenario)
    return scenario


def read_faults(values: object) -> tuple[AnyFault, ...]:
    """Returns one fault, or a list of them. Raises ScenarioError with every problem."""
    faults: tuple[AnyFault, ...] = _read(values if isinstance(values, list) else [values], tuple[AnyFault, ...])
    return faults


def read_event(values: object) -> ScenarioEvent:
    """Returns one event. Raises ScenarioError with every problem."""
    event: ScenarioEvent = _read(values, ScenarioEvent)
    return event


def _read(values: object, wanted: Any) -> Any:
    try:
        return _converter().structure(values, wanted)
    except BaseValidationError as group:
        problems = tuple(_problems(group, values, ()))
    except _RefusedError as refused:
        problems = (_problem((), values, str(refused)),)
    raise ScenarioError(problems)


def _file_error(path: Path, rule: str) -> ScenarioError:
    return ScenarioError((Problem("file", str(path), rule),))


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader, but a key that stands twice in a mapping is an error: plain YAML keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = next((key for index, key in enumerate(keys) if key in keys[:index]), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice!r} stands here twice", node.start_mark)
        return super().construct_mapping(node, deep)


# Problems.


def _problems(error: BaseException, values: Any, path: tuple[str | int, ...]) -> Iterator[Problem]:
    """Walks cattrs' tree of errors along the values that caused them."""
    if isinstance(error, BaseValidationError):
        for inner in error.exceptions:
            step = _step(inner)
            if step is None:
                yield from _problems(inner, values, path)
            else:
                yield from _problems(inner, _part(values, step), (*path, step))
    elif isinstance(error, ForbiddenExtraKeysError):
        known = ", ".join(field.name for field in attrs.fields(error.cl))
        for name in sorted(error.extra_fields, key=str):
            yield _problem((*path, name), _part(values, name), f"is no known key here; known are {known}")
    elif isinstance(error, KeyError):
        yield _problem(path, None, "must be given")
    elif isinstance(error, RuleBroken):
        yield _problem((*path, error.key), _part(values, error.key), str(error))
    else:
        yield _problem(path, values, str(error))


def _step(error: BaseException) -> str | int | None:
    for note in getattr(error, "__notes__", ()):
        for attribute in ("name", "index"):
            step = getattr(note, attribute, None)
            if isinstance(step, str | int) and not callable(step):
                return step
    return None


def _part(values: Any, step: str | int) -> Any:
    try:
        return values[step]
    except (KeyError, IndexError, TypeError):
        return None


def _problem(path: tuple[str | int, ...], value: object, rule: str) -> Problem:
    key = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
    text = "(nothing)" if value is None else str(value).replace("\n", " ")
    shown = text if len(text) <= _VALUE_LENGTH_MAX else text[: _VALUE_LENGTH_MAX - 1] + "…"
    return Problem(key or "(the whole)", shown, rule)


# Hooks.


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
    for kind, check in _CHECKS.items():
        converter.register_structure_hook_func(partial(operator.is_, kind), _hook(check))
    for plain, check in ((bool, _flag), (int, _whole), (float, _number), (str, _text)):
        converter.register_structure_hook(plain, _hook(check))
    converter.register_structure_hook_func(_is_literal, _choice)
    converter.register_structure_hook_factory(attrs.has, lambda wanted: _section(wanted, converter))
    converter.register_structure_hook_func(lambda wanted: wanted == AnyFault, _by_kind(KINDS, converter))
    converter.register_structure_hook_func(lambda wanted: wanted is ScenarioEvent, _by_kind(EVENT_KINDS, converter))
    converter.register_structure_hook_func(_is_tuple, lambda values, wanted: _row(values, wanted, converter))
    return converter


def _is_literal(wanted: Any) -> bool:
    return bool(get_origin(wanted) == Literal)


def _is_tuple(wanted: Any) -> bool:
    return get_origin(wanted) is _TUPLE


def _hook(check: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, _: check(value)


def _section(wanted: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    resolved = attrs.resolve_types(wanted)
    fields = make_dict_structure_fn(
        resolved, converter, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True
    )

    def read(values: Any, _: Any) -> Any:
        if not isinstance(values, Mapping):
            raise _RefusedError("must be a section with keys of its own")
        return fields(values, resolved)

    return read


def _by_kind(table: Mapping[str, Any], converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    def read(values: Any, _: Any) -> Any:
        if not isinstance(values, Mapping):
            raise _RefusedError("must be a section with a kind")
        kind = values.get("kind")
        if not isinstance(kind, str) or kind not in table:
            raise _RefusedError(f"kind must be one of {', '.join(table)}")
        return converter.structure({key: value for key, value in values.items() if key != "kind"}, table[kind])

    return read


def _row(values: Any, wanted: Any, converter: cattrs.Converter) -> Any:
    parts = get_args(wanted)
    if not isinstance(values, list | tuple):
        raise _RefusedError("must be a list")
    if len(parts) == 2 and parts[1] is Ellipsis:
        return tuple(converter.structure(list(values), list[parts[0]]))  # type: ignore[valid-type]
    if len(values) != len(parts):
        raise _RefusedError(f"must be a list of {len(parts)} values")
    return tuple(converter.structure(value, part) for value, part in zip(values, parts, strict=True))


def _choice(value: Any, wanted: Any) -> Any:
    if value not in get_args(wanted):
        raise _RefusedError(f"must be one of {', '.join(map(str, get_args(wanted)))}")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _RefusedError("must be true or false")
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _RefusedError("must be a whole number")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _RefusedError("must be a number, written like 12 or 0.25")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _RefusedError("must be text (put it in quotes)")
    return value


def _between(read: Callable[[Any], Any], low: float, high: float, rule: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        number = read(value)
        if not low <= number <= high:
            raise _RefusedError(rule)
        return number

    return check


def _instant(value: Any) -> int:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(_text(value))
    except ValueError:
        raise _RefusedError("must be a date with a time, like 2026-11-26T07:59:00Z") from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _tier(value: Any) -> str:
    if value not in TIERS:
        raise _RefusedError(f"must be one of {', '.join(TIERS)}")
    return str(value)


def _structure(value: Any) -> str:
    if value not in STRUCTURES:
        raise _RefusedError(f"must be one of {', '.join(STRUCTURES)}")
    return str(value)


_CHECKS: Final[dict[Any, Callable[[Any], Any]]] = {
    Share: _between(_number, 0, 1, "must be 0 to 1"),
    Duration: _between(_number, 0, 366 * _DAY_S, "must be 0 or more seconds, at most a year"),
    Milliseconds: _between(_whole, 0, 1000 * _DAY_S, "must be 0 or more milliseconds, at most a day"),
    Bytes: _between(_whole, 0, 1_000_000_000, "must be 0 or more bytes"),
    Positive: _between(_whole, 1, 1_000_000_000, "must be 1 or more"),
    Dollars: _between(_number, 0, 1e9, "must be 0 to 1,000,000,000 dollars"),
    Cents: _between(_number, 0.01, 99.99, "must be 0.01 to 99.99 cents"),
    Jump: _between(_number, -99, 99, "must be -99 to 99 cents"),
    Speed: _between(_number, 0.01, SPEED_MAX, f"must be 0.01 to {SPEED_MAX:g}"),
    Rate: _between(_number, 0.001, 100_000, "must be above 0, at most 100,000"),
    InstantMs: _instant,
    Tier: _tier,
    Structure: _structure,
    Multiplier: _between(_number, 0, 100, "must be 0 to 100 times the usual fee"),
}
