"""What is told of two threads comes from the turns in which nothing else ran."""

from __future__ import annotations

from bench.questions import Round, compared


def test_rounds_that_other_programs_disturbed_do_not_count() -> None:
    quiet = [Round(500, 900, 0.01), Round(510, 910, 0.0), Round(490, 890, 0.02)]
    disturbed = [Round(200, 150, 0.6), Round(100, 190, 0.7), Round(300, 310, 0.4)]

    told = compared([*disturbed, *quiet])

    assert told == {"per_s_1": 500, "per_s_2": 900, "x2": 1.8, "others": 0.01}


def test_a_machine_that_was_never_quiet_is_told() -> None:
    assert compared([Round(200, 150, 0.6)])["others"] == 0.6
