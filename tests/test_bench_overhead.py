"""The measurement of overhead measures what it says: the same requests, and what came of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.overhead import (
    MARKS,
    OURS,
    RAW,
    Round,
    asking,
    compared,
    completion,
    counted,
    drive,
    lengths,
    parsed,
    quantile,
    rows,
    says_something,
)
from tests.conftest import Workbench
from tests.fake_vllm import FakeVllm
from tests.test_generation import QUESTION, Talk, Talks

SAYS = ["", "one", " two", " three"]


@pytest.fixture
def talk(tmp_path: Path, bench: Workbench) -> Iterator[Talk]:
    bench.write("leave.md", "# Leave\n\nEveryone gets 27 days of leave. Ask early.")
    bench.ingest()
    made = Talks(bench, tmp_path)(SAYS)
    yield made
    made.generation.close()
    made.fake.stop()


def chunked(body: str) -> bytes:
    """A response with its body in chunks that end where events end."""
    events = [event + "\n\n" for event in body.split("\n\n") if event]
    chunks = [b"%x\r\n%s\r\n" % (len(one.encode()), one.encode()) for one in events]
    return (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(chunks) + b"0\r\n\r\n"
    )


def test_vllm_alone_is_sent_what_the_service_sends_it(talk: Talk) -> None:
    for fields in ({}, {"stop": ["END"], "seed": 7}, {"style": "quotes"}):
        told = talk.explain(**{**asking(QUESTION, 40), **fields})
        talk.answer(**{**asking(QUESTION, 40), **fields})

        assert completion(told, talk.fake.model, 40) == talk.fake.requests[-1]


def test_what_came_of_a_stream_of_the_service_is_read_from_its_last_event(talk: Talk) -> None:
    response = chunked(talk.ask(**asking(QUESTION, 3), stream=True).text)

    tokens, found_s, problem = counted(response)

    assert (tokens, problem) == (3, "")
    assert 0 < found_s < 5
    assert says_something(response, *MARKS[OURS])


def test_an_answer_that_the_model_did_not_make_is_a_problem(talk: Talk) -> None:
    talk.fake.fault = "500"

    assert "degraded" in counted(chunked(talk.ask(**asking(QUESTION, 3), stream=True).text))[2]
    assert counted(b"HTTP/1.1 503 Service Unavailable\r\n\r\nfull")[2].endswith("full")
    assert counted(chunked('data: {"choices": []}'))[2]


def test_the_load_keeps_so_many_requests_under_way_and_counts_what_comes(tmp_path: Path) -> None:
    with FakeVllm(SAYS, path=tmp_path / "vllm.sock") as fake:
        fake.pace_s = 0.02
        most = 0

        def says(_: object) -> list[str]:
            nonlocal most
            most = max(most, fake.open)
            return SAYS

        fake.says = says
        samples = drive(
            {
                "address": fake.url,
                "path": "/v1/completions",
                "mark": [text.decode() for text in MARKS[RAW]],
                "clients": 3,
                "cores": [],
                "apart_s": 0.001,
                "bodies": [json.dumps({"model": "fake", "prompt": [1, 2], "max_tokens": 4})] * 7,
            }
        )

    assert [(one.tokens, one.problem) for one in samples] == [(4, "")] * 7
    assert most == 3
    for one in samples:
        assert one.began + 0.02 < one.first < one.ended - 0.02  # the first piece has no text


def test_a_text_is_seen_however_the_bytes_arrive() -> None:
    stream = b'data: {"choices":[{"text":""}]}\n\ndata: {"choices":[{"text":"\\u00e9"}]}\n\n'
    said = stream.index(b"\\u00e9")

    seen = [says_something(stream[:end], *MARKS[RAW]) for end in range(len(stream))]

    assert seen == [end > said for end in range(len(stream))]


def test_sides_are_compared_round_by_round() -> None:
    def of(side: str, speed: float, first: float) -> Round:
        return Round(side, 8, 100, 1.0, speed, speed, first, 2 * first, 4.0, 50.0, 500.0)

    first = [of(RAW, 100, 10), of(OURS, 98, 20)]
    second = [of(OURS, 45, 70), of(RAW, 50, 50)]  # the other way round
    third = [of(RAW, 200, 10), of(OURS, 190, 25)]

    found = compared([*first, *second, *third])

    assert found["ratio"] == 0.95  # of 0.98, 0.90 and 0.95
    assert found["first_more_ms"] == 15  # of 10, 20 and 15
    assert found["first_more_bare_ms"] == 11
    assert found["tokens"] == {RAW: 300, OURS: 300}
    assert {len(row) for row in rows({"8": found})} == {8}


def test_a_quantile_is_a_value_that_was_seen() -> None:
    assert quantile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.0
    assert quantile([float(one) for one in range(1, 101)], 0.95) == 95.0
    assert quantile([1.0, 2.0, 3.0], 0.5) == 2.0
    assert quantile([7.0], 0.95) == 7.0


def test_lengths_differ_and_come_to_what_was_asked_for() -> None:
    found = lengths(17, 128)

    assert sum(found) == 17 * 128
    assert (min(found), max(found)) == (64, 192)
    assert len(set(found)) == 17


def test_a_command_line_that_cannot_work_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--clients", "1,0"], ["--clients", "many"], ["--vllm-url", "unix:/v"]):
        with pytest.raises(SystemExit):
            parsed(arguments)
    assert "--model" in capsys.readouterr().err
    assert parsed(["--clients", "2,4"]).clients == [2, 4]
    assert parsed([]).dtype == "float32"
    assert parsed(["--shape", "8b"]).dtype == "auto"
