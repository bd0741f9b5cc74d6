"""The page in a real browser: ask, read the answer as it comes, open what it cites.

Skipped where Chromium or Playwright is absent; `apt-get install chromium` and
`pip install playwright` bring them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rag.answers import Piece, Prepared, Question, SnapshotInfo, Thought
from rag.api.stream import written as as_sent
from rag.composing import Composer
from rag.events import Done, Meta
from rag.scope import Scope
from tests.conftest import Workbench
from tests.fake_vllm import FakeVllm
from tests.talking import folder_of
from tests.test_server import Server, serving, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request, Route

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
        self.sent: list[dict[str, Any]] = []  # bodies of questions
        self.complaints: list[str] = []
        page.on("request", self._note)
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

    def shown(self, selector: str) -> bool:
        return self.page.locator(selector).is_visible()

    def _note(self, request: Request) -> None:
        self.requested.append(request.url)
        if request.url.endswith("/v1/ask"):
            self.sent.append(json.loads(request.post_data or "{}"))


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Visit]:
    page = browser.new_page()
    page.set_default_timeout(10_000)
    visit = Visit(page, server.url)
    yield visit
    page.close()
    assert all(url.startswith(server.url) for url in visit.requested)
    assert visit.complaints == []


@pytest.fixture(scope="module")
def writer(
    corpus: Workbench, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, FakeVllm]]:
    """A service that has a model, and the vLLM that it asks, which says what it is told to."""
    model = folder_of(tmp_path_factory.mktemp("model"))
    with FakeVllm() as fake:
        arguments = ("--model", str(model), "--vllm", fake.url)
        with serving(corpus.store.path, *arguments) as server:
            until(lambda: server.get("/readyz")["generation"]["ready"])
            yield server, fake


@dataclass
class Written:
    """A page whose questions go to the model."""

    visit: Visit
    fake: FakeVllm
    more: dict[str, object]  # fields that are added to every question


@pytest.fixture
def written(browser: Browser, writer: tuple[Server, FakeVllm]) -> Iterator[Written]:
    server, fake = writer
    page = browser.new_page()
    page.set_default_timeout(10_000)
    written = Written(Visit(page, server.url), fake, {"engine": "vllm"})

    def to_the_model(route: Route) -> None:
        asked = json.loads(route.request.post_data or "{}")
        route.continue_(post_data=json.dumps({**asked, **written.more}))

    page.route("**/v1/ask", to_the_model)
    yield written
    page.close()
    fake.fault = ""
    assert written.visit.complaints == []


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
    keyboard.press("Tab")  # the filter, which is closed
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


# ---- a conversation ----------------------------------------------------------------------------

FOLLOW_UP = "And is that for every employee?"


def test_a_follow_up_question_takes_the_conversation_along_and_shows_what_was_searched_for(
    visit: Visit,
) -> None:
    visit.ask(QUESTION)
    said = visit.text("#answer")
    assert not visit.shown("#searched")

    visit.ask(FOLLOW_UP)

    first, second = visit.sent
    assert first["history"] == []
    assert [(one["role"], one["content"]) for one in second["history"]] == [
        ("user", QUESTION),
        ("assistant", f"{LEAVE} [1]"),
    ]
    assert said.startswith(LEAVE)
    assert visit.text("#searched") == f"Searched for: {QUESTION} {FOLLOW_UP}"
    assert visit.text("#asked") == FOLLOW_UP
    assert visit.text("#turns summary") == QUESTION
    assert visit.page.get_by_label("Question").input_value() == ""


def test_what_was_answered_before_can_be_read_again_with_its_sources(visit: Visit) -> None:
    visit.ask(QUESTION)
    visit.ask("Which register do visitors sign, the golden visitor register?")

    visit.page.locator("#turns summary").click()
    assert LEAVE in visit.text("#turns .said")
    visit.page.locator("#turns .marker").click()

    mark = visit.page.locator("#document mark")
    mark.wait_for()
    assert mark.text_content() == LEAVE


def test_a_new_conversation_leaves_the_old_one_behind(visit: Visit) -> None:
    assert not visit.shown("#fresh")
    visit.ask(QUESTION)
    visit.page.get_by_role("button", name="New conversation").click()
    assert not visit.shown("#result")
    assert not visit.shown("#fresh")
    assert visit.page.evaluate("document.activeElement.id") == "question"

    visit.ask(FOLLOW_UP)

    assert visit.sent[-1]["history"] == []
    assert not visit.shown("#earlier")


def test_a_new_conversation_ends_the_answer_that_is_being_made(
    browser: Browser, server: Server
) -> None:
    page = browser.new_page()
    page.route("**/v1/ask", lambda route: route.continue_(post_data=_with_engine("endless")))
    page.goto(server.url)
    page.get_by_label("Question").fill(QUESTION)
    page.keyboard.press("Enter")
    until(lambda: len(page.locator("#answer").inner_text()) > 20)
    server.notes.unlink(missing_ok=True)

    page.locator("#fresh").click()

    until(server.notes.exists)
    assert page.locator("#result").is_hidden()
    assert page.locator("#ask").is_visible()
    assert page.locator("#status").inner_text() == ""
    page.close()


def test_a_long_conversation_stays_within_what_the_service_takes(visit: Visit) -> None:
    for _ in range(8):
        visit.ask(QUESTION)

    assert [len(one["history"]) for one in visit.sent] == [0, 2, 4, 6, 8, 10, 12, 12]
    assert visit.text("#status") == "Answered with 1 citation."


def test_a_service_that_takes_less_of_a_conversation_is_asked_without(
    browser: Browser, server: Server
) -> None:
    """As with ``answer.max_history_turns = 0``."""
    page = browser.new_page()
    sent: list[dict[str, Any]] = []

    def with_too_much(route: Route) -> None:
        asked = json.loads(route.request.post_data or "{}")
        sent.append(dict(asked))
        asked["history"] = 11 * asked.get("history", [])
        route.continue_(post_data=json.dumps(asked))

    page.route("**/v1/ask", with_too_much)
    visit = Visit(page, server.url)
    visit.ask(QUESTION)
    visit.ask(FOLLOW_UP)

    assert ["history" in one for one in sent] == [True, True, False]
    assert LEAVE in visit.text("#answer")
    assert "by itself" in visit.text("#searched")
    page.close()


def test_a_question_that_failed_is_kept_to_be_asked_again(browser: Browser, server: Server) -> None:
    page = browser.new_page()
    page.route("**/v1/ask", lambda route: route.continue_(post_data=_with_engine("breaking")))
    visit = Visit(page, server.url)

    visit.ask(QUESTION)

    assert page.get_by_label("Question").input_value() == QUESTION
    visit.ask(QUESTION)
    assert visit.sent[-1]["history"] == [], "what failed was taken for said"
    page.close()


# ---- generated answers --------------------------------------------------------------------------


def test_another_engine_that_stands_in_is_named_with_the_reason(written: Written) -> None:
    written.fake.fault = "500"

    written.visit.ask(QUESTION)

    assert LEAVE in written.visit.text("#answer")
    told = written.visit.text("#stand-in")
    assert told.startswith("The engine quoting stands in: the vLLM server at ")
    assert "(500)" in told


def test_what_has_no_citation_is_underlined_and_counted(written: Written) -> None:
    written.fake.says = [f"😀 {LEAVE[:-1]} [1]. It never ends. ", "Nobody counts it [1]."]

    written.visit.ask(QUESTION)

    uncited = written.visit.page.locator("#answer .uncited")
    assert uncited.all_text_contents() == ["It never ends."]
    assert uncited.get_attribute("title") == "no citation"
    assert "1 statement without citation" in written.visit.text("#notes")
    assert written.visit.text("#answer").replace("\n", "").startswith(f"😀 {LEAVE[:-1]}")
    assert not written.visit.shown("#stand-in")


def test_what_a_citation_does_not_hold_up_is_named(written: Written) -> None:
    written.fake.says = [f"{LEAVE[:-1]} [1].".replace("27", "28")]

    written.visit.ask(QUESTION)

    verdict = written.visit.page.locator("#citations .verdict")
    assert verdict.get_attribute("data-verdict") in ("partial", "unsupported")
    assert "not there: 28 days" in written.visit.text("#citations .line")


def test_what_was_held_back_is_counted(written: Written) -> None:
    written.fake.says = [f"{LEAVE[:-1]} [1]. It never ends. Nobody counts it."]
    written.more["strict"] = True

    written.visit.ask(QUESTION)

    assert written.visit.text("#answer").startswith(LEAVE[:-1])
    assert "ends" not in written.visit.text("#answer")
    assert "the whole passage" in written.visit.text("#citations")
    assert "2 sentences" in written.visit.text("#notes")


def test_an_answer_that_is_cut_off_says_so(written: Written) -> None:
    written.fake.says = ["Every employee", " gets 27 days", " of leave"]
    written.more["max_tokens"] = 2

    written.visit.ask(QUESTION)

    assert "cut off" in written.visit.text("#notes")


def test_thoughts_are_apart_from_the_answer_and_closed(visit: Visit, server: Server) -> None:
    meta = Meta("ans-1", "vllm", "small", SnapshotInfo("0" * 20, "", 0.0))
    composer = Composer(meta, Question(QUESTION, 8), QUESTION, (), ())
    pieces: list[Piece] = [Thought("<b>27</b>, "), Thought("surely."), "It is 27."]
    events = [*composer.compose(Prepared((), lambda _: iter(pieces)), Scope())]
    body = "".join(map(as_sent, [meta, *events, Done(composer.answer({}))]))
    visit.page.route(
        "**/v1/ask", lambda route: route.fulfill(content_type="text/event-stream", body=body)
    )

    visit.ask(QUESTION)

    assert visit.text("#answer") == "It is 27."
    assert visit.text("#thoughts") == "What the model thought first"
    visit.page.locator("#thoughts summary").click()
    assert visit.text("#thought") == "<b>27</b>, surely."
    assert visit.text("#status") == "Answered by small with 0 citations."


def narrow(visit: Visit, where: str) -> None:
    visit.page.get_by_text("Search some of the documents only").click()
    visit.page.get_by_label("Documents where").fill(where)


def test_a_question_can_be_asked_of_some_documents(visit: Visit) -> None:
    visit.ask(QUESTION)
    narrow(visit, "path ~ *.txt")

    visit.ask(QUESTION)

    assert "where" not in visit.sent[0]
    assert visit.sent[1]["where"] == "path ~ *.txt"
    assert visit.page.locator("#citations .line").count() == 0
    assert "Nothing in the documents answers" in visit.text("#abstained")


def test_a_filter_that_allows_nothing_is_said(visit: Visit) -> None:
    narrow(visit, "format = pdf")

    visit.ask(QUESTION)

    assert visit.text("#notes") == "No document matches `where`."


def test_a_filter_that_is_wrong_is_shown_with_its_place(visit: Visit) -> None:
    narrow(visit, "path ~")

    visit.ask(QUESTION)

    lines = visit.text("#error-message").split("\n")
    assert lines[0].startswith("where, character 7: found the end")
    assert lines[2].index("^") == 2 + len("path ~")
    assert visit.page.get_by_label("Question").input_value() == QUESTION, "to be asked again"
    assert "400" in visit.complaints.pop()


def test_a_narrow_screen_needs_no_sideways_scrolling(written: Written) -> None:
    written.fake.fault = "500"
    page = written.visit.page
    page.set_viewport_size({"width": 340, "height": 700})

    written.visit.ask(QUESTION)
    written.visit.ask(f"And is that for every employee of {'W' * 60}?")

    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_page_is_whole_without_a_build_and_names_no_foreign_address() -> None:
    for file in (Path(__file__).parent.parent / "rag" / "web").iterdir():
        text = file.read_text(encoding="utf-8")
        assert "innerHTML" not in text
        assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def _with_engine(engine: str) -> str:
    return f'{{"question": "{QUESTION}", "stream": true, "engine": "{engine}"}}'
