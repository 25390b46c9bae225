"""Plain YAML values become settings classes, every mistake collected with its full key.

cattrs does the dispatch on types; the hooks here add what a person at a configuration file needs.

1. A field's unit in code is a power of ten (`_e4`, `_e6`, `_e2`); its key in YAML is the word for people:
   `_cents`, `_dollars`, `_contracts`. The integer in code is the written decimal times a scale, exactly, or
   the value is refused:
       replace_threshold_e4 = 100          <->  replace_threshold_cents: 1
       per_market_cap_e6    = 50_000_000   <->  per_market_cap_dollars: 50
2. A wrong value costs one problem, not the reading: the field falls back to its default and the reading goes
   on, so that one run names everything that is wrong.
3. Nothing is converted silently: `yes` is no number, 3.5 is no whole number, `1e3` (which YAML reads as text)
   is refused.
4. A value that could be a secret is never repeated in a message.

Rejected: cattrs' own collected errors, which name attributes and classes instead of keys and rules, and stop
at the first failing validator of a class.
"""

from __future__ import annotations

import contextlib
import enum
import math
import re
import types
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin

import attrs
import cattrs

from kalshi.numbers import CountE2, MoneyE6, PriceE4

SHOWN_VALUE_LENGTH_MAX = 60  # a problem is one line on a terminal

_UNIT_TOKEN = re.compile(r"_(e2|e4|e6)(?=_|$)")
_UNIT_WORDS = {"e2": "contracts", "e4": "cents", "e6": "dollars"}
_UNIT_SCALES = {"e2": 100, "e4": 100, "e6": 1_000_000}
_UNIT_TYPES: dict[Any, str] = {CountE2: "e2", PriceE4: "e4", MoneyE6: "e6"}
_STANDARD_RULE = re.compile(r"'\w+' must be (?P<relation>>=|>|<=|<) (?P<bound>[-\w.]+): .*", re.DOTALL)
_SECRET_WORD = re.compile(r"key|secret|token|password|private", re.IGNORECASE)

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Problem:
    """One thing that is wrong in the configuration: where, what stands there, and the rule that it breaks."""

    key: str
    value: str
    rule: str

    def __str__(self) -> str:
        return f"{self.key}: {self.value} — {self.rule}"


class SettingsError(Exception):
    """The operator's configuration cannot be used; `problems` names everything that is wrong with it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"The configuration has {count}; nothing was started.\n{lines}")


class _RefusedError(ValueError):
    """A leaf value breaks the rule that is this exception's text."""


class _AlreadyReportedError(Exception):
    """The problems of this value are in the list already; its field keeps its default."""


def yaml_key(field_name: str) -> str:
    """Returns the key in YAML of a settings field: the unit as a word instead of a power of ten."""
    return _UNIT_TOKEN.sub(lambda match: "_" + _UNIT_WORDS[match[1]], field_name)


def key_without_unit(field_name: str) -> str:
    """Returns the key with no unit at all, which environment overrides may use."""
    return _UNIT_TOKEN.sub("", field_name)


def shown_value(key: str, value: object) -> str:
    """Returns `value` for a message: shortened, and hidden where it could be a secret."""
    text = "(nothing)" if value is None else str(value).replace("\n", " ")
    if _SECRET_WORD.search(key) or "PRIVATE KEY" in text:
        return "(hidden)"
    return text if len(text) <= SHOWN_VALUE_LENGTH_MAX else text[: SHOWN_VALUE_LENGTH_MAX - 1] + "…"


def section_fields(section: type) -> tuple[attrs.Attribute[Any], ...]:
    """Returns the fields of a settings class, in order, with their types resolved."""
    return tuple(attrs.fields(attrs.resolve_types(section)))


