"""Every knob of the project, in one place, with its unit, range and meaning.

Where a value comes from, strongest first: a command's flag, the environment
(``RAG_SERVE__PORT=9000``), ``rag.toml`` in the working directory (or ``RAG_CONFIG``), the
default. Unknown keys are refused with the nearest match named. ``docs/settings.md`` is
generated from this file.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from corpus import globs
from corpus.errors import SettingsError

CONFIG_NAME = "rag.toml"
CONFIG_VARIABLE = "RAG_CONFIG"
PREFIX = "RAG_"
NOT_SETTINGS = {CONFIG_VARIABLE, "RAG_DATA"}  # RAG_DATA: where tests and benchmarks find data


def _split_patterns(value: object) -> object:
    """Let an environment variable hold several patterns, separated by commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Patterns = Annotated[tuple[str, ...], BeforeValidator(_split_patterns)]


def _naming(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse patterns for paths that name nothing, or mean nothing."""
    for pattern in patterns:
        try:
            names = globs.Path(pattern, names=True).names
        except globs.BadPattern as error:
            raise ValueError(f"the pattern {pattern!r} means nothing: {error}") from None
        if not names:
            raise ValueError(f"the pattern {pattern!r} names nothing, as {{year}}/** would")
    return patterns


def _split_pairs(value: object) -> object:
    """Let an environment variable hold several NAME=VALUE pairs, separated by commas."""
    if isinstance(value, str):
        return dict(part.strip().partition("=")[::2] for part in value.split(",") if part.strip())
    return value


Pairs = Annotated[dict[str, str], BeforeValidator(_split_pairs)]


def _unset_where_empty(value: object) -> object:
    """Let an empty environment variable stand for a value that is not set."""
    return None if value == "" else value


Unset = BeforeValidator(_unset_where_empty)


class Section(BaseModel):
    """A group of settings: immutable, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class EmbeddingSettings(Section):
    """Which model places text in the vector space. Part of a store's identity."""

    model: str = Field(
        "all-MiniLM-L6-v2",
        description="A sentence-transformers model: the packaged default, a folder, or a hub id.",
    )
    query_prefix: str = Field("", description="Put before a question, where the model wants one.")
    document_prefix: str = Field("", description="Put before a chunk, where the model wants one.")
    batch_tokens: Annotated[int, Field(ge=256)] = Field(
        4096,
        description="Tokens that the model as it is embeds at once, padding included. More needs "
        "more memory.",
    )
    compiled: bool = Field(
        True,
        description="Embed with the model compiled for this machine, which is made once for "
        "documents and once for questions, and kept in the user's cache. On a GPU documents are "
        "embedded by the model as it is; `false` for that everywhere.",
    )


class ChunkingSettings(Section):
    """How documents are cut. Part of a store's identity."""

    target_tokens: Annotated[int, Field(ge=16)] = Field(
        160,
        description="Tokens a chunk aims for, prefix included; never above the model's limit.",
    )


class IngestSettings(Section):
    """What is taken in from a folder."""

    include: Patterns = Field(
        (), description="Gitignore-style patterns; when given, only matching files are taken in."
    )
    exclude: Patterns = Field(
        (), description="Gitignore-style patterns of files and folders to leave out."
    )
    path_metadata: Annotated[Patterns, AfterValidator(_naming)] = Field(
        (),
        description="Metadata in paths: patterns that name what they find, e.g. {team}/{year}/**; "
        "docs/where.md has their form. Part of a store's identity.",
    )
    max_file_mb: Annotated[float, Field(gt=0)] = Field(
        64, description="Larger files are skipped, and said so. Megabytes."
    )
    max_delete_percent: Annotated[float, Field(ge=0, le=100)] = Field(
        10,
        description="A run that would remove more than this share of the documents, and more "
        "than 10 of them, is refused. Percent.",
    )
    keep_snapshots: Annotated[int, Field(ge=1)] = Field(
        5, description="Snapshots kept for rollback; older ones are removed after a publish."
    )
    reserve_mb: Annotated[Annotated[float, Field(ge=0)] | None, Unset] = Field(
        None,
        description="Space that a run leaves free on the disk of the store; one that might not is "
        "refused before it writes. Megabytes; unset: 256, or 5 % of the disk where that is less.",
    )
    workers: Annotated[Annotated[int, Field(ge=0, le=64)] | None, Unset] = Field(
        None,
        description="Processes that read and parse files beside the one that embeds and writes; 0: "
        "none. A run that reads little starts none. Unset: one for every second core.",
    )
    allow_network_store: bool = Field(
        False,
        description="Write a store on a network file system (NFS, SMB, FUSE, 9p and the like) "
        "rather than refuse to. Reading one is always allowed.",
    )


class RetrievalSettings(Section):
    """How chunks are found."""

    candidates: Annotated[int, Field(ge=10, le=1000)] = Field(
        100, description="Chunks fetched by each of the two searches before they are fused."
    )
    dense_weight: Annotated[float, Field(ge=0, le=1)] = Field(
        0.4,
        description="Share of the dense score in the fused score; the rest is words. Less of it "
        "counts for a question in a language that the embedding model cannot read.",
    )
    index: Literal["auto", "exact"] = Field(
        "auto",
        description="`exact` compares every vector with the question, however many there are; "
        "`auto` first scans codes of one bit a dimension where there are more than 50,000.",
    )
    reranker: str = Field(
        "",
        description="A sentence-transformers CrossEncoder that puts the best hits into a better "
        "order: a folder or a hub id. Empty: none.",
    )
    rerank_depth: Annotated[int, Field(ge=1, le=1000)] = Field(
        32, description="Hits that the reranker scores, the best first."
    )
    rerank_budget_ms: Annotated[float, Field(gt=0, le=60_000)] = Field(
        500,
        description="Time that reranking may take a question; hits that are not scored in it "
        "stay below those that are. Milliseconds.",
    )


class AnswerSettings(Section):
    """How an answer is made."""

    k: Annotated[int, Field(ge=1, le=100)] = Field(8, description="Passages shown per question.")
    engine: str = Field("extractive", description="The engine used when a request names none.")
    max_quotes: Annotated[int, Field(ge=1, le=10)] = Field(
        3, description="Sentences an extractive answer quotes at most."
    )
    min_confidence: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5,
        description="How sure the extractive engine must be that the passages are about the "
        "question; below it, the answer is that the documents do not say. docs/log.md has what "
        "each value costs.",
    )
    strict: bool = Field(
        False, description="Say only sentences whose citations hold them up, in every answer."
    )
    max_history_turns: Annotated[int, Field(ge=0, le=200)] = Field(
        20, description="Turns of a conversation that a request may bring; more are refused."
    )


