"""Settings from the environment: `KALSHI_BOT__RISK__PER_MARKET_CAP=8` lies over `risk.per_market_cap_dollars`
in the file.

1. Two underscores go one level down; upper and lower case are the same; the value is read as YAML, so that
   lists and mappings can be given as well: `KALSHI_BOT__LOGGING__LEVELS='{order_desk: DEBUG}'`.
2. The unit at the end of a key may be left out, because there is only one.
3. A variable with our prefix that names no setting is a problem, never ignored: it was meant.
4. `.env` lies under the real environment: what a shell exports wins over what a file remembers.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
from dotenv import dotenv_values

from ops.settings_convert import Problem, is_mapping_type, key_without_unit, section_fields, shown_value, yaml_key
from ops.yaml_text import YamlTextError, parse_yaml

PREFIX = "KALSHI_BOT__"
BASE_URL_VARIABLE = "KALSHI_BASE_URL"


@attrs.frozen(kw_only=True)
class Overlay:
    """Values that lie over the file, each with the variable that it came from."""

    values: tuple[tuple[tuple[str, ...], Any], ...]
    origins: Mapping[str, str]  # dotted key -> variable
    problems: tuple[Problem, ...]


def merged_environment(environ: Mapping[str, str], dotenv: Path | None) -> dict[str, str]:
    """Returns the variables of the file `dotenv`, where there is one, under those of `environ`."""
    from_file: dict[str, str] = {}
    if dotenv is not None and dotenv.is_file():
        text = dotenv.read_text(encoding="utf-8-sig", errors="replace")
        # Interpolation stays off: a key or password may contain "${".
        parsed = dotenv_values(stream=io.StringIO(text), interpolate=False)
        from_file = {name: value for name, value in parsed.items() if value is not None}
    return {**from_file, **environ}


def overlay_from(environment: Mapping[str, str], root: type) -> Overlay:
    """Returns all overrides in `environment` for the settings class `root`, unknown names as problems."""
    values: list[tuple[tuple[str, ...], Any]] = []
    origins: dict[str, str] = {}
    problems: list[Problem] = []
    for name, path, text in _variables(environment):
        resolved = _resolve(path, root)
        if resolved is None:
            rule = "this environment variable names no setting; `check-config --show` lists them all"
            problems.append(Problem(key=name, value=shown_value(name, text), rule=rule))
            continue
        try:
            value = parse_yaml(text)
        except YamlTextError as error:
            problems.append(Problem(key=name, value=shown_value(name, text), rule=f"is no YAML value: {error}"))
            continue
        values.append((resolved, value))
        origins[".".join(resolved)] = name
    return Overlay(values=tuple(values), origins=origins, problems=tuple(problems))


def lay_over(tree: Any, overlay: Overlay) -> Any:
    """Returns `tree` with the values of the overlay in their places; `tree` itself is not changed."""
    for path, value in overlay.values:
        tree = _with_value(tree, path, value)
    return tree


def _variables(environment: Mapping[str, str]) -> Iterator[tuple[str, list[str], str]]:
    base_url = environment.get(BASE_URL_VARIABLE, "").strip()
    if base_url:
        yield (
            BASE_URL_VARIABLE,
            ["exchange", "base_url"],
            f'"{base_url}"' if '"' not in base_url else base_url,
        )
    for name in sorted(environment):
        if name.upper().startswith(PREFIX):
            yield name, name[len(PREFIX) :].split("__"), environment[name]


def _resolve(path: list[str], section: Any) -> tuple[str, ...] | None:
    """Returns the YAML keys that `path` means below `section`, or None where it means nothing."""
    head, rest = path[0], path[1:]
    for field in section_fields(section):
        key = yaml_key(field.name)
        if head.lower() not in (key, key_without_unit(field.name)):
            continue
        if not rest:
            return (key,)
        if field.type is not None and attrs.has(field.type):
            below = _resolve(rest, field.type)
            return None if below is None else (key, *below)
        # Below a free mapping the names are data: they are taken as they are written.
        return (key, *rest) if is_mapping_type(field.type) else None
    return None


def _with_value(tree: Any, path: tuple[str, ...], value: Any) -> Any:
    if not path:
        return value
    below = tree if isinstance(tree, Mapping) else {}
    return {**below, path[0]: _with_value(below.get(path[0]), path[1:], value)}