class SettingsReader:
    """Reads one tree of plain values into settings classes and collects the problems on the way."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._path: list[str] = []
        self._converter = cattrs.Converter(detailed_validation=False)
        self._converter.register_structure_hook(int, _whole_number)
        self._converter.register_structure_hook(float, _number)
        self._converter.register_structure_hook(bool, _yes_or_no)
        self._converter.register_structure_hook(str, _text)
        self._converter.register_structure_hook(enum.Enum, _word)
        register = self._converter.register_structure_hook_func
        register(lambda wanted: wanted in _UNIT_TYPES, _amount)
        register(_is_optional, self._optional)
        register(_is_tuple_of_many, self._items)
        register(_is_tuple_of_few, self._row)
        register(is_mapping_type, self._mapping)
        register(_is_set, self._set)
        register(_is_literal, _choice)
        register(attrs.has, self._section)

    def read(self, values: object, wanted: type[T]) -> T:
        """Returns `values` as an instance of `wanted`; look at `problems` afterwards."""
        try:
            return self._converter.structure(values, wanted)
        except _RefusedError as refused:
            self._report(values, str(refused))
        except _AlreadyReportedError:
            pass
        return wanted()

    def _report(self, value: object, rule: str) -> None:
        key = ".".join(self._path).replace(".[", "[") or "(the whole file)"
        self.problems.append(Problem(key=key, value=shown_value(key, value), rule=rule))

    def _child(self, key: str, value: object, wanted: Any) -> Any:
        """Reads one part under its key; raises _AlreadyReportedError after a refusal."""
        self._path.append(key)
        try:
            return self._converter.structure(value, wanted)
        except _RefusedError as refused:
            self._report(value, str(refused))
            raise _AlreadyReportedError from None
        finally:
            self._path.pop()

    def _section(self, values: object, section: Any, base: Any = None) -> Any:
        """Reads a section; keys that are not given keep the value of `base`, or the class's own default."""
        if values is None:
            values = {}
        if not isinstance(values, Mapping):
            raise _RefusedError("must be a section with keys of its own")
        fields = {yaml_key(field.name): field for field in section_fields(section)}
        arguments: dict[str, Any] = {}
        if base is not None:
            arguments = {field.name: getattr(base, field.name) for field in fields.values()}
        for key, value in values.items():
            if key not in fields:
                self._at(str(key), value, f"is no known key here; known are {', '.join(fields)}")
                continue
            field = fields[key]
            try:
                arguments[field.name] = self._field(key, value, field, arguments.get(field.name))
            except _AlreadyReportedError:
                continue
        return self._build(section, arguments, frozenset(map(str, values)))

    def _field(self, key: str, value: object, field: attrs.Attribute[Any], present: Any) -> Any:
        if field.type is None or not attrs.has(field.type):
            return self._child(key, value, _wanted_type(field))
        default = present if present is not None else _default_of(field)
        self._path.append(key)
        try:
            return self._section(value, field.type, default)
        except _RefusedError as refused:
            self._report(value, str(refused))
            raise _AlreadyReportedError from None
        finally:
            self._path.pop()

    def _at(self, key: str, value: object, rule: str) -> None:
        self._path.append(key)
        self._report(value, rule)
        self._path.pop()

    def _build(self, section: Any, arguments: dict[str, Any], given: frozenset[str]) -> Any:
        """Makes the section without its validators, then asks each, so that one does not hide the next."""
        missing = [
            field.name
            for field in section_fields(section)
            if field.default is attrs.NOTHING and field.name not in arguments
        ]
        for key in sorted({yaml_key(name) for name in missing} - given):
            self._at(key, None, "must be given")
        if missing:
            raise _AlreadyReportedError
        try:
            with attrs.validators.disabled():
                built = section(**arguments)
        except (ValueError, TypeError) as error:
            self._report("this section", str(error))
            raise _AlreadyReportedError from None
        self._validate(built)
        return built

    def _validate(self, built: Any) -> None:
        for field in section_fields(type(built)):
            if field.validator is None:
                continue
            value = getattr(built, field.name)
            try:
                field.validator(built, field, value)
            except (ValueError, TypeError) as error:
                self._at(yaml_key(field.name), plain(value, field.name), _rule_of(error, field.name))

    def _optional(self, value: object, wanted: Any) -> Any:
        if value is None:
            return None
        (inner,) = (part for part in get_args(wanted) if part is not types.NoneType)
        return self._converter.structure(value, inner)

    def _items(self, values: object, wanted: Any) -> Any:
        return self._list(values, get_args(wanted)[0])

    def _list(self, values: object, item: Any) -> tuple[Any, ...]:
        if isinstance(values, Mapping) and _is_pair(item):
            values = [list(pair) for pair in values.items()]
        if not isinstance(values, list | tuple):
            kind = "a mapping of name: value" if _is_pair(item) else "a list"
            raise _RefusedError(f"must be {kind}")
        if _is_pair(item) and all(_looks_like_pair(row) for row in values):
            named = [(str(name), value) for name, value in values]
            return tuple(self._children(named, get_args(item)[1]))
        numbered = [(f"[{index}]", value) for index, value in enumerate(values)]
        return tuple(value for _, value in self._children(numbered, item))

    def _children(self, named: list[tuple[str, Any]], wanted: Any) -> list[tuple[str, Any]]:
        """Reads all parts of a list or mapping before it gives up, so that each wrong one is named."""
        read: list[tuple[str, Any]] = []
        for name, value in named:
            with contextlib.suppress(_AlreadyReportedError):
                read.append((name, self._child(name, value, wanted)))
        if len(read) < len(named):
            raise _AlreadyReportedError
        return read

    def _set(self, values: object, wanted: Any) -> Any:
        return frozenset(self._list(values, get_args(wanted)[0]))

    def _row(self, values: object, wanted: Any) -> Any:
        parts = get_args(wanted)
        if not isinstance(values, list | tuple) or len(values) != len(parts):
            raise _RefusedError(f"must be a list of {len(parts)} values")
        return tuple(self._converter.structure(value, part) for value, part in zip(values, parts, strict=True))

    def _mapping(self, values: object, wanted: Any) -> Any:
        if values is None:
            values = {}
        if not isinstance(values, Mapping):
            raise _RefusedError("must be a mapping of name: value")
        key_type, value_type = get_args(wanted)
        if key_type is not str:
            raise TypeError(f"settings have mappings by name only, not {wanted}")
        return dict(self._children([(str(key), value) for key, value in values.items()], value_type))


