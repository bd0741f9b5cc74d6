"""What is reached of a limit is counted as the limit is."""

from __future__ import annotations

import time

from bench.limits import Shape, _shares, _spent


def test_operations_of_the_packaged_model_are_those_of_its_shape() -> None:
    shape = Shape.of_model()
    linear = 6 * 2 * (4 * 384 * 384 + 2 * 384 * 1536)

    assert shape.operations(1) == linear + 6 * 4 * 384
    assert shape.operations(200) == 200 * (linear + 6 * 4 * 384 * 200)


def test_shares_compare_all_cores_by_the_clock_and_one_by_its_own_time() -> None:
    limits = {
        "bf16 on 1 core": 400.0,
        "int8 on 1 core": 800.0,
        "bf16 on 2 cores": 700.0,
        "int8 on 2 cores": 1_500.0,
    }
    used = {
        "documents": {"g_per_s": 350.0, "g_per_cpu_s": 200.0},
        "questions": {"g_per_cpu_s": 100.0},
        "scan": {"gb_s": 15.0},
    }

    told = [(name, *of) for name, _, of in _shares(used, limits, bandwidth=20.0, cores=2)]

    assert ("documents", "bf16 on 2 cores", "50%") in told
    assert ("documents", "bf16 on 1 core", "50%") in told
    assert ("questions", "int8 on 1 core", "12%") in told
    assert ("scan", "memory, one thread", "75%") in told


def test_processor_time_does_not_count_waiting() -> None:
    wall, cpu = _spent(lambda: time.sleep(0.2))

    assert wall >= 0.2
    assert cpu < 0.1
