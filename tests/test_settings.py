"""Settings: where a value comes from, and what is said of one that is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import SettingsError
from corpus.settings import known_keys, load, variable


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "rag.toml"


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(config: Path) -> None:
    config.write_text("[serve]\nport = 1001\nthreads = 3\nhost = 'file'")
    environ = {
        "RAG_CONFIG": os.fspath(config),
        "RAG_SERVE__PORT": "1002",
        "RAG_SERVE__THREADS": "4",
    }

    serve = load(environ, {"serve": {"port": 1003}}).serve

    assert (serve.port, serve.threads, serve.host) == (1003, 4, "file")
    assert serve.max_question_chars == 4000


def test_a_flag_that_was_not_given_changes_nothing() -> None:
    assert load({"RAG_STORE": "here"}, {"store": None, "serve": {"port": None}}) == load(
        {"RAG_STORE": "here"}
    )


def test_the_file_of_the_working_directory_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: Path
) -> None:
    config.write_text("store = 'from the file'")
    monkeypatch.chdir(tmp_path)

    assert load({}).store == Path("from the file")


@pytest.mark.parametrize("key", known_keys())
def test_every_setting_can_be_given_in_the_environment(key: str) -> None:
    default: object = load({})
    for part in key.split("."):
        default = getattr(default, part)
    given = "" if default is None else str(default)
    if isinstance(default, tuple):
        given = ",".join(default)
    if isinstance(default, dict):
        given = ",".join(f"{name}={value}" for name, value in default.items())

    assert load({variable(key): given}) == load({})


def test_pairs_are_names_and_values_in_the_environment() -> None:
    vllm = load({"RAG_VLLM__ADAPTERS": "law=/models/law, odd=a=b"}).vllm
    assert vllm.adapters == {"law": "/models/law", "odd": "a=b"}
    assert load({"RAG_GENERATION__TEMPERATURE": "0.5"}).generation.temperature == 0.5


def test_patterns_are_separated_by_commas_in_the_environment() -> None:
    ingest = load({"RAG_INGEST__EXCLUDE": "drafts/, *.tmp ,"}).ingest
    assert ingest.exclude == ("drafts/", "*.tmp")


@pytest.mark.parametrize(
    ("key", "given", "meant"),
    [
        ("serve.port", " 9000 ", 9000),
        ("serve.max_question_chars", "1_000", 1000),
        ("answer.strict", "yes", True),
        ("answer.strict", "Off", False),
        ("ingest.workers", "", None),
        ("generation.chat_template", "a.jinja", Path("a.jinja")),
        ("embedding.query_prefix", "query: ", "query: "),
    ],
)
def test_a_text_of_the_environment_is_read_as_what_it_stands_for(
    key: str, given: str, meant: object
) -> None:
    section, name = key.split(".")
    assert getattr(getattr(load({variable(key): given}), section), name) == meant


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[serve]\nprot = 1", "'serve.prot' .*did you mean 'serve.port'"),
        ("[sevre]\nport = 1", "'sevre.port' .*did you mean 'serve.port'"),
        ("stroe = 'x'", "'stroe' .*did you mean 'store'"),
        ("zzzzqqqq = 1", "docs/settings.md"),
        ("[serve]\nport = 'x'", "'serve.port' is 'x'"),
        ("[serve]\nport = 70000", "'serve.port' is 70000: .*65535"),
        ("[serve.port]\na = 1", "'serve.port'"),
        ("serve = 3", "'serve' is 3"),
        ("store = 3", "'store' is 3"),
        ("[store]\nx = 1", "'store.x'"),
        ("[answer]\nk = [1]", "'answer.k'"),
        ("[ingest]\nexclude = 7", "'ingest.exclude'"),
        ("[ingest]\nmax_file_mb = nan", "'ingest.max_file_mb'"),
        ("[ingest]\nmax_file_mb = inf", "'ingest.max_file_mb'"),
        ("[ingest]\nmax_file_mb = true", "'ingest.max_file_mb' is True"),
        ("[ingest]\nexclude = ['a', 7]", "'ingest.exclude' is \\['a', 7\\]: expected `str`"),
        ("[ingest]\npath_metadata = '**'", "'ingest.path_metadata' .*names nothing"),
        ("[ingest]\npath_metadata = '{a}{b}'", "'ingest.path_metadata' .*means nothing"),
        ("[vllm]\nadapters = {law = 1}", "'vllm.adapters' .*expected `str`"),
        ("[generation]\nstyle = 'long'", "'generation.style' is 'long'"),
        ("store = ", "not valid TOML"),
        ("a = 1\na = 2", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_by_name(config: Path, text: str, told: str) -> None:
    config.write_text(text)

    with pytest.raises(SettingsError, match=told):
        load({"RAG_CONFIG": os.fspath(config)})


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"RAG_SERVE__PROT": "1"}, "RAG_SERVE__PROT .*did you mean 'RAG_SERVE__PORT'"),
        ({"RAG_SERVE_PORT": "1"}, "RAG_SERVE_PORT .*did you mean 'RAG_SERVE__PORT'"),
        ({"RAG_SERVE__PORT": "eight"}, "'serve.port' is 'eight'"),
        ({"RAG_GENERATION__STYLE": "short"}, "'short': expected one of 'concise', 'detailed'"),
        ({"RAG_ANSWER__STRICT": "maybe"}, "'answer.strict' is 'maybe'"),
        ({"RAG_INGEST__RESERVE_MB": "inf"}, "'ingest.reserve_mb' is inf"),
        ({"RAG_CONFIG": "/no/such/file.toml"}, "/no/such/file.toml cannot be read"),
        ({"RAG_CONFIG": "/"}, "cannot be read"),
    ],
)
def test_a_wrong_environment_is_refused_by_name(environ: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        load(environ)


def test_a_file_that_is_no_text_is_refused(config: Path) -> None:
    config.write_bytes(b"store = '\xff'")

    with pytest.raises(SettingsError, match="not valid TOML"):
        load({"RAG_CONFIG": os.fspath(config)})


def test_variables_of_others_are_none_of_our_business() -> None:
    assert load({"PATH": "x", "RAGTIME": "y", "RAG_DATA": "/data"}) == load({})


@given(st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=5), max_size=3))
def test_whatever_is_given_is_taken_or_refused_in_our_own_words(given: dict[str, object]) -> None:
    told: str | None = None
    try:
        load({}, {"serve": given})
    except SettingsError as error:
        told = str(error)
    assert told is None or "serve" in told