def is_mapping_type(wanted: Any) -> bool:
    """Whether a field of that type is a mapping from names to values."""
    origin = get_origin(wanted)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def plain(value: object, field_name: str = "") -> Any:
    """Returns a settings value as it would be written in YAML: amounts in units for people."""
    if attrs.has(type(value)):
        return {
            yaml_key(field.name): plain(getattr(value, field.name), field.name) for field in section_fields(type(value))
        }
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {plain(key): plain(item, field_name) for key, item in value.items()}
    if isinstance(value, frozenset):
        return sorted(plain(item, field_name) for item in value)
    if isinstance(value, tuple):
        if value and all(_looks_like_pair(row) for row in value):
            return {row[0]: plain(row[1], field_name) for row in value}
        return [plain(item, field_name) for item in value]
    unit = _UNIT_TOKEN.search(field_name)
    if unit and isinstance(value, int) and not isinstance(value, bool):
        return _from_scaled(value, _UNIT_SCALES[unit[1]])
    return value


def _wanted_type(field: attrs.Attribute[Any]) -> Any:
    """Returns the type to read a field as: integers under a name with a unit are amounts in that unit."""
    token = _UNIT_TOKEN.search(field.name)
    if token is None:
        return field.type
    return _in_unit(field.type, next(kind for kind, unit in _UNIT_TYPES.items() if unit == token[1]))


def _in_unit(wanted: Any, unit: Any) -> Any:
    """Returns `wanted` with `unit` in the place of every plain integer in it."""
    if wanted is int:
        return unit
    origin, parts = get_origin(wanted), get_args(wanted)
    if origin is None:
        return wanted
    replaced = tuple(_in_unit(part, unit) for part in parts)
    if origin is types.UnionType:
        return Union[replaced]  # noqa: UP007  (the parts are values here, not syntax)
    return origin[replaced]


