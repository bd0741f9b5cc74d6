"""The page in a real browser: ask, read the answer as it comes, open what it cites.

Skipped where Chromium or Playwright is absent; `apt-get install chromium` and
`pip install playwright` bring them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Workbench
from tests.test_server import Server, serving, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

LEAVE = "Every employee gets 27 days of annual leave."
QUESTION = "How many days of annual leave does every employee get?"
FILLER = "The canteen opens at noon and the garden is open until dusk. " * 120
PARKING = (
    "All visitors park their cars and their bicycles without any fee\nbehind the northern shed."
)
HOSTILE = (
    "<script>document.title = 'pwned'</script> Visitors sign the golden visitor register. "
    "<img src=http://203.0.113.7/leak onerror=\"document.title = 'pwned'\"> "
    "[register](http://203.0.113.7/leak) javascript:alert(1)"
)
HOSTILE_NAME = "<img src=x onerror=document.title='pwned'>.txt"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    bench = Workbench(tmp_path_factory.mktemp("page"))
    bench.write("hr/leave policy.md", f"# Leave\n\n😀 {FILLER}\n\n{LEAVE}\n\n{FILLER}\n")
    bench.write("parking.txt", f"{PARKING}\n")
    bench.write(HOSTILE_NAME, f"{HOSTILE}\n")
    bench.ingest()
    return bench


@pytest.fixture(scope="module")
def server(corpus: Workbench) -> Iterator[Server]:
    with serving(corpus.store.path) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


class Visit:
    """A page that is open, and everything that must not happen on it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.requested: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requested.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        page.goto(url)

    def ask(self, question: str) -> None:
        self.page.get_by_label("Question").fill(question)
        self.page.keyboard.press("Enter")
        self.page.locator("#stop").wait_for(state="hidden")

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Visit]:
    page = browser.new_page()
    page.set_default_timeout(10_000)
    visit = Visit(page, server.url)
    yield visit
    page.close()
    assert all(url.startswith(server.url) for url in visit.requested)
    assert visit.complaints == []


def test_a_question_is_answered_with_sources_that_can_be_read(visit: Visit) -> None:
    visit.ask(QUESTION)

    assert LEAVE in visit.text("#answer")
    assert visit.text("#status") == "Answered with 1 citation."
    assert LEAVE in visit.text("#citations")
    assert "word for word" in visit.text("#citations")


def test_a_marker_opens_the_source_with_exactly_the_quote_highlighted(visit: Visit) -> None:
    visit.ask(QUESTION)

    visit.page.locator("#answer .marker").first.click()

    mark = visit.page.locator("#document mark")
    mark.wait_for()
    assert mark.text_content() == LEAVE
    assert visit.text("#panel-id") == "hr/leave policy.md"
    box, view = mark.bounding_box(), visit.page.viewport_size
    assert box is not None
    assert view is not None
    assert 0 <= box["y"] <= view["height"], "it was not scrolled to"
    assert "The canteen opens at noon" in visit.text("#document")


def test_everything_can_be_done_from_the_keyboard(visit: Visit) -> None:
    keyboard = visit.page.keyboard
    assert visit.page.evaluate("document.activeElement.id") == "question"
    keyboard.type(QUESTION)
    keyboard.press("Enter")
    visit.page.locator("#stop").wait_for(state="hidden")
    assert visit.page.evaluate("document.activeElement.id") == "question"

    keyboard.press("Tab")  # the button
    keyboard.press("Tab")  # the first marker
    assert visit.page.evaluate("document.activeElement.className") == "marker"
    keyboard.press("Enter")
    visit.page.locator("#document mark").wait_for()
    assert visit.page.evaluate("document.activeElement.id") == "panel-title"

    keyboard.press("Escape")

    assert visit.page.locator("#panel").is_hidden()
    assert visit.page.evaluate("document.activeElement.className") == "marker"


def test_the_answer_appears_while_it_is_being_made_and_can_be_stopped(
    browser: Browser, server: Server
) -> None:
    page = browser.new_page()
    page.route("**/v1/ask", lambda route: route.continue_(post_data=_with_engine("endless")))
    page.goto(server.url)
    page.get_by_label("Question").fill(QUESTION)
    page.keyboard.press("Enter")

    until(lambda: len(page.locator("#answer").inner_text()) > 20)
    assert page.locator("#ask").is_hidden()
    page.locator("#stop").click()

    page.locator("#ask").wait_for()
    assert page.locator("#status").inner_text() == "Stopped."
    page.close()


