"""Every knob of the project, in one place, with its unit, range and meaning.

Where a value comes from, strongest first: a command's flag, the environment
(``RAG_SERVE__PORT=9000``), ``rag.toml`` in the working directory (or ``RAG_CONFIG``), the
default. Unknown keys are refused with the nearest match named. ``docs/settings.md`` is
generated from this file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from corpus.errors import SettingsError

CONFIG_NAME = "rag.toml"
CONFIG_VARIABLE = "RAG_CONFIG"
PREFIX = "RAG_"
NOT_SETTINGS = {CONFIG_VARIABLE, "RAG_DATA"}  # RAG_DATA: where tests and benchmarks find data

Patterns = tuple[str, ...]
Pairs = dict[str, str]

_TRUTH = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
}


def _setting(default: Any, description: str) -> Any:
    """A field with its default, and what is said of it in docs/settings.md."""
    said = {"description": description}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=said)
    return field(default=default, metadata=said)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingSettings:
    """Which model places text in the vector space. Part of a store's identity."""

    model: str = _setting(
        "all-MiniLM-L6-v2",
        "A sentence-transformers model: the packaged default, a folder, or a hub id.",
    )
    query_prefix: str = _setting("", "Put before a question, where the model wants one.")
    document_prefix: str = _setting("", "Put before a chunk, where the model wants one.")
    batch_tokens: Annotated[int, Meta(ge=256)] = _setting(
        4096,
        "Tokens that the model as it is embeds at once, padding included. More needs more memory.",
    )
    compiled: bool = _setting(
        True,
        "Embed with the model compiled for this machine, which is made once for "
        "documents and once for questions, and kept in the user's cache. On a GPU documents are "
        "embedded by the model as it is; `false` for that everywhere.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkingSettings:
    """How documents are cut. Part of a store's identity."""

    target_tokens: Annotated[int, Meta(ge=16)] = _setting(
        160,
        "Tokens a chunk aims for, prefix included; never above the model's limit.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestSettings:
    """What is taken in from a folder."""

    include: Patterns = _setting(
        (), "Gitignore-style patterns; when given, only matching files are taken in."
    )
    exclude: Patterns = _setting((), "Gitignore-style patterns of files and folders to leave out.")
    path_metadata: Patterns = _setting(
        (),
        "Metadata in paths: patterns that name what they find, e.g. {team}/{year}/**; "
        "docs/where.md has their form. Part of a store's identity.",
    )
    max_file_mb: Annotated[float, Meta(gt=0)] = _setting(
        64, "Larger files are skipped, and said so. Megabytes."
    )
    max_delete_percent: Annotated[float, Meta(ge=0, le=100)] = _setting(
        10,
        "A run that would remove more than this share of the documents, and more "
        "than 10 of them, is refused. Percent.",
    )
    keep_snapshots: Annotated[int, Meta(ge=1)] = _setting(
        5, "Snapshots kept for rollback; older ones are removed after a publish."
    )
    reserve_mb: Annotated[float, Meta(ge=0)] | None = _setting(
        None,
        "Space that a run leaves free on the disk of the store; one that might not is "
        "refused before it writes. Megabytes; unset: 256, or 5 % of the disk where that is less.",
    )
    workers: Annotated[int, Meta(ge=0, le=64)] | None = _setting(
        None,
        "Processes that read and parse files beside the one that embeds and writes; 0: "
        "none. A run that reads little starts none. Unset: one for every second core.",
    )
    allow_network_store: bool = _setting(
        False,
        "Write a store on a network file system (NFS, SMB, FUSE, 9p and the like) "
        "rather than refuse to. Reading one is always allowed.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalSettings:
    """How chunks are found."""

    candidates: Annotated[int, Meta(ge=10, le=1000)] = _setting(
        100, "Chunks fetched by each of the two searches before they are fused."
    )
    dense_weight: Annotated[float, Meta(ge=0, le=1)] = _setting(
        0.4,
        "Share of the dense score in the fused score; the rest is words. Less of it "
        "counts for a question in a language that the embedding model cannot read.",
    )
    index: Literal["auto", "exact"] = _setting(
        "auto",
        "`exact` compares every vector with the question, however many there are; `auto` "
        "those that codes of eight bits name where there are more than 8,000, and finds the same.",
    )
    reranker: str = _setting(
        "",
        "A sentence-transformers CrossEncoder that puts the best hits into a better "
        "order: a folder or a hub id. Empty: none.",
    )
    rerank_depth: Annotated[int, Meta(ge=1, le=1000)] = _setting(
        32, "Hits that the reranker scores, the best first."
    )
    rerank_budget_ms: Annotated[float, Meta(gt=0, le=60_000)] = _setting(
        500,
        "Time that reranking may take a question; hits that are not scored in it "
        "stay below those that are. Milliseconds.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSettings:
    """How an answer is made."""

    k: Annotated[int, Meta(ge=1, le=100)] = _setting(8, "Passages shown per question.")
    engine: str = _setting("extractive", "The engine used when a request names none.")
    max_quotes: Annotated[int, Meta(ge=1, le=10)] = _setting(
        3, "Sentences an extractive answer quotes at most."
    )
    min_confidence: Annotated[float, Meta(ge=0, le=1)] = _setting(
        0.5,
        "How sure the extractive engine must be that the passages are about the "
        "question; below it, the answer is that the documents do not say. docs/log.md has what "
        "each value costs.",
    )
    strict: bool = _setting(
        False, "Say only sentences whose citations hold them up, in every answer."
    )
    max_history_turns: Annotated[int, Meta(ge=0, le=200)] = _setting(
        20, "Turns of a conversation that a request may bring; more are refused."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationSettings:
    """What a generative model is told, and how it answers."""

    model: str = _setting(
        "",
        "The model of the engine vllm: a hub id, e.g. google/gemma-2-9b-it, or a "
        "folder. Empty: what the server at vllm.urls serves.",
    )
    revision: str = _setting("", "Revision of a model on the hub; empty: its newest.")
    tokenizer: str = _setting(
        "", "Folder or hub id of the tokenizer, where it is not the model's own."
    )
    chat_template: Path | None = _setting(
        None, "A Jinja file used instead of the model's own chat template."
    )
    template_variables: Pairs = _setting(
        {},
        "Variables that the chat template is given, e.g. reasoning_effort=low.",
    )
    instructions: Path | None = _setting(
        None,
        "A file used instead of the packaged instructions; `rag explain` names "
        "the one in use, docs/generate.md has its form.",
    )
    examples: bool = _setting(True, "Show the model the examples of the instructions.")
    style: Literal["concise", "detailed", "quotes_first", "quotes"] = _setting(
        "concise", "How an answer reads: concise, detailed, quotes_first or quotes."
    )
    thinking: Literal["off", "hidden", "shown"] = _setting(
        "off",
        "What a model that thinks before it answers does: off, where its "
        "template can switch it off; hidden; shown.",
    )
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = _setting(
        None, "Of sampling; unset: as the model's generation config says, else 0."
    )
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = _setting(
        None, "Of sampling; unset: as the model's generation config says, else 1."
    )
    seed: int | None = _setting(None, "Of sampling; unset: drawn by the engine.")
    max_tokens: Annotated[int, Meta(ge=1)] = _setting(
        512, "Tokens an answer has at most; kept free in the model's context."
    )
    passage_tokens: Annotated[int, Meta(ge=64)] = _setting(
        4096, "Tokens of the prompt spent on passages at most."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class VllmSettings:
    """The vLLM servers that generate, or the one that is started here."""

    urls: Patterns = _setting(
        (), "Servers to use, http://HOST:PORT or unix:/PATH; empty: one is started."
    )
    bin: str = _setting("", "The command `vllm`, where it is not beside `rag` or on the path.")
    arguments: Patterns = _setting((), "More arguments for `vllm serve`.")
    max_model_len: Annotated[int, Meta(ge=256)] | None = _setting(
        None, "Tokens of context to serve; unset: the model's own, 16,384 at most."
    )
    gpu_memory: Annotated[float, Meta(gt=0, le=1)] = _setting(
        0.9, "Share of the GPU's memory that vLLM may use."
    )
    dtype: str = _setting("auto", "Number format of the weights, as vLLM names it.")
    max_requests: Annotated[int, Meta(ge=1)] = _setting(
        64,
        "Requests that the engine takes at once, running and waiting together; more "
        "are answered extractively.",
    )
    adapters: Pairs = _setting({}, "LoRA adapters: NAME=FOLDER; a request names one.")
    deadline_s: Annotated[float, Meta(gt=0, le=3600)] = _setting(
        120, "Seconds a generated answer may take at most."
    )
    first_token_s: Annotated[float, Meta(gt=0, le=3600)] = _setting(
        20, "Seconds until its first token; later, the answer is extractive."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """The HTTP service."""

    host: str = _setting("127.0.0.1", "Address to listen on.")
    port: Annotated[int, Meta(ge=0, le=65535)] = _setting(
        8000, "Port to listen on; 0 picks a free one."
    )
    threads: Annotated[int, Meta(ge=2, le=256)] = _setting(
        64, "Requests answered at once; an open stream holds one."
    )
    max_question_chars: Annotated[int, Meta(ge=1)] = _setting(
        4000, "A longer question is refused. Characters."
    )
    refresh_every: str = _setting(
        "", "Refresh the roots at this interval while serving, e.g. 15m. Empty: never."
    )
    refresh_cron: str = _setting(
        "", "Refresh on this cron schedule while serving, e.g. '0 * * * *'."
    )
    timezone: str = _setting("", "Time zone of the cron schedule; empty: the machine's.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSettings:
    """How refreshes run that are not started by hand: when due, or asked for over HTTP."""

    jitter: str = _setting(
        "",
        "Spread the starts over this time after they are due, e.g. 5m, so that many "
        "machines or stores do not start at once. Empty: start when due.",
    )
    memory_mb: Annotated[float, Meta(ge=64)] | None = _setting(
        None,
        "Memory that such a refresh may have, in megabytes; one that needs more "
        "fails, and nothing else does. With the packaged model it takes some 1,500. Unset: as much "
        "as there is.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one process, fixed at its start."""

    store: Path = _setting(Path("store"), "The folder that holds the corpus.")
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
    return Settings(**{name: _checked(name, value) for name, value in merged.items()})


def plain(section: object) -> dict[str, Any]:
    """A section of the settings as JSON has it."""
    found: dict[str, Any] = msgspec.to_builtins(section, enc_hook=str)
    return found


def known_keys() -> list[str]:
    """Every setting by its dotted name, in the order of this file."""
    return [
        f"{top.name}.{one.name}" if one else top.name
        for top in fields(Settings)
        for one in (fields(top.default) if is_dataclass(top.default) else [None])
    ]


def variable(key: str) -> str:
    """The environment variable of a dotted key: ``serve.port`` is ``RAG_SERVE__PORT``."""
    return PREFIX + key.replace(".", "__").upper()


def _config_path(environ: Mapping[str, str]) -> Path | None:
    if named := environ.get(CONFIG_VARIABLE):
        return Path(named)
    return Path(CONFIG_NAME) if Path(CONFIG_NAME).is_file() else None


def _from_file(environ: Mapping[str, str]) -> dict[str, Any]:
    path = _config_path(environ)
    if path is None:
        return {}
    import tomllib

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
    import difflib

    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    return f"; did you mean {close[0]!r}?" if close else "; docs/settings.md lists all settings"


def _checked(name: str, given: Any) -> Any:
    """A value or section of the settings, from what is given of it."""
    default = getattr(Settings(), name)
    kind = type(default) if is_dataclass(default) else Path
    try:
        found = msgspec.convert(_meant(given, default), kind, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        _refuse(error, kind, name, given)
    if is_dataclass(default):
        _check_finite(name, found)
    if isinstance(found, IngestSettings):
        _check_patterns(found.path_metadata)
    return found


def _meant(given: Any, default: Any) -> Any:
    """A section with texts read as what they stand for: the environment knows nothing else."""
    if not (isinstance(given, Mapping) and is_dataclass(default)):
        return given
    return {
        key: _spelled(value, getattr(default, key)) if isinstance(value, str) else value
        for key, value in given.items()
    }


def _spelled(text: str, default: object) -> object:
    """Patterns and NAME=VALUE pairs are separated by commas; an empty text may unset a value."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if isinstance(default, tuple):
        return parts
    if isinstance(default, dict):
        return dict(part.partition("=")[::2] for part in parts)
    if isinstance(default, bool):
        return _TRUTH.get(text.strip().lower(), text)
    if isinstance(default, int | float):
        return text.strip().replace("_", "")  # 1_000, as TOML writes it
    if default is None:
        return text.strip() or None
    return text


def _path(_: type[Path], value: object) -> Path:
    """The one type among the settings that is none of TOML's."""
    if not isinstance(value, str | Path):
        raise TypeError("expected a path")
    return Path(value)


def _check_finite(name: str, section: Any) -> None:
    for one in fields(section):
        value = getattr(section, one.name)
        if isinstance(value, float) and not isfinite(value):
            key = f"{name}.{one.name}"
            raise SettingsError(f"the setting {key!r} is {value}: expected a finite number")


def _check_patterns(patterns: Patterns) -> None:
    """Refuse patterns for paths that name nothing, or mean nothing."""
    if not patterns:
        return
    from corpus import globs

    for pattern in patterns:
        told = f"the setting 'ingest.path_metadata' is {list(patterns)}: the pattern {pattern!r}"
        try:
            names = globs.Path(pattern, names=True).names
        except globs.BadPattern as error:
            raise SettingsError(f"{told} means nothing: {error}") from None
        if not names:
            raise SettingsError(f"{told} names nothing, as {{year}}/** would")


def _refuse(error: msgspec.ValidationError, kind: type, name: str, given: Any) -> NoReturn:
    """Name the setting that msgspec found wrong: ``Expected `int` ... - at `$.port```."""
    told, _, place = str(error).partition(" - at `$.")
    below = re.split(r"[\[`]", place)[0]
    key, value = (f"{name}.{below}", given[below]) if below else (name, given)
    told = told[:1].lower() + told[1:]
    hint = get_type_hints(kind).get(below)
    if get_origin(hint) is Literal:  # msgspec does not name what there is
        told = f"expected one of {', '.join(map(repr, get_args(hint)))}"
    raise SettingsError(f"the setting {key!r} is {value!r}: {told}") from None
