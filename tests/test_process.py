"""The command as a process of its own: its output, its exit code, and what is done at its end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def ran(
    *arguments: str, stdout: int = subprocess.PIPE, path: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    environ["PYTHONPATH"] = f"{path}{os.pathsep}{environ.get('PYTHONPATH', '')}"
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environ,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--version"], 0, "rag, version"),
        (["nothing-of-the-kind"], 2, "No such command"),
        (["show", "a.md", "--store", "/nowhere"], 1, "rag: "),
    ],
)
def test_it_ends_with_its_code_and_all_that_it_said(
    arguments: list[str], code: int, said: str
) -> None:
    ended = ran("-m", "rag", *arguments)

    assert ended.returncode == code
    assert said in (ended.stderr if code else ended.stdout)


def test_an_output_that_takes_nothing_is_told() -> None:
    with open("/dev/full", "w") as full:
        ended = ran("-m", "rag", "--version", stdout=full.fileno())

    assert ended.returncode != 0
    assert "No space left on device" in ended.stderr


ENDING = """
import atexit, sys
from rag import __main__

class Kept:
    def __del__(self):
        print("taken apart")

def main():
    kept = Kept()
    atexit.register(print, "asked for")
    sys.stdout.write("said, ")
    sys.exit(3)

__main__.main = main
__main__.process()
"""


def test_what_was_asked_for_is_done_at_its_end_and_nothing_is_taken_apart() -> None:
    ended = ran("-c", ENDING)

    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "said, asked for\n", "")


def test_what_is_installed_has_no_say_in_what_may_be_asked(tmp_path: Path) -> None:
    (tmp_path / "nosy.py").write_text("import sys; sys.exit('a plugin was loaded')")
    described = tmp_path / "nosy-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: nosy\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text("[pydantic]\nnosy = nosy:plugin\n")
    asked = "from rag import __main__; __main__.main = lambda: __import__('rag.requests')"

    ended = ran("-c", f"{asked}; __main__.process()", path=tmp_path)

    assert (ended.returncode, ended.stderr) == (0, "")