def _default_of(field: attrs.Attribute[Any]) -> Any:
    """Returns the default instance of a section, with which a partly written section is filled up."""
    default: Any = field.default
    if default is attrs.NOTHING:
        return None
    return default.factory() if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type]


def _rule_of(error: Exception, field_name: str) -> str:
    """Returns a validator's words without name and value, and its bound in YAML's unit."""
    text = str(error.args[0] if error.args else error)
    standard = _STANDARD_RULE.fullmatch(text)
    if standard is None:
        return text
    token, bound = _UNIT_TOKEN.search(field_name), standard["bound"]
    if token and bound.lstrip("-").isdecimal():
        bound = str(_from_scaled(int(bound), _UNIT_SCALES[token[1]]))
    return f"must be {standard['relation']} {bound}"


def _from_scaled(value: int, scale: int) -> int | float:
    return value // scale if value % scale == 0 else float(Decimal(value) / scale)


def _whole_number(value: object, wanted: Any) -> Any:
    if wanted is not int:
        return _word(value, wanted)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _RefusedError("must be a whole number")
    return value


def _number(value: object, _: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _RefusedError("must be a number, written like 12 or 0.25")
    return float(value)


def _yes_or_no(value: object, _: Any) -> bool:
    if not isinstance(value, bool):
        raise _RefusedError("must be true or false")
    return value


def _text(value: object, wanted: Any) -> Any:
    # Enumerations of words are kinds of text to cattrs: it comes here with them.
    if wanted is not str:
        return _word(value, wanted)
    if not isinstance(value, str):
        raise _RefusedError("must be text (put it in quotes)")
    return value


def _word(value: object, wanted: Any) -> enum.Enum:
    words = {str(member.value): member for member in cast("type[enum.Enum]", wanted)}
    if not isinstance(value, str) or value not in words:
        raise _RefusedError(f"must be one of {', '.join(words)}")
    return words[value]


def _choice(value: object, wanted: Any) -> object:
    if value not in get_args(wanted):
        raise _RefusedError(f"must be one of {', '.join(map(str, get_args(wanted)))}")
    return value


def _amount(value: object, wanted: Any) -> int:
    """Dollars, cents or contracts as written, in the integer unit of the code; exact or refused."""
    unit = _UNIT_TYPES[wanted]
    word, scale = _UNIT_WORDS[unit], _UNIT_SCALES[unit]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _RefusedError(f"must be a number of {word}, written like 12 or 0.25")
    scaled = Decimal(repr(value)) * scale
    if scaled != scaled.to_integral_value():
        raise _RefusedError(f"must have at most {len(str(scale)) - 1} decimals, as a number of {word}")
    return int(scaled)


def _is_optional(wanted: Any) -> bool:
    parts = get_args(wanted)
    return get_origin(wanted) in (Union, types.UnionType) and len(parts) == 2 and types.NoneType in parts


def _is_tuple_of_many(wanted: Any) -> bool:
    return get_origin(wanted) is tuple and len(get_args(wanted)) == 2 and get_args(wanted)[1] is Ellipsis


def _is_tuple_of_few(wanted: Any) -> bool:
    return get_origin(wanted) is tuple and not _is_tuple_of_many(wanted)


def _is_set(wanted: Any) -> bool:
    return get_origin(wanted) is frozenset


def _is_literal(wanted: Any) -> bool:
    return get_origin(wanted) is Literal


def _is_pair(wanted: Any) -> bool:
    """A named value, which YAML writes as `name: value`: tuple[str, X]."""
    return _is_tuple_of_few(wanted) and len(get_args(wanted)) == 2 and get_args(wanted)[0] is str


def _looks_like_pair(row: object) -> bool:
    return isinstance(row, list | tuple) and len(row) == 2 and isinstance(row[0], str)