class GenerationSettings(Section):
    """What a generative model is told, and how it answers."""

    model: str = Field(
        "",
        description="The model of the engine vllm: a hub id, e.g. google/gemma-2-9b-it, or a "
        "folder. Empty: what the server at vllm.urls serves.",
    )
    revision: str = Field("", description="Revision of a model on the hub; empty: its newest.")
    tokenizer: str = Field(
        "", description="Folder or hub id of the tokenizer, where it is not the model's own."
    )
    chat_template: Annotated[Path | None, Unset] = Field(
        None, description="A Jinja file used instead of the model's own chat template."
    )
    template_variables: Pairs = Field(
        {}, description="Variables that the chat template is given, e.g. reasoning_effort=low."
    )
    instructions: Annotated[Path | None, Unset] = Field(
        None,
        description="A file used instead of the packaged instructions; `rag explain` names "
        "the one in use, docs/generate.md has its form.",
    )
    examples: bool = Field(True, description="Show the model the examples of the instructions.")
    style: Literal["concise", "detailed", "quotes_first", "quotes"] = Field(
        "concise", description="How an answer reads: concise, detailed, quotes_first or quotes."
    )
    thinking: Literal["off", "hidden", "shown"] = Field(
        "off",
        description="What a model that thinks before it answers does: off, where its "
        "template can switch it off; hidden; shown.",
    )
    temperature: Annotated[Annotated[float, Field(ge=0, le=2)] | None, Unset] = Field(
        None, description="Of sampling; unset: as the model's generation config says, else 0."
    )
    top_p: Annotated[Annotated[float, Field(gt=0, le=1)] | None, Unset] = Field(
        None, description="Of sampling; unset: as the model's generation config says, else 1."
    )
    seed: Annotated[int | None, Unset] = Field(
        None, description="Of sampling; unset: drawn by the engine."
    )
    max_tokens: Annotated[int, Field(ge=1)] = Field(
        512, description="Tokens an answer has at most; kept free in the model's context."
    )
    passage_tokens: Annotated[int, Field(ge=64)] = Field(
        4096, description="Tokens of the prompt spent on passages at most."
    )


class VllmSettings(Section):
    """The vLLM servers that generate, or the one that is started here."""

    urls: Patterns = Field(
        (), description="Servers to use, http://HOST:PORT or unix:/PATH; empty: one is started."
    )
    bin: str = Field(
        "", description="The command `vllm`, where it is not beside `rag` or on the path."
    )
    arguments: Patterns = Field((), description="More arguments for `vllm serve`.")
    max_model_len: Annotated[Annotated[int, Field(ge=256)] | None, Unset] = Field(
        None, description="Tokens of context to serve; unset: the model's own, 16,384 at most."
    )
    gpu_memory: Annotated[float, Field(gt=0, le=1)] = Field(
        0.9, description="Share of the GPU's memory that vLLM may use."
    )
    dtype: str = Field("auto", description="Number format of the weights, as vLLM names it.")
    max_requests: Annotated[int, Field(ge=1)] = Field(
        64,
        description="Requests that the engine takes at once, running and waiting together; more "
        "are answered extractively.",
    )
    adapters: Pairs = Field({}, description="LoRA adapters: NAME=FOLDER; a request names one.")
    deadline_s: Annotated[float, Field(gt=0, le=3600)] = Field(
        120, description="Seconds a generated answer may take at most."
    )
    first_token_s: Annotated[float, Field(gt=0, le=3600)] = Field(
        20, description="Seconds until its first token; later, the answer is extractive."
    )


