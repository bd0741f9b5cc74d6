"""The command ``rag``. Each sub-command is a file of ``rag/commands`` and loads only its own wing.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done with failed files, 4 refused by a guard
or because another process is writing, 5 refused by a quality gate, 130 interrupted.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from corpus.errors import (
    BadEvaluationFile,
    BadRequest,
    BelowGate,
    GuardRefused,
    RagError,
    SettingsError,
    StoreBusy,
)
from rag import __version__

COMMANDS = {
    "ingest": "Take in folders of documents, and keep them as roots.",
    "refresh": "Bring the corpus in step with its roots, once or on a schedule.",
    "ask": "Answer a question, with citations.",
    "explain": "What would be sent to the model, by part.",
    "search": "Find the passages that match a query.",
    "eval": "Measure search and answers on questions of your own.",
    "serve": "Answer over HTTP.",
    "status": "What the store holds, and how its last runs ended.",
    "documents": "The ledger: every file that was seen, and its outcome.",
    "show": "The text of a document as it was taken in.",
    "roots": "List the folders that are refreshed, or remove one.",
    "snapshots": "List, verify, tag or remove snapshots, or go back to one.",
    "doctor": "What is installed, which models are here, how the store stands, and what is wrong.",
    "models": "The models that are used: licence, lineage, and whether they are the locked ones.",
}

EXIT_CODES: dict[type[RagError], int] = {
    GuardRefused: 4,
    StoreBusy: 4,
    SettingsError: 2,
    BadRequest: 2,
    BadEvaluationFile: 2,
    BelowGate: 5,
    RagError: 1,
}


class _Commands(click.Group):
    """Imports a sub-command when it is called, and not to list it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"rag.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rag")
def cli() -> None:
    """Grounded answers from your own documents.

    Ingest a folder, ask, and open the exact characters that each claim rests on:

    \b
        rag ingest ~/handbook
        rag ask "How many days of leave do I get?"
        rag serve --refresh-every 15m
    """


def main() -> NoReturn:
    """Run the command line, and turn every error into a message and an exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    atexit.register(gc.freeze)  # or the interpreter looks through all that is loaded, to end
    try:
        sys.exit(cli.main(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except RagError as error:
        click.echo(f"rag: {error}", err=True)
        sys.exit(exit_code(error))
    except (KeyboardInterrupt, click.Abort):
        click.echo("rag: interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:  # whoever read our output has enough
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:  # of a disk that fails, where nobody had more to say
        click.echo(f"rag: {error}; run it again, and if it stays look at the disk", err=True)
        sys.exit(1)


def exit_code(error: RagError) -> int:
    """The exit code of an error, by the nearest of its classes in the table."""
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """SIGTERM ends a run as Ctrl-C does: in order, with the old snapshot in place."""
    raise KeyboardInterrupt
