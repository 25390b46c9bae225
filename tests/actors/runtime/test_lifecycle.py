"""How exceptions become the texts of lifecycle messages."""

from __future__ import annotations

from actors.runtime.lifecycle import (
    ERROR_CHARACTERS_MAX,
    TRACEBACK_CHARACTERS_MAX,
    error_text,
    leaves,
    traceback_text,
    unwrap,
)


def nested() -> BaseExceptionGroup[BaseException]:
    return BaseExceptionGroup("outer", [BaseExceptionGroup("inner", [ValueError("one"), KeyError("two")])])


def raised_with_secret() -> ValueError:
    secret = "hunter2" * 2
    try:
        raise ValueError(len(secret))
    except ValueError as error:
        return error


def test_leaves_are_the_exceptions_inside_all_groups_in_order() -> None:
    assert [type(leaf) for leaf in leaves(nested())] == [ValueError, KeyError]
    lonely = ValueError()
    assert list(leaves(lonely)) == [lonely]


def test_groups_of_one_are_unwrapped_and_groups_of_several_are_kept() -> None:
    one = ValueError("one")
    assert unwrap(ExceptionGroup("a", [ExceptionGroup("b", [one])])) is one
    assert isinstance(unwrap(nested()), BaseExceptionGroup)


def test_the_error_text_is_one_line_of_types_and_messages() -> None:
    assert error_text(None) == ""
    assert error_text(ValueError()) == "ValueError"
    assert error_text(nested()) == "ValueError: one; KeyError: 'two'"
    assert len(error_text(ValueError("x" * 10_000))) == ERROR_CHARACTERS_MAX


def test_the_traceback_names_the_place_but_shows_no_values_of_variables() -> None:
    text = traceback_text(raised_with_secret())
    assert "raised_with_secret" in text
    assert "hunter2hunter2" not in text
    assert traceback_text(None) == ""


def test_a_long_traceback_keeps_its_end() -> None:
    text = traceback_text(ValueError("x" * 20_000 + "the end"))
    assert len(text) == TRACEBACK_CHARACTERS_MAX
    assert text.endswith("the end\n")
