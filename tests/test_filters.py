"""The language of filters: what is read as what, and what is said where something is wrong."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import BadRequest
from corpus.where import And, Compare, Glob, Not, OneOf, Op, Or, Where, canonical
from rag.api.app import create_app
from rag.api.context import Context
from rag.cli import cli
from rag.commands.opening import Opened
from rag.filters.parser import MAX_COMPARISONS, MAX_DEPTH, parse
from rag.filters.scanner import MAX_LENGTH
from rag.filters.writing import written
from rag.jobs import Jobs
from tests.conftest import Workbench
from tests.serving import service_of

TEXT = st.text(
    st.characters(exclude_categories=("Cc", "Cs")) | st.sampled_from("\"'\\(),=<>!~ \t\n"),
    max_size=12,
)
FIELD = TEXT.map(canonical)
LEAVES = (
    st.builds(Compare, FIELD, st.just(Op.EQUAL), TEXT)
    | st.builds(Compare, FIELD, st.sampled_from(list(Op)), st.sampled_from(["1.5", "2024-02-29"]))
    | st.builds(OneOf, FIELD, st.lists(TEXT, min_size=1, max_size=3).map(tuple))
    | st.builds(Glob, FIELD, st.text("ab*?-.\"'\\ ", max_size=9).map("x/".__add__))
)


def _above(parts: st.SearchStrategy[Where]) -> st.SearchStrategy[Where]:
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.builds(Not, parts) | st.builds(And, several) | st.builds(Or, several)


TREES: st.SearchStrategy[Where] = st.recursive(LEAVES, _above, max_leaves=8)


@given(TREES)
def test_what_is_written_is_read_as_the_same_tree(tree: Where) -> None:
    again = parse(written(tree)).where

    assert again == tree
    assert hash(again) == hash(tree)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (
            'path ~ "docs/**/*.md" and (format = md or lang in (de, fr)) and date >= 2024-01-01 '
            'and not title ~ "Draft*"',
            And(
                (
                    Glob("path", "docs/**/*.md"),
                    Or((Compare("format", Op.EQUAL, "md"), OneOf("lang", ("de", "fr")))),
                    Compare("date", Op.AT_LEAST, "2024-01-01"),
                    Not(Glob("title", "Draft*")),
                )
            ),
        ),
        ("a=1", Compare("a", Op.EQUAL, "1")),
        ("A == 1", Compare("a", Op.EQUAL, "1")),
        ("a!=b", Not(Compare("a", Op.EQUAL, "b"))),
        ("a NOT IN('x','y z')", Not(OneOf("a", ("x", "y z")))),
        ("a !~ x*", Not(Glob("a", "x*"))),
        (
            r"""a = 'it\'s' Or a = "\\" """,
            Or((Compare("a", Op.EQUAL, "it's"),) * 1 + (Compare("a", Op.EQUAL, "\\"),)),
        ),
        ("'my field' = 'and'", Compare("my field", Op.EQUAL, "and")),
        ("a = 1 or b = 2 and c = 3", parse("a = 1 or (b = 2 and c = 3)").where),
        ("not a = 1 and b = 2", parse("(not a = 1) and b = 2").where),
        ("a\u3000=\u00a01\n", Compare("a", Op.EQUAL, "1")),
        ("标签 = 中文", Compare("标签", Op.EQUAL, "中文")),
    ],
)
def test_filters_are_read_as_they_look(text: str, meant: Where) -> None:
    assert parse(text).where == meant


@pytest.mark.parametrize(
    ("text", "at", "found", "expected"),
    [
        ("", 1, "empty", "a field"),
        ("   ", 1, "empty", "a field"),
        ("lang", 5, "the end", "one of = !="),
        ("lang de", 6, "'de'", "one of = !="),
        ("lang =", 7, "the end", "a value"),
        ("lang = )", 8, "')'", "a value"),
        ("(a = 1", 7, "the end", "')' for the '(' at character 1"),
        ("a = 1)", 6, "')'", "'and', 'or' or the end"),
        ("a = 1 b = 2", 7, "'b'", "'and', 'or' or the end"),
        ("a = 1 and", 10, "the end", "a field"),
        ("a = and", 5, "'and'", "in quotes, 'and' is a value"),
        ("a in de", 6, "'de'", "'(' and values"),
        ("a in ()", 7, "')'", "a value"),
        ("a in (de", 9, "the end", "',' or ')'"),
        ("a in (de fr)", 10, "'fr'", "',' or ')'"),
        ("a not b", 7, "'b'", "'in'"),
        ("a < foo", 5, "'foo'", "neither a number nor an ISO date"),
        ("date >= 01.05.2024", 9, "'01.05.2024'", "ISO date such as 2024-05-31"),
        ("a ~ [z-a]", 5, "[z-a]", "runs backwards"),
        ("a ~ ''", 5, "the pattern means nothing", "empty"),
        ('a = "x', 5, "not closed", 'another "'),
        (r'a = "\d"', 6, r"\d", "for a backslash"),
        ("a ! b", 3, "'!'", "an operator"),
        ("a\0b = 1", 2, "U+0000", "no text"),
        ("a = '\ud800'", 6, "U+D800", "no text"),
        ("a = \x1b[31m", 5, "U+001B", "no text"),
        ("(" * 30, MAX_DEPTH + 1, "nested deeper", "20"),
        ("not " * 30 + "a = 1", 4 * MAX_DEPTH + 1, "nested deeper", "20"),
        ("a=1 or " * 150 + "a=1", 7 * MAX_COMPARISONS + 1, "more than 100", "comparisons"),
        ("a" * 2001, MAX_LENGTH + 1, "2001 characters", "2000 are taken"),
    ],
)
def test_what_means_nothing_is_refused_with_its_place(
    text: str, at: int, found: str, expected: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        parse(text)

    message = str(refused.value)
    assert refused.value.param == "where"
    said, shown, caret = message.split("\n")
    assert said.startswith(f"where, character {at}: ")
    assert found in said
    assert expected in said
    assert len(message) < 500
    assert shown.isprintable()
    pointed = caret.index("^")
    if at <= len(text) <= MAX_LENGTH and text[at - 1].isprintable():
        assert shown[pointed] == text[at - 1]


@given(st.text(max_size=60) | st.text("ab=~()<>!,'\"\\ \tnotandori", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text)
    except BadRequest as error:
        refused = error.param
    else:
        refused = "where"
    assert refused == "where"


def test_a_field_that_no_document_has_is_refused_with_those_that_there_are() -> None:
    asked = parse("format = md and not Langg = de")
    asked.check(["lang", "langg"])

    with pytest.raises(BadRequest) as refused:
        asked.check(["lang", "date"])

    message = str(refused.value)
    assert message.startswith("where, character 21: no document has the field 'langg'")
    assert "did you mean 'lang'?" in message
    assert "id, path, title, format, lang, date" in message
    assert message.split("\n")[2].index("^") == 2 + 20


def test_the_names_of_fields_cannot_flood_or_forge_a_message() -> None:
    known = [f"{'x' * 5000}\n{number}" for number in range(1000)]

    with pytest.raises(BadRequest) as refused:
        parse("y = 1").check(known)

    assert len(str(refused.value)) < 2000
    assert str(refused.value).count("\n") == 2
    assert "984 more" in str(refused.value)


# --- over HTTP and on the command line --------------------------------------------------------


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    bench = Workbench(tmp_path_factory.mktemp("filters"))
    bench.write("hr/leave.md", f"---\nlang: en\ndate: 2024-05-01\n---\n\n# Leave\n\n{LEAVE}")
    bench.write(
        "old/leave.md", "---\ndate: 2019-05-01\n---\n\n# Leave\n\nEvery employee gets 20 days."
    )
    bench.write("records.jsonl", '{"_id": "a", "text": "Annual leave days.", "lang": "de"}')
    bench.write("picture.png", "x")
    bench.ingest()
    return bench


@pytest.fixture(scope="module")
def client(corpus: Workbench) -> FlaskClient:
    rooms = service_of(corpus.settings, corpus.folder.parent / "notes")
    return create_app(Context(*rooms, Jobs(["true"]), corpus.settings)).test_client()


LEAVE = "Every employee gets 27 days of annual leave."
QUESTION = "How many days of annual leave does every employee get?"


def test_an_answer_rests_on_allowed_documents_alone(client: FlaskClient) -> None:
    body = {"question": QUESTION, "where": "date < 2020"}

    answer = client.post("/v1/ask", json=body).get_json()

    assert {one["document"]["id"] for one in answer["citations"]} == {"old/leave.md"}
    assert answer["note"] is None
    assert set(answer["timings_ms"]) == {"filter", "embed", "search", "generate", "total"}


@pytest.mark.parametrize("mode", ["hybrid", "dense", "words"])
def test_a_search_says_how_its_filter_was_read(client: FlaskClient, mode: str) -> None:
    where = "PATH ~ 'hr/**' OR (Lang=de)"

    found = client.post(
        "/v1/search", json={"query": "leave", "mode": mode, "where": where}
    ).get_json()

    assert {hit["document"]["id"] for hit in found["hits"]} == {"hr/leave.md", "a"}
    assert found["where"] == {
        "text": where,
        "read_as": "path ~ hr/** or lang = de",
        "documents": 2,
        "chunks": 2,
        "of_documents": 3,
        "of_chunks": 3,
    }


def test_where_nothing_is_allowed_the_answer_abstains_and_says_why(client: FlaskClient) -> None:
    body = {"question": QUESTION, "where": "format = pdf"}

    answer = client.post("/v1/ask", json=body).get_json()
    found = client.post("/v1/search", json={"query": "leave", "where": "format = pdf"}).get_json()
    explained = client.post("/v1/explain", json=body).get_json()

    assert (answer["status"], answer["closest"]) == ("abstained", [])
    assert answer["note"] == found["note"] == "no document matches `where`"
    assert found["hits"] == []
    assert (explained["where"]["documents"], explained["candidates"]) == (0, [])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("lang = ", "where, character 8: found the end"),
        ("langg = de", "no document has the field 'langg'; did you mean 'lang'?"),
        ("", "where, character 1: it is empty"),
        ("a" * 2001, "2000 are taken"),
    ],
)
def test_a_filter_that_is_wrong_is_refused_before_the_first_event(
    client: FlaskClient, where: str, said: str, stream: bool
) -> None:
    response = client.post("/v1/ask", json={"question": QUESTION, "where": where, "stream": stream})

    assert response.status_code == 400
    error = response.get_json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request", "where")
    assert said in error["message"]


def test_documents_can_be_listed_by_a_filter(client: FlaskClient) -> None:
    def listed(**query: str) -> list[str]:
        response = client.get("/v1/documents", query_string=query)
        return [one["id"] for one in response.get_json()["documents"]]

    assert listed(where="lang ~ *") == ["hr/leave.md", "a"]
    assert listed(where="not lang ~ *") == ["old/leave.md"]
    assert listed(where="not lang ~ *", status="skipped") == []
    assert client.get("/v1/documents?where=lang").status_code == 400


def test_commands_take_a_filter_and_refuse_a_wrong_one(
    corpus: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = ModuleType("rag.commands.opening")
    rooms = service_of(corpus.settings, corpus.folder.parent / "notes")
    opening.open_corpus = lambda *_, **__: Opened(*rooms, None)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rag.commands.opening", opening)
    monkeypatch.setenv("RAG_STORE", str(corpus.store.path))
    monkeypatch.setenv("RAG_ANSWER__ENGINE", "quoting")

    def run(*arguments: str) -> str:
        ran = CliRunner().invoke(cli, arguments, catch_exceptions=False)
        return ran.output

    assert "old/leave.md" in run("ask", QUESTION, "--where", "date < 2020")
    assert "hr/leave.md" not in run("ask", QUESTION, "--where", "date < 2020")
    assert "(no document matches `where`)" in run("ask", QUESTION, "--where", "format = pdf")
    assert run("search", "leave", "--where", "format = pdf") == "no document matches `where`\n"
    assert run("search", "leave", "--where", "lang = de").startswith("1. ")
    explained = run("explain", QUESTION, "--where", "lang=de")
    assert "where      lang = de\n           1 of 3 documents, 1 of 3 chunks\n" in explained
    assert run("documents", "--where", "lang = de").split() == [
        "indexed",
        "records.jsonl",
        "1",
        "chunks",
    ]
    for arguments in (["ask", "x"], ["search", "x"], ["explain", "x"], ["documents"]):
        with pytest.raises(BadRequest, match="character 8: found the end"):
            run(*arguments, "--where", "lang = ")
        with pytest.raises(BadRequest, match="no document has the field 'x'"):
            run(*arguments, "--where", "x = 1")
