"""Where results go: one JSON file a measurement, with commit, machine and command."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "results"


def save(name: str, measured: dict[str, Any]) -> None:
    """Write what was measured, and print it as the last line."""
    record = {
        "name": name,
        "commit": commit(),
        "command": " ".join(["python", "-m", f"bench.{name}", *sys.argv[1:]]),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        },
        "measured": datetime.now(UTC).isoformat("T", "seconds"),
        "results": measured,
    }
    (FOLDER / f"{commit()}-{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record))


def commit() -> str:
    """The commit that is measured, and whether something was changed since."""
    changed = _git("status", "--short", "--", "corpus", "ingest", "rag", "bench/*.py")
    return _git("rev-parse", "--short", "HEAD") + ("-dirty" if changed else "")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns under a head, the first to the left, the others to the right."""
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    for row in (head, *rows):
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  ".join(cells))


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), "")
