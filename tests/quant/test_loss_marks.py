"""A book that is empty or torn for a moment is no loss; one that stays so is."""

from __future__ import annotations

import pytest

from quant.accounting import Mark
from quant.loss_marks import PROVES_AFTER_S, WIDE_SPREAD_E4, LossMarks
from tests.quant.builders import mark

SOUND = mark(4_900, 5_100)


def test_a_sound_mark_counts_at_once() -> None:
    marks = LossMarks()
    assert marks.seen({"M": SOUND}, "M", 0.0) == {"M": SOUND}
    later = mark(3_000, 3_000 + WIDE_SPREAD_E4)
    assert marks.seen({"M": later}, "M", 1.0) == {"M": later}


@pytest.mark.parametrize("torn", [mark(None, 5_100), mark(4_900, None), mark(3_000, 3_001 + WIDE_SPREAD_E4)])
def test_a_torn_one_counts_when_it_stays_so(torn: Mark) -> None:
    marks = LossMarks()
    marks.seen({"M": SOUND}, "M", 0.0)
    assert marks.seen({"M": torn}, "M", 10.0) == {"M": SOUND}
    assert marks.seen({"M": torn}, "M", 10.0 + PROVES_AFTER_S - 0.1) == {"M": SOUND}
    assert marks.seen({"M": torn}, "M", 10.0 + PROVES_AFTER_S) == {"M": torn}


def test_a_book_that_is_whole_again_begins_the_wait_anew() -> None:
    marks, torn = LossMarks(), mark(None, 5_100)
    marks.seen({"M": torn}, "M", 0.0)
    marks.seen({"M": SOUND}, "M", 20.0)
    assert marks.seen({"M": torn}, "M", 31.0) == {"M": SOUND}


def test_a_market_that_never_had_a_sound_one_is_unmarked_meanwhile() -> None:
    assert LossMarks().seen({"M": mark(None, 5_100)}, "M", 0.0) == {}
    assert LossMarks().seen({}, "M", 0.0) == {}


def test_what_is_not_held_is_forgotten() -> None:
    marks = LossMarks()
    marks.seen({"M": SOUND, "N": SOUND}, "MN", 0.0)
    assert marks.seen({"N": SOUND}, "N", 1.0) == {"N": SOUND}
    assert marks.seen({}, "MN", 2.0) == {}
