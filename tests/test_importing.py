"""What is imported without, and what of it stays."""

from __future__ import annotations

import sys

import pytest

from corpus.importing import without


def test_what_is_left_out_is_missing_within_the_block_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)

    with without("colorsys"), pytest.raises(ImportError):
        import colorsys

    import colorsys

    assert colorsys.rgb_to_hsv(0, 0, 0) == (0, 0, 0)


def test_what_is_loaded_stays() -> None:
    import json

    with without("json"):
        import json as within

    assert within is json is sys.modules["json"]