def test_a_quote_flows_in_the_answer_and_stands_as_it_is_in_its_source(visit: Visit) -> None:
    visit.ask("Where behind the northern shed do visitors park their bicycles?")

    assert "without any fee behind the northern shed" in visit.text("#answer")
    visit.page.locator("#answer .marker").first.click()
    mark = visit.page.locator("#document mark")
    mark.wait_for()
    assert mark.text_content() == PARKING
    assert mark.inner_text() == PARKING.replace("\n", " ")


def test_not_knowing_is_shown_as_such_with_what_came_closest(visit: Visit) -> None:
    visit.ask("Who won the ice hockey world championship?")

    assert visit.text("#status") == "The documents do not say."
    assert "No answer was made up" in visit.text("#abstained")
    assert visit.page.locator("#answer").is_hidden()
    closest = visit.page.locator("#closest .open")
    assert closest.count() > 0

    closest.first.click()

    visit.page.locator("#document mark").wait_for()
    assert visit.page.locator("#panel-note").is_hidden()


def test_an_error_is_shown_with_its_message_and_request(browser: Browser, server: Server) -> None:
    page = browser.new_page()
    page.route("**/v1/ask", lambda route: route.continue_(post_data=_with_engine("breaking")))
    page.goto(server.url)
    page.get_by_label("Question").fill(QUESTION)
    page.keyboard.press("Enter")

    page.get_by_role("alert").wait_for()
    assert "the engine ran out of steam" in page.get_by_role("alert").inner_text()
    assert "request " in page.get_by_role("alert").inner_text()
    assert page.locator("#ask").is_visible()
    page.close()


def test_text_of_documents_is_never_run_nor_loaded(visit: Visit) -> None:
    """What a hostile document, its name and its title hold is shown as the text that it is."""
    visit.ask("Which register do visitors sign, the golden visitor register?")
    assert "golden visitor register" in visit.text("#answer")

    visit.page.locator("#answer .marker").first.click()
    visit.page.locator("#document mark").wait_for()

    assert HOSTILE in (visit.page.locator("#document").text_content() or "")
    assert visit.text("#panel-id") == HOSTILE_NAME
    assert visit.page.title() == "Ask your documents"
    assert visit.page.locator("main img, aside img, main script, aside script").count() == 0
    assert visit.page.locator("main a, aside a").count() == 0


def test_a_document_that_changed_since_the_answer_is_not_highlighted_wrongly(
    browser: Browser, bench: Workbench
) -> None:
    bench.write("leave.md", f"{LEAVE}\n")
    bench.ingest()
    with serving(bench.store.path) as server:
        page = browser.new_page()
        page.goto(server.url)
        page.get_by_label("Question").fill(QUESTION)
        page.keyboard.press("Enter")
        page.locator("#answer .marker").wait_for()
        page.locator("#stop").wait_for(state="hidden")
        bench.write("leave.md", f"In short: {LEAVE} Ask early.\n")
        report = bench.ingest()
        until(lambda: server.get("/readyz")["snapshot"]["id"] == report.snapshot)

        page.locator("#answer .marker").first.click()

        page.locator("#panel-note").wait_for()
        note = page.locator("#panel-note").inner_text()
        assert "has changed since the answer was made" in note
        assert LEAVE in note
        assert page.locator("#document mark").count() == 0
        page.close()


def test_the_footer_names_the_snapshot_and_its_state(visit: Visit, corpus: Workbench) -> None:
    until(lambda: visit.text("#ready") == "Ready")

    assert corpus.store.require_current()[:12] in visit.text("#snapshot")


def test_the_page_is_whole_without_a_build_and_names_no_foreign_address() -> None:
    for file in (Path(__file__).parent.parent / "rag" / "web").iterdir():
        text = file.read_text(encoding="utf-8")
        assert "innerHTML" not in text
        assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def _with_engine(engine: str) -> str:
    return f'{{"question": "{QUESTION}", "stream": true, "engine": "{engine}"}}'