class ServeSettings(Section):
    """The HTTP service."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        8000, description="Port to listen on; 0 picks a free one."
    )
    threads: Annotated[int, Field(ge=2, le=256)] = Field(
        64, description="Requests answered at once; an open stream holds one."
    )
    max_question_chars: Annotated[int, Field(ge=1)] = Field(
        4000, description="A longer question is refused. Characters."
    )
    refresh_every: str = Field(
        "", description="Refresh the roots at this interval while serving, e.g. 15m. Empty: never."
    )
    refresh_cron: str = Field(
        "", description="Refresh on this cron schedule while serving, e.g. '0 * * * *'."
    )
    timezone: str = Field("", description="Time zone of the cron schedule; empty: the machine's.")


class ScheduleSettings(Section):
    """How refreshes run that are not started by hand: when due, or asked for over HTTP."""

    jitter: str = Field(
        "",
        description="Spread the starts over this time after they are due, e.g. 5m, so that many "
        "machines or stores do not start at once. Empty: start when due.",
    )
    memory_mb: Annotated[Annotated[float, Field(ge=64)] | None, Unset] = Field(
        None,
        description="Memory that such a refresh may have, in megabytes; one that needs more "
        "fails, and nothing else does. With the packaged model it takes some 1,500. Unset: as much "
        "as there is.",
    )


class Settings(Section):
    """All settings of one process, fixed at its start."""

    store: Path = Field(Path("store"), description="The folder that holds the corpus.")
    embedding: EmbeddingSettings = EmbeddingSettings()
    chunking: ChunkingSettings = ChunkingSettings()
    ingest: IngestSettings = IngestSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    answer: AnswerSettings = AnswerSettings()
    generation: GenerationSettings = GenerationSettings()
    vllm: VllmSettings = VllmSettings()
    serve: ServeSettings = ServeSettings()
    schedule: ScheduleSettings = ScheduleSettings()


def load(environ: Mapping[str, str], flags: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings of this process.

    :param environ: the environment; only names that begin with ``RAG_`` are looked at.
    :param flags: values given on the command line, nested like the settings; ``None`` values
        mean that the flag was not given.
    :raises SettingsError: when a file cannot be read, a key is unknown, or a value is wrong.
    """
    layers = [
        (_config_path(environ) or "rag.toml", _from_file(environ)),
        ("the environment", _from_environment(environ)),
        ("the command line", _given(flags or {})),
    ]
    merged: dict[str, Any] = {}
    for origin, values in layers:
        _refuse_unknown(values, origin)
        merged = _merge(merged, values)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise SettingsError(_explain(error.errors()[0])) from None


def known_keys() -> list[str]:
    """Every setting by its dotted name, in the order of this file."""
    return [
        f"{name}.{key}" if key else name
        for name, info in Settings.model_fields.items()
        for key in _keys_of(info.annotation)
    ]


def variable(key: str) -> str:
    """The environment variable of a dotted key: ``serve.port`` is ``RAG_SERVE__PORT``."""
    return PREFIX + key.replace(".", "__").upper()


def _keys_of(annotation: object) -> list[str]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return list(annotation.model_fields)
    return [""]


def _config_path(environ: Mapping[str, str]) -> Path | None:
    if named := environ.get(CONFIG_VARIABLE):
        return Path(named)
    return Path(CONFIG_NAME) if Path(CONFIG_NAME).is_file() else None


def _from_file(environ: Mapping[str, str]) -> dict[str, Any]:
    path = _config_path(environ)
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"the settings file {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {path} is not valid TOML: {error}") from error


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    names = {variable(key): key for key in known_keys()}
    for name, value in environ.items():
        if not name.startswith(PREFIX) or name in NOT_SETTINGS:
            continue
        if name not in names:
            raise SettingsError(
                f"{name} is set in the environment and is no setting{_nearest(name, names)}"
            )
        values = _merge(values, _nested(names[name], value))
    return values


def _nested(key: str, value: object) -> dict[str, Any]:
    head, _, tail = key.partition(".")
    return {head: _nested(tail, value) if tail else value}


def _given(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Drop the flags that were not given, at every level."""
    kept: dict[str, Any] = {}
    for key, value in flags.items():
        if isinstance(value, Mapping):
            kept[key] = _given(value)
        elif value is not None:
            kept[key] = value
    return kept


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[key] = _merge(below, value) if both else value  # type: ignore[arg-type]  # both
    return merged


def _refuse_unknown(values: Mapping[str, Any], origin: object) -> None:
    known = known_keys()
    sections = {key.partition(".")[0] for key in known}
    for name, value in values.items():
        given = [f"{name}.{key}" for key in value] if isinstance(value, Mapping) else [name]
        for key in given:
            if key not in known and not (key in sections and not isinstance(value, Mapping)):
                raise SettingsError(f"unknown setting {key!r} in {origin}{_nearest(key, known)}")


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    return f"; did you mean {close[0]!r}?" if close else "; docs/settings.md lists all settings"


def _explain(error: ErrorDetails) -> str:
    key = ".".join(str(part) for part in error["loc"])
    return f"the setting {key!r} is {error['input']!r}: {error['msg'].lower()}"
