"""The documentation says what the code does."""

from __future__ import annotations

from pathlib import Path

from corpus.settings import known_keys, variable
from tools.settings_page import page

DOCS = Path(__file__).parent.parent / "docs"


def test_the_page_of_settings_is_what_the_settings_say() -> None:
    assert (DOCS / "settings.md").read_text(encoding="utf-8") == page(), "run `make docs`"


def test_every_setting_stands_on_its_page() -> None:
    told = (DOCS / "settings.md").read_text(encoding="utf-8")
    for key in known_keys():
        assert f"| `{key}` | `{variable(key)}` |" in told
