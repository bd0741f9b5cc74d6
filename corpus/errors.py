"""Every error this project raises on purpose, as one tree.

    RagError
    ├── SettingsError            a settings file, variable or flag is wrong
    ├── CorpusError              what is on disk cannot be used
    │   ├── NoSnapshot           nothing has been published yet
    │   ├── UnknownSnapshot      no snapshot of that id
    │   ├── UnknownDocument      no document of that id in the snapshot
    │   ├── SnapshotDamaged      a file is missing, short, or fails its checksum
    │   │   └── UnknownFormat        whole, but written by another version of this project
    │   ├── TagsDamaged          the file of tags is not what was written
    │   ├── EmbeddingMismatch    the snapshot lives in another model's vector space
    │   ├── ModelUnavailable     the embedding model is not here, or not what it should be
    │   ├── StoreBusy            another process is writing
    │   │   └── JobRunning       a refresh that was asked for is still running
    │   └── StoreNotWritable     the store cannot be created or written
    │       └── NotEnoughSpace       its disk has no room for what a run would write
    ├── IngestError              a run could not be carried out
    │   ├── BadRoot              the folder is missing, not a folder, or overlaps another
    │   ├── NothingToIngest      the folder holds no file that can be read
    │   ├── GuardRefused         the run would remove more than is allowed
    │   ├── OutOfMemory          the run needed more memory than it may have
    │   └── UnreadableSource     one file could not be taken in (goes to the ledger)
    ├── AnswerError              one question could not be answered
    │   ├── BadRequest           the caller can fix it
    │   │   └── PromptTooLong    question and history leave the model no room for an answer
    │   ├── ServerUnreachable    `rag ask --server`: nothing answers there
    │   ├── GivenUp              the caller left; told to nobody
    │   └── EngineFailed         the engine broke; the operator must look
    │       ├── EngineUnavailable   it is not there: starting, or down
    │       │   └── EngineBusy          its queue is full
    │       └── DeadlineExceeded    the time of the request was over
    ├── EvaluationError          a measurement cannot be made
    │   ├── BadEvaluationFile    a file of questions, judgements or results is not as expected
    │   └── BelowGate            a measure is not what was asked of it
    └── ServiceError             the service cannot do what it was asked
        ├── CannotServe          the address cannot be had, or serving cannot go on
        ├── ModelUnusable        a model's files are missing, damaged, or of no known form
        │   └── TemplateRefused  its chat template cannot render what it must
        └── UnknownJob           no refresh of that id is remembered

A message says what was found, what was expected, and what to do next.
The tree knows nothing of HTTP or exit codes: ``rag/api/errors.py`` maps it to status
codes and ``rag/cli.py`` to exit codes, each in one table.
"""

from __future__ import annotations


class RagError(Exception):
    """Base of the tree.

    ``retryable`` tells the caller whether the same call may succeed later by itself.
    """

    retryable = False


class SettingsError(RagError):
    """A settings file, an environment variable or a flag is wrong."""


class CorpusError(RagError):
    """What is on disk cannot be used."""


class NoSnapshot(CorpusError):
    """Nothing has been published yet."""

    retryable = True

    def __init__(self, store: object) -> None:
        super().__init__(
            f"the store {str(store)!r} holds no snapshot yet; run `rag ingest FOLDER` first"
        )


class UnknownSnapshot(CorpusError):
    """No snapshot of that id is in the store."""

    def __init__(self, name: str, detail: str = "") -> None:
        super().__init__(
            (detail or f"there is no snapshot {name!r} in this store")
            + "; `rag snapshots list` names those that exist"
        )


class UnknownDocument(CorpusError):
    """The snapshot holds no document of that id."""

    def __init__(self, document_id: str) -> None:
        super().__init__(
            f"there is no document {document_id!r} in the current snapshot; "
            "`rag documents` lists those that exist"
        )


class SnapshotDamaged(CorpusError):
    """A file of a snapshot is missing, short, or fails its checksum. ``found`` says which."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"{found}; `rag snapshots verify` tells which snapshots are sound, with --repair it "
            "puts the others aside and lets one of them answer"
        )
        self.found = found


class UnknownFormat(SnapshotDamaged):
    """A snapshot is whole, and another version of this project wrote it: nothing is damaged."""


class TagsDamaged(CorpusError):
    """The file of tags is not what was written."""


class EmbeddingMismatch(CorpusError):
    """The snapshot lives in another model's vector space.

    Scores across two spaces are numbers without meaning, so this is refused when the
    snapshot is opened and never papered over at query time.
    """

    def __init__(self, *, found: str, expected: str) -> None:
        super().__init__(
            f"the snapshot was embedded with {found}, the settings ask for {expected}; "
            "set embedding.model back, or run `rag ingest` on the same folders with another "
            "--store to embed them with the new model"
        )


class ModelUnavailable(CorpusError):
    """The embedding model is not on this machine, or its files are not what they should be."""


class CompilationFailed(CorpusError):
    """The embedding model cannot be compiled for this machine."""


class StoreBusy(CorpusError):
    """Another process holds the writer's lock."""

    retryable = True


class JobRunning(StoreBusy):
    """A refresh that was asked for is still running."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"a refresh is running already: job {job_id}")
        self.job_id = job_id


class StoreNotWritable(CorpusError):
    """The store cannot be created or written."""


class NotEnoughSpace(StoreNotWritable):
    """The disk of the store has no room for what a run would write."""


class IngestError(RagError):
    """A run could not be carried out."""


class BadRoot(IngestError):
    """A path to ingest is missing, is not a folder, or overlaps a root that is known."""


class NothingToIngest(IngestError):
    """The folder holds no file that can be read."""


class GuardRefused(IngestError):
    """The run would remove more documents than is allowed without being asked."""


class OutOfMemory(IngestError):
    """The run needed more memory than there is, or than it may have."""


class UnreadableSource(IngestError):
    """One file could not be taken in. It ends as a row of the ledger, never as a crash."""


class AnswerError(RagError):
    """One question could not be answered."""


class BadRequest(AnswerError):
    """The request is wrong and the caller can fix it. ``param`` names the field, if one."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class ServerUnreachable(AnswerError):
    """Nothing answers at the URL that `--server` names."""

    retryable = True


class PromptTooLong(BadRequest):
    """Question and history alone leave the model no room for an answer."""


class GivenUp(AnswerError):
    """The caller left before the answer was complete; there is nobody to tell."""


class EngineFailed(AnswerError):
    """The engine could not produce an answer."""

    retryable = True


class EngineUnavailable(EngineFailed):
    """The engine is not there: it is starting, it is down, or it takes no more requests."""


class EngineBusy(EngineUnavailable):
    """The engine works, and its queue is full."""


class DeadlineExceeded(EngineFailed):
    """The time that the request was given is over."""


class EvaluationError(RagError):
    """A measurement cannot be made."""


class BadEvaluationFile(EvaluationError):
    """A file of questions, judgements or results is not as expected."""


class BelowGate(EvaluationError):
    """A measure is not what was asked of it."""


class ServiceError(RagError):
    """The service cannot do what it was asked."""


class CannotServe(ServiceError):
    """The address cannot be had, or serving cannot go on."""


class ModelUnusable(ServiceError):
    """Files of a model are missing, damaged, or of a form that is not known here."""


class TemplateRefused(ModelUnusable):
    """A chat template cannot render a conversation, or not so that the model could answer it."""


class UnknownJob(ServiceError):
    """No refresh of that id is remembered."""

    def __init__(self, job_id: str, kept: int) -> None:
        super().__init__(
            f"there is no job {job_id!r}; the last {kept} are kept until the server restarts"
        )
