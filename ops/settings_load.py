"""From files and environment to `Settings`, or to one error that names everything that is wrong.

Order, later wins: defaults of the classes, `config.yaml`, `.env`, the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from ops.settings import Settings
from ops.settings_convert import Problem, SettingsError, SettingsReader, plain
from ops.settings_environment import lay_over, merged_environment, overlay_from
from ops.settings_rules import check_rules
from ops.yaml_text import YamlTextError, parse_yaml

FILE_BYTES_MAX = 1_000_000  # a settings file has some kilobytes; a wrong path to a log must not fill the memory


def load_settings(path: Path, environ: Mapping[str, str], dotenv: Path | None = None) -> Settings:
    """Returns the settings of the file `path` with all overrides. Raises SettingsError with every problem."""
    overlay = overlay_from(merged_environment(environ, dotenv), Settings)
    tree = lay_over(_read_file(path), overlay)
    reader = SettingsReader()
    settings = reader.read(tree, Settings)
    problems = (*overlay.problems, *reader.problems)
    failing = frozenset(problem.key for problem in problems)
    problems += tuple(problem for problem in check_rules(settings) if not _covered(problem.key, failing))
    if problems:
        raise SettingsError(tuple(_with_origin(problem, overlay.origins) for problem in problems))
    return settings


def settings_from(values: Mapping[str, Any]) -> Settings:
    """Returns settings from plain values, checked like a file. Raises SettingsError."""
    reader = SettingsReader()
    settings = reader.read(values, Settings)
    failing = frozenset(problem.key for problem in reader.problems)
    problems = (*reader.problems, *(p for p in check_rules(settings) if not _covered(p.key, failing)))
    if problems:
        raise SettingsError(problems)
    return settings


def plain_settings(settings: Settings) -> dict[str, Any]:
    """Returns the settings as they would be written in YAML. They hold no secret: credentials are none."""
    written: dict[str, Any] = plain(settings)
    return written


def _read_file(path: Path) -> Any:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise _unusable(path, f"is larger than {FILE_BYTES_MAX:,} bytes: is this the right file?")
        return parse_yaml(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise _unusable(path, "no such file; name another one with --config, or copy config.yaml") from None
    except UnicodeDecodeError:
        raise _unusable(path, "is no UTF-8 text") from None
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror}") from None
    except YamlTextError as error:
        raise _unusable(path, f"is no valid YAML: {error}") from None


def _unusable(path: Path, rule: str) -> SettingsError:
    return SettingsError((Problem(key="file", value=str(path), rule=rule),))


def _covered(key: str, failing: frozenset[str]) -> bool:
    """A value that could not be read was replaced by its default: a rule about it would only confuse."""
    return any(key == other or other.startswith(f"{key}.") or key.startswith(f"{other}.") for other in failing)


def _with_origin(problem: Problem, origins: Mapping[str, str]) -> Problem:
    origin = next(
        (name for key, name in origins.items() if problem.key == key or problem.key.startswith(f"{key}.")),
        None,
    )
    return problem if origin is None else attrs.evolve(problem, key=f"{problem.key} (from {origin})")
