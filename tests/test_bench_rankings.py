"""What the benchmarks say of a set, question by question."""

from __future__ import annotations

import numpy as np

from bench.rankings import leading


def test_a_set_is_told_by_documents_where_any_are_judged_else_by_passages() -> None:
    judged = [{"ndcg@10": 0.5, "hit@1": 1.0}, {"hit@1": 0.0}]
    np.testing.assert_array_equal(leading(judged), [0.5, np.nan])
    np.testing.assert_array_equal(leading([{"hit@1": 1.0}, {}]), [1.0, np.nan])
