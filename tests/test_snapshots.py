"""Snapshots as a user meets them: named, asked for, collected, and made good when damaged."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from corpus.words import META_LOCK
from rag.api.app import create_app
from rag.api.context import Context
from rag.api.openapi import document
from rag.jobs import Jobs
from rag.live import LiveCorpus
from tests import test_cli
from tests.conftest import WordHashEncoder, Workbench, tree
from tests.serving import events_of, service_of

call, rag = test_cli.call, test_cli.rag
Rag = test_cli.Rag
Json = dict[str, Any]

QUESTION = "How many days of annual leave does every employee get?"


@pytest.fixture
def ids(bench: Workbench) -> list[str]:
    """Three snapshots, oldest first; each says another number of days."""
    published = []
    bench.write("travel.md", "# Travel\n\nTrains are preferred.")
    for days in (25, 26, 27):
        bench.write("leave.md", f"# Leave\n\nEvery employee gets {days} days of annual leave.")
        published.append(str(bench.ingest().snapshot))
    return published


@pytest.fixture
def context(bench: Workbench) -> Context:
    rooms = service_of(bench.settings, bench.folder.parent / "notes")
    return Context(*rooms, Jobs([sys.executable, "-c", "print('{}')"]), bench.settings)


@pytest.fixture
def client(context: Context) -> FlaskClient:
    return create_app(context).test_client()


@pytest.fixture
def live(context: Context) -> LiveCorpus:
    return context.live


def damage(bench: Workbench, snapshot_id: str, name: str = "words/meta.json") -> Path:
    path = bench.store.path / "snapshots" / snapshot_id / name
    path.write_bytes(b"")
    return path


def held_by(bench: Workbench) -> dict[str, bytes]:
    """Every file of the store, but for an empty one that tantivy leaves where it reads."""
    return {name: data for name, data in tree(bench.store.path) if META_LOCK not in name}


def get(client: FlaskClient, path: str) -> Json:
    response = client.get(path)
    assert response.status_code == 200, response.text
    body: Json = response.get_json()
    return body


# --- asking a snapshot by name -------------------------------------------------------------------


@pytest.mark.parametrize("name", [lambda one: one, lambda _: "v1", lambda one: one[:8]])
def test_every_command_that_answers_can_be_told_from_which_snapshot(
    rag: Rag, ids: list[str], name: Callable[[str], str]
) -> None:
    assert rag("snapshots", "tag", "v1", ids[0]).code == 0
    wanted = ("--snapshot", name(ids[0]), "--json")

    answer = rag("ask", QUESTION, *wanted).json
    assert (answer["snapshot"]["id"], answer["snapshot"]["problem"]) == (ids[0], None)
    assert "25 days" in answer["answer"]
    found = rag("search", "annual leave", *wanted).json
    assert found["snapshot"]["id"] == ids[0]
    assert "25 days" in found["hits"][0]["text"]
    explained = rag("explain", QUESTION, *wanted).json
    assert explained["snapshot"]["id"] == ids[0]
    assert "27 days" in rag("ask", QUESTION).out


def test_a_name_that_nothing_has_is_told_with_what_to_do(rag: Rag, ids: list[str]) -> None:
    for arguments in (("ask", QUESTION), ("search", "leave"), ("explain", QUESTION)):
        ran = rag(*arguments, "--snapshot", "v9")
        assert (ran.code, ran.out) == (1, "")
        assert "no snapshot 'v9'" in ran.err
        assert "rag snapshots list" in ran.err


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/ask", {"question": QUESTION}),
        ("/v1/search", {"query": "annual leave"}),
        ("/v1/explain", {"question": QUESTION}),
    ],
)
def test_the_service_answers_from_the_snapshot_that_is_asked_for(
    client: FlaskClient, rag: Rag, ids: list[str], path: str, body: Json
) -> None:
    rag("snapshots", "tag", "v1", ids[0])
    for name in ("v1", ids[0], ids[0][:9]):
        answer = client.post(path, json={**body, "snapshot": name})
        assert answer.status_code == 200
        assert answer.get_json()["snapshot"]["id"] == ids[0]
        assert "25 days" in answer.text
        assert "27 days" not in answer.text
    assert "27 days" in client.post(path, json=body).text
    for name in ("none", "..", "v1/", "\0", "é" * 64):
        refused = client.post(path, json={**body, "snapshot": name})
        error = refused.get_json()["error"]
        assert (refused.status_code, error["type"]) == (404, "unknown_snapshot")
        assert error["hint"] == "GET /v1/snapshots lists them"
    for wrong in ("", 7, "x" * 65):
        refused = client.post(path, json={**body, "snapshot": wrong})
        assert (refused.status_code, refused.get_json()["error"]["param"]) == (400, "snapshot")


def test_a_stream_and_its_citations_come_from_the_snapshot_that_is_asked_for(
    client: FlaskClient, ids: list[str]
) -> None:
    asked = {"question": QUESTION, "snapshot": ids[1], "stream": True}
    events = dict(events_of(client.post("/v1/ask", json=asked).text))
    done: Any = events["done"]

    assert events["meta"]["snapshot"]["id"] == done["snapshot"]["id"] == ids[1]  # type: ignore[index]  # an object
    (citation,) = done["citations"]
    place = f"/v1/documents/leave.md/text?start={citation['start']}&end={citation['end']}"
    assert get(client, f"{place}&snapshot={ids[1]}")["text"] == citation["quote"]
    assert get(client, place)["text"] != citation["quote"]
    assert get(client, f"/v1/documents?snapshot={ids[1]}")["snapshot"]["id"] == ids[1]
    assert get(client, f"/v1/documents/leave.md?snapshot={ids[1]}")["snapshot"]["id"] == ids[1]
    assert client.get("/v1/documents/leave.md?snapshot=no").status_code == 404


def test_a_snapshot_of_another_model_or_a_damaged_one_is_refused_and_nothing_else_is(
    client: FlaskClient, bench: Workbench, ids: list[str], tmp_path: Path
) -> None:
    (tmp_path / "b").mkdir()
    foreign = Workbench(tmp_path / "b")
    foreign.encoder = WordHashEncoder("another")
    foreign.write("a.md", "Every employee gets 99 days of annual leave.")
    theirs = foreign.ingest().snapshot
    for kind in ("snapshots", "segments"):
        shutil.copytree(foreign.store.path / kind, bench.store.path / kind, dirs_exist_ok=True)
    damage(bench, ids[0])

    for name, type_ in ((theirs, "embedding_mismatch"), (ids[0], "snapshot_damaged")):
        refused = client.post("/v1/ask", json={"question": QUESTION, "snapshot": name})
        assert (refused.status_code, refused.get_json()["error"]["type"]) == (503, type_)
    assert "27 days" in client.post("/v1/ask", json={"question": QUESTION}).text
    assert get(client, "/readyz")["degraded"] is False


def test_the_description_of_the_service_knows_the_field() -> None:
    paths = document()["paths"]
    for path in ("/v1/ask", "/v1/search", "/v1/explain"):
        schema = paths[path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert "tag" in schema["properties"]["snapshot"]["description"]
    for path in ("/v1/documents", "/v1/documents/{id}", "/v1/documents/{id}/text"):
        assert "snapshot" in {one["name"] for one in paths[path]["get"]["parameters"]}


# --- tags ----------------------------------------------------------------------------------------


def test_tags_are_listed_moved_and_taken_away(
    rag: Rag, client: FlaskClient, ids: list[str]
) -> None:
    assert rag("snapshots", "tag", "now", "--json").json == {
        "tag": "now",
        "snapshot": ids[2],
        "removed": False,
    }
    rag("snapshots", "tag", "v1", ids[0])
    rag("snapshots", "tag", "v1", ids[1][:8])
    told = rag("snapshots", "list").out
    listed = {
        one["id"]: one["tags"] for one in rag("snapshots", "list", "--json").json["snapshots"]
    }
    served = {one["id"]: one["tags"] for one in get(client, "/v1/snapshots")["snapshots"]}

    assert listed == served == {ids[0]: [], ids[1]: ["v1"], ids[2]: ["now"]}
    assert [line.split()[-1] for line in told.splitlines()[:2]] == ["now", "v1"]
    assert rag("snapshots", "tag", "--remove", "v1").code == 0
    gone = rag("snapshots", "tag", "--remove", "v1")
    assert (gone.code, gone.out) == (1, "")
    assert "no tag 'v1'" in gone.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["tag", "a b"], 2, "cannot be a tag"),
        (["tag", "deadbeef00"], 2, "looks like the id"),
        (["tag", "v1", "no-such"], 1, "no snapshot 'no-such'"),
        (["tag", "--remove", "v1", "v2"], 2, "--remove"),
        (["gc", "--keep", "0"], 2, "--keep"),
        (["verify", "no-such"], 1, "no snapshot 'no-such'"),
        (["verify", "--repair", "v1"], 2, "--repair"),
        (["rollback", "no-such"], 1, "no snapshot 'no-such'"),
    ],
)
def test_what_cannot_be_done_is_refused_and_nothing_is_changed(
    rag: Rag, bench: Workbench, ids: list[str], arguments: list[str], code: int, said: str
) -> None:
    before = held_by(bench)

    ran = rag("snapshots", *arguments)

    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert held_by(bench) == before


@pytest.mark.parametrize(
    "arguments", [["tag", "v1"], ["tag", "--remove", "v1"], ["gc"], ["verify", "--repair"]]
)
def test_a_mistyped_store_is_not_made(rag: Rag, bench: Workbench, arguments: list[str]) -> None:
    ran = rag("snapshots", *arguments)

    assert (ran.code == 0) == (arguments == ["verify", "--repair"])
    assert not bench.store.path.exists()


def test_a_tag_names_what_to_go_back_to(
    rag: Rag, client: FlaskClient, bench: Workbench, ids: list[str]
) -> None:
    rag("snapshots", "tag", "v1", ids[0])
    assert rag("snapshots", "rollback", "v1", "--json").json == {"snapshot": ids[0]}
    assert bench.store.current_id() == ids[0]

    assert client.post(f"/v1/snapshots/{ids[1][:10]}/activate").status_code == 200
    assert bench.store.current_id() == ids[1]
    activated = client.post("/v1/snapshots/v1/activate").get_json()["snapshot"]
    assert (activated["id"], activated["tags"]) == (ids[0], ["v1"])
    assert rag("snapshots", "verify", "v1", "--json").json["damage"] == {ids[0]: ""}


def test_damaged_tags_are_told_and_keep_everything(
    rag: Rag, client: FlaskClient, bench: Workbench, ids: list[str]
) -> None:
    rag("snapshots", "tag", "v1", ids[0])
    (bench.store.path / "tags.json").write_text('{"tags": {}, "sha256": "0"}')

    for arguments in (["gc", "--keep", "1"], ["gc", "--keep", "1", "--dry-run"], ["tag", "v2"]):
        ran = rag("snapshots", *arguments)
        assert (ran.code, ran.out) == (1, "")
        assert "tags.json cannot be read" in ran.err
    assert sorted(bench.store.ids()) == sorted(ids)
    listed = rag("snapshots", "list")
    assert (listed.code, "tags.json" in listed.err) == (0, True)
    verified = rag("snapshots", "verify", "--json")
    assert (verified.code, "tags.json" in verified.json["problem"]) == (1, True)
    refused = client.post("/v1/ask", json={"question": QUESTION, "snapshot": "v1"})
    assert (refused.status_code, refused.get_json()["error"]["type"]) == (503, "tags_damaged")


# --- collecting ----------------------------------------------------------------------------------


def test_gc_says_beforehand_what_it_does_and_keeps_what_is_tagged_and_current(
    rag: Rag, bench: Workbench, ids: list[str]
) -> None:
    bench.write("leave.md", "# Leave\n\nNobody knows.")
    ids.append(str(bench.ingest().snapshot))
    rag("snapshots", "tag", "v1", ids[0])
    rag("snapshots", "rollback", ids[1])
    before = held_by(bench)

    would = rag("snapshots", "gc", "--keep", "1", "--dry-run", "--json").json
    assert held_by(bench) == before
    told = rag("snapshots", "gc", "--keep", "1", "--dry-run").out
    did = rag("snapshots", "gc", "--keep", "1", "--json").json

    assert would["snapshots"] == did["snapshots"] == [ids[2]]
    assert would["bytes"] == did["bytes"] > 0
    assert f"would remove snapshot {ids[2]}" in told
    assert f"{did['bytes']:,} bytes" in told
    assert sorted(bench.store.ids()) == sorted([ids[0], ids[1], ids[3]])
    assert rag("snapshots", "verify").code == 0


def test_gc_keeps_as_many_as_the_settings_say(
    rag: Rag, bench: Workbench, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rag("snapshots", "gc", "--json").json["snapshots"] == []
    monkeypatch.setenv("RAG_INGEST__KEEP_SNAPSHOTS", "2")
    assert rag("snapshots", "gc", "--json").json["snapshots"] == [ids[0]]


def test_gc_and_tag_wait_for_no_run(rag: Rag, bench: Workbench, ids: list[str]) -> None:
    with bench.store.writing():
        for arguments in (["gc"], ["tag", "v1"], ["verify", "--repair"], ["rollback"]):
            assert rag("snapshots", *arguments).code == 4


# --- damage --------------------------------------------------------------------------------------


def test_verify_names_every_damaged_file_of_every_snapshot(
    rag: Rag, bench: Workbench, ids: list[str]
) -> None:
    damage(bench, ids[0])
    damage(bench, ids[2], "ledger.jsonl")
    damage(bench, ids[2], "words/meta.json").unlink()
    before = held_by(bench)

    ran = rag("snapshots", "verify", "--json")

    assert ran.code == 1
    files = {one: [file["path"] for file in named] for one, named in ran.json["files"].items()}
    below = "snapshots/{}/{}".format
    assert files == {
        ids[0]: [below(ids[0], "words/meta.json")],
        ids[1]: [],
        ids[2]: [below(ids[2], "ledger.jsonl"), below(ids[2], "words/meta.json")],
    }
    told = rag("snapshots", "verify").out
    assert f"{below(ids[2], 'words/meta.json')} is missing" in told
    assert f"{ids[1]}: sound" in told
    assert rag("snapshots", "verify", ids[1]).code == 0
    assert rag("snapshots", "verify", ids[1], ids[2]).code == 1
    assert held_by(bench) == before


def test_verify_tells_of_a_pointer_that_points_at_nothing(
    rag: Rag, bench: Workbench, ids: list[str]
) -> None:
    (bench.store.path / "CURRENT").write_text("0123456789\n")

    ran = rag("snapshots", "verify")

    assert ran.code == 1
    assert "CURRENT names snapshot 0123456789, which is not there" in ran.out


def test_repair_puts_aside_what_is_damaged_and_lets_the_newest_sound_one_answer(
    rag: Rag, bench: Workbench, ids: list[str]
) -> None:
    damage(bench, ids[2])
    damage(bench, ids[0], "manifest.json")

    ran = rag("snapshots", "verify", "--repair", "--json")

    assert (ran.code, ran.json["snapshot"]) == (0, ids[1])
    assert ran.json["damage"] == {ids[1]: ""}
    assert set(ran.json["quarantined"]) == {f"snapshots/{ids[2]}", f"snapshots/{ids[0]}"}
    held = {path.name[:20] for path in (bench.store.path / "quarantine").iterdir()}
    assert held == {ids[0], ids[2]}
    assert rag("snapshots", "verify").code == 0
    answering = rag("ask", QUESTION, "--json").json["snapshot"]
    assert (answering["id"], answering["problem"]) == (ids[1], None)


def test_repair_says_so_when_nothing_is_left(rag: Rag, bench: Workbench, ids: list[str]) -> None:
    for one in ids:
        damage(bench, one)

    ran = rag("snapshots", "verify", "--repair")

    assert ran.code == 1
    assert "no snapshot is left; run `rag ingest FOLDER`" in ran.out
    assert rag("refresh", "--json").json["documents"] == 2
    assert "27 days" in rag("ask", QUESTION).out


def test_going_back_without_a_name_works_where_the_current_one_is_damaged(
    rag: Rag, bench: Workbench, ids: list[str]
) -> None:
    damage(bench, ids[2], "manifest.json")

    assert rag("snapshots", "rollback", "--json").json == {"snapshot": ids[1]}


def test_commands_answer_from_the_newest_sound_snapshot_say_so_and_write_nothing(
    rag: Rag, bench: Workbench, ids: list[str]
) -> None:
    damage(bench, ids[2], "ledger.jsonl")
    before = held_by(bench)

    status = rag("status", "--json").json
    assert (status["snapshot"], status["degraded"]) == (ids[1], True)
    assert f"snapshot {ids[1]} answers in its place" in status["problem"]
    assert "problem " in rag("status").out
    answer = rag("ask", QUESTION)
    assert "26 days" in answer.out
    assert ids[2] in answer.out
    assert ids[2] in rag("ask", QUESTION, "--json").json["snapshot"]["problem"]
    for arguments in (("search", "leave"), ("documents",), ("show", "leave.md")):
        ran = rag(*arguments)
        assert (ran.code, "answers in its place" in ran.err) == (0, True), arguments
    assert "26 days" in rag("show", "leave.md", "--json").json["text"]
    assert rag("documents", "--json").json["snapshot"] == ids[1]
    assert held_by(bench) == before


def test_status_of_a_store_where_nothing_is_sound(
    rag: Rag, bench: Workbench, ids: list[str]
) -> None:
    for one in ids:
        damage(bench, one)

    ran = rag("status", "--json")

    assert (ran.code, ran.json["snapshot"], ran.json["degraded"]) == (0, None, True)
    assert "no snapshot that can answer" in rag("status").out
    assert rag("ask", QUESTION).code == 1


def test_the_service_stays_ready_says_that_it_is_degraded_and_gets_well_with_the_next_refresh(
    rag: Rag,
    client: FlaskClient,
    live: LiveCorpus,
    bench: Workbench,
    ids: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    damage(bench, ids[2])

    state = get(client, "/readyz")

    assert (state["ready"], state["degraded"]) == (True, True)
    assert state["snapshot"]["id"] == ids[1]
    (problem,) = state["problems"]
    assert ids[2] in problem
    assert "rag snapshots verify --repair" in problem
    answer = client.post("/v1/ask", json={"question": QUESTION}).get_json()
    assert "26 days" in answer["answer"]
    assert answer["snapshot"]["problem"] == problem
    assert not (bench.store.path / "quarantine").exists(), "a reader writes nothing"

    refreshed = rag("refresh")
    live.poll()

    assert refreshed.code == 0
    assert f"{ids[2]} is damaged" in caplog.text
    assert (bench.store.path / "quarantine").is_dir()
    state = get(client, "/readyz")
    assert (state["degraded"], state["problems"]) == (False, [])
    assert state["snapshot"]["problem"] is None
    assert "27 days" in client.post("/v1/ask", json={"question": QUESTION}).text


def test_what_was_put_aside_is_what_was_damaged(rag: Rag, bench: Workbench, ids: list[str]) -> None:
    path = bench.store.path / "snapshots" / ids[2] / "ledger.jsonl"
    bad = path.read_bytes().replace(b"27", b"28")[:-1]
    path.write_bytes(bad)

    rag("refresh")

    (held,) = (bench.store.path / "quarantine").glob(f"{ids[2]}-*/ledger.jsonl")
    assert held.read_bytes() == bad
    assert rag("status", "--json").json["snapshot"] == ids[2]
