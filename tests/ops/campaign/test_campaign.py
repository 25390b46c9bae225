"""Many seeds in processes of their own: the report, the re-checks, the table, and what the command line says."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import attrs
import pytest

from ops.campaign.campaign import make_campaign, parse_seeds, run_campaign
from ops.campaign.coverage import NOT_APPLICABLE, STATES, missing, possible, table
from ops.campaign.faults import ALL_KINDS, draw_schedule, wanted_kinds
from ops.campaign.report import Outcome, report
from ops.campaign.seed import SeedResult
from supervisor import build_tree

ROOT = Path(__file__).resolve().parents[3]
RESULT = SeedResult(
    seed=7,
    simulated_s=120.0,
    requests=900,
    commands=250,
    fills=22,
    book_changes=1_440,
    markets=6,
    lives=3,
    worst_drain_s=2.5,
    strikes=Counter({"latency": 4}),
    cells=Counter({("latency", "sent"): 4}),
    crashes=Counter({"ledger": 1}),
    violations=(),
    trace_lines=2_000,
    trace_hash="aa",
)


@pytest.mark.parametrize(("words", "seeds"), [("7", (7,)), ("1-3", (1, 2, 3)), ("1,5,9-11", (1, 5, 9, 10, 11))])
def test_seeds_are_named_as_numbers_and_ranges(words: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(words) == seeds


@pytest.mark.parametrize("words", ["", "x", "3-1", "1-", "-4", "1-1000000"])
def test_words_that_name_no_seeds_are_refused(words: str) -> None:
    with pytest.raises(ValueError, match="names no seeds"):
        parse_seeds(words)


def test_faults_are_all_none_or_named_and_bytes_are_cut_on_the_full_wire_alone() -> None:
    assert wanted_kinds("all", with_streams=True) == ALL_KINDS
    assert wanted_kinds("none", with_streams=True) == ()
    assert wanted_kinds("latency, power_cut", with_streams=False) == ("latency", "power_cut")
    assert set(wanted_kinds("all", with_streams=True)) - set(wanted_kinds("all", with_streams=False)) == {
        "cut_stream",
        "slow_bytes",
        "half_open",
    }
    with pytest.raises(ValueError, match="unknown faults earthquake"):
        wanted_kinds("latency,earthquake", with_streams=False)


def test_a_schedule_follows_its_seed_has_every_kind_and_ends_in_time() -> None:
    schedule = draw_schedule(5, ALL_KINDS, 400.0)
    assert schedule == draw_schedule(5, ALL_KINDS, 400.0) != draw_schedule(6, ALL_KINDS, 400.0)
    kinds = {fault.kind for fault in schedule.exchange} | {fault.kind for fault in schedule.bot}
    assert kinds == set(ALL_KINDS)
    assert all(fault.end_s is not None and fault.end_s <= 400.0 for fault in schedule.exchange)
    assert all(fault.at_s < 400.0 for fault in schedule.bot)


def test_the_table_names_what_cannot_meet_and_what_was_missed() -> None:
    seen = Counter({(kind, state): 1 for kind in ALL_KINDS for state in STATES if (kind, state) not in NOT_APPLICABLE})
    assert missing(seen) == []
    del seen["silence", "unknown"]
    assert missing(seen) == [("silence", "unknown")]
    rows = {line.split()[0]: line.split()[1:] for line in table(seen)[1:]}
    assert rows["silence"][STATES.index("unknown")] == "MISSING"
    assert rows["latency"][STATES.index("resting")] == "-"
    assert all(reason for reason in NOT_APPLICABLE.values())


def test_a_violation_is_reported_with_the_command_that_shows_it_again() -> None:
    campaign = make_campaign([7], 120.0, "latency", "full")
    broken = attrs.evolve(RESULT, violations=("I8 at 3.000 s: too much",))
    lines = report(campaign, Outcome(results=(broken,), rechecked=(7,), differing=(7,), real_s=2.0))
    assert "VIOLATION in seed 7: I8 at 3.000 s: too much" in lines
    command = "python supervisor.py simulate --seed 7 --hours 0.0333333333 --faults latency --wire full --trace"
    assert f"see it step by step: {command}" in lines
    assert f"NOT DETERMINISTIC: compare two of: {command}" in lines
    assert lines[-1] == "1 violations"


@pytest.mark.parametrize("seconds", [60.0, 612.0, 600.0, 600.001, 3_599.999, 86_400.0])
def test_the_command_that_is_printed_has_the_same_length_to_the_millisecond(seconds: float) -> None:
    """A schedule is drawn over the length: a rounded one would be another schedule, and show nothing."""
    campaign = make_campaign([7], seconds, "all", "ports")
    broken = attrs.evolve(RESULT, violations=("I8 at 3.000 s: too much",))
    lines = report(campaign, Outcome(results=(broken,), rechecked=(), differing=(), real_s=2.0))
    (command,) = (line for line in lines if line.startswith("see it step by step"))
    hours = float(command.split("--hours ")[1].split()[0])
    assert round(hours * 3600.0, 3) == seconds
    assert "per seed: 250 (250 to 250) order commands, 22 (22 to 22) fills" in "\n".join(lines)


@pytest.mark.long
def test_a_campaign_in_parallel_processes_violates_nothing_and_repeats_under_another_hash_seed() -> None:
    campaign = make_campaign(range(101, 111), 150.0, "all", "ports")
    ended: list[int] = []
    outcome = run_campaign(
        campaign, build_tree, workers=2, recheck_every=5, progress=lambda result: ended.append(result.seed)
    )
    assert sorted(ended) == list(campaign.seeds)
    assert outcome.violations == ()
    assert (outcome.rechecked, outcome.differing) == ((101, 106), ())
    # Ten short seeds see five sixths of the pairs; the long campaign must see all.
    assert len(outcome.missed(campaign)) <= len(possible(campaign.kinds)) / 6
    assert report(campaign, outcome)[-1] == "0 violations"


@pytest.mark.long
def test_a_campaign_on_the_full_wire_violates_nothing() -> None:
    campaign = make_campaign(range(201, 205), 120.0, "all", "full")
    outcome = run_campaign(campaign, build_tree, workers=2, recheck_every=4, progress=lambda result: None)
    assert (outcome.violations, outcome.differing) == ((), ())
    assert sum(result.strikes["cut_stream"] for result in outcome.results) > 0


@pytest.mark.long
def test_the_command_line_shows_one_seed_step_by_step_and_says_what_is_wrong_with_a_call() -> None:
    def simulate(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "supervisor.py", "simulate", *words]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    shown = simulate("--seed", "3", "--hours", "0.017", "--faults", "none", "--trace")
    assert shown.returncode == 0, shown.stderr
    assert " -> POST /trade-api/v2/portfolio/events/orders " in shown.stdout
    assert "0 violations" in shown.stdout.splitlines()[-1]
    for words in (("--hours", "0.001"), ("--seeds", "1-"), ("--faults", "rain"), ("--seeds", "1-3", "--trace")):
        refused = simulate(*words)
        assert refused.returncode == 64
        assert refused.stderr.strip()
        assert "Traceback" not in refused.stderr
