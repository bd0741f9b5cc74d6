"""The documentation says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from corpus.settings import known_keys, variable
from rag.api.openapi import OPERATIONS
from rag.cli import COMMANDS
from tools.settings_page import page as settings_page

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def test_the_page_of_settings_is_what_the_settings_say() -> None:
    assert (DOCS / "settings.md").read_text(encoding="utf-8") == settings_page(), "run `make docs`"


def test_every_setting_stands_on_its_page() -> None:
    told = (DOCS / "settings.md").read_text(encoding="utf-8")
    for key in known_keys():
        assert f"| `{key}` | `{variable(key)}` |" in told


PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "corpus" / "documents").iterdir()),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_only_commands_that_there_are(page: Path) -> None:
    named = re.findall(r"(?:`|<code>|<pre>|^ {4})rag ([a-z]+)", page.read_text(), re.MULTILINE)

    assert set(named) <= COMMANDS.keys()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_only_endpoints_that_there_are(page: Path) -> None:
    served = {path.split("/")[2] for _, path, _, _ in OPERATIONS if path.startswith("/v1/")}

    assert set(re.findall(r"/v1/([a-z]+)", page.read_text())) <= served
