"""The command line of ``vllm serve``, and what else a start needs.

vLLM answers on a Unix socket in a folder that only this user can enter: no port to race for,
and nobody else can reach the routes that it leaves open to everyone who connects. Its own
sockets between processes, over which it sends pickles, are put there too.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.errors import SettingsError
from corpus.settings import GenerationSettings, VllmSettings
from rag.engines.vllm.address import Address
from rag.engines.vllm.installed import Installation, find_vllm, installation

LONGEST_CONTEXT = 16_384  # more costs memory that a question and its passages do not need

_SOCKET = "vllm.sock"
_LONGEST_FOLDER = 107 - len("/00000000-0000-0000-0000-000000000000")  # vLLM names its own so
_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # vllm/config/lora.py
_ADAPTERS_AT_ONCE = 4  # in one batch; each of them takes memory
_OURS = ("--uds", "--host", "--port", "--api-key", "--ssl-keyfile", "--ssl-certfile", "--root-path")
_LENGTHS = (  # in which config.json says how long a context may be
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "seq_length",
    "max_sequence_length",
    "model_max_length",
)


@dataclass(frozen=True, slots=True)
class Launch:
    """How vLLM is started, and where it will answer."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    address: Address
    model: str  # as it is served and as the settings name it
    folder: Path  # holds its sockets; for this user alone


def prepare(
    generation: GenerationSettings,
    vllm: VllmSettings,
    environ: Mapping[str, str],
    model_config: Mapping[str, Any] | None = None,
    executable: Path = Path(sys.executable),
) -> Launch:
    """Everything that is needed to start vLLM; makes the folder for its sockets.

    :param model_config: the ``config.json`` of the model, where it is known; without it that
        of ``generation.model`` is read, if that is a folder.
    :raises SettingsError: when a setting cannot work.
    :raises CannotServe: when there is no vLLM, or one that is too old.
    """
    found = installation(find_vllm(vllm.bin, environ, executable))
    if model_config is None:
        model_config = _read_json(Path(generation.model).expanduser() / "config.json") or {}
    context = vllm.max_model_len or sensible_context(model_config)
    folder = private_folder()
    try:
        address = _address(found, folder)
        line = command(found, generation, vllm, address, context)
    except BaseException:
        folder.rmdir()
        raise
    surroundings = environment(found, vllm, folder, environ)
    return Launch(tuple(line), surroundings, address, generation.model, folder)


def command(
    found: Installation,
    generation: GenerationSettings,
    vllm: VllmSettings,
    address: Address,
    context: int | None,
) -> list[str]:
    """The command that serves the model of the settings at an address.

    :param context: tokens to serve; None leaves it to vLLM.
    :raises SettingsError: when the model or an adapter is not there, or an argument decides
        what is decided here.
    """
    _refuse_ours(vllm.arguments)
    line = found.serve(_model(generation.model))
    line += ["--served-model-name", generation.model]
    if address.path:
        line += ["--uds", address.path]
    else:
        line += ["--host", address.host, "--port", str(address.port)]
    if generation.revision:
        line += ["--revision", generation.revision]
    if generation.tokenizer:
        line += ["--tokenizer", _model(generation.tokenizer)]
    line += ["--dtype", vllm.dtype, "--generation-config", "vllm"]  # requests say all that counts
    if context is not None:
        line += ["--max-model-len", str(context)]
    line += ["--enforce-eager"] if found.cpu else ["--gpu-memory-utilization", f"{vllm.gpu_memory}"]
    line += _adapters(vllm.adapters)
    line += ["--uvicorn-log-level", "warning", "--disable-uvicorn-access-log"]
    if found.takes("--max-num-queued-reqs"):
        line += ["--max-num-queued-reqs", str(vllm.max_requests)]
    if found.takes("--disable-fastapi-docs"):
        line += ["--disable-fastapi-docs"]
    return [*line, *vllm.arguments]


def environment(
    found: Installation, vllm: VllmSettings, folder: Path, environ: Mapping[str, str]
) -> dict[str, str]:
    """The environment of vLLM: that of this process, and what keeps vLLM quiet and to itself."""
    ours = {
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_RPC_BASE_PATH": str(folder),  # its own sockets
    }
    defaults = {
        "VLLM_HOST_IP": "127.0.0.1",  # what it must do over TCP it does over loopback
        "VLLM_LOG_STATS_INTERVAL": "60",  # seconds between lines of its log while it works
    }
    if found.cpu and not any(each.startswith("--kv-cache-memory") for each in vllm.arguments):
        defaults["VLLM_CPU_KVCACHE_SPACE"] = str(_cpu_cache_gib())
    inherited = {name: value for name, value in environ.items() if not name.startswith("RAG_")}
    return {**defaults, **inherited, **ours}


def sensible_context(model_config: Mapping[str, Any]) -> int | None:
    """The context of a model, :data:`LONGEST_CONTEXT` at most; None where it is not said."""
    text_config = model_config.get("text_config")
    for config in (model_config, text_config if isinstance(text_config, Mapping) else {}):
        lengths = [int(config[key]) for key in _LENGTHS if isinstance(config.get(key), int)]
        if lengths:
            return min(*lengths, LONGEST_CONTEXT)
    return None


def private_folder() -> Path:
    """A new folder for sockets, whose paths the kernel limits to 107 bytes."""
    beside = tempfile.gettempdir()
    folder = Path(tempfile.mkdtemp(prefix="rag-vllm-", dir=beside))  # for this user alone
    if len(os.fsencode(folder)) > _LONGEST_FOLDER:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="rag-vllm-", dir="/tmp"))
    return folder


def _address(found: Installation, folder: Path) -> Address:
    """The socket; a port where it is not certain that this vLLM can listen on one."""
    if found.takes("--uds"):
        return Address(path=str(folder / _SOCKET))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return Address("127.0.0.1", free.getsockname()[1])


def _model(name: str) -> str:
    """A hub id as it is, a folder by its full path."""
    if not name:
        raise SettingsError(
            "the engine vllm needs a model: set generation.model, e.g. "
            "--model google/gemma-2-9b-it, or a folder"
        )
    path = Path(name).expanduser()
    if path.is_dir():
        return str(path.absolute())
    if name.startswith(("/", "./", "../", "~")):
        raise SettingsError(f"the model {name!r} is a path, and there is no such folder")
    return name


def _refuse_ours(arguments: Sequence[str]) -> None:
    """Refuse arguments that say where vLLM listens: nothing would find it there."""
    for argument in arguments:
        if argument.partition("=")[0].replace("_", "-") in _OURS:
            raise SettingsError(
                f"vllm.arguments holds {argument}: where a vLLM that is started here listens is "
                "not to be chosen; start one yourself and set vllm.urls, or leave it out"
            )


def _adapters(adapters: Mapping[str, str]) -> list[str]:
    if not adapters:
        return []
    folders = {name: Path(folder).expanduser().absolute() for name, folder in adapters.items()}
    modules = [json.dumps({"name": name, "path": str(at)}) for name, at in folders.items()]
    rank = max(_rank(name, folder) for name, folder in folders.items())
    enough = next((each for each in _RANKS if each >= rank), rank)
    at_once = str(min(len(adapters), _ADAPTERS_AT_ONCE))
    line = ["--enable-lora", "--max-lora-rank", str(enough), "--max-loras", at_once]
    return [*line, "--lora-modules", *modules]


def _rank(name: str, folder: Path) -> int:
    rank = (_read_json(folder / "adapter_config.json") or {}).get("r")
    if not isinstance(rank, int) or rank < 1:
        raise SettingsError(
            f"the adapter {name!r} of vllm.adapters cannot be used: {folder} holds no "
            "adapter_config.json with a rank `r`; name the folder of a LoRA adapter"
        )
    return rank


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _cpu_cache_gib() -> int:
    """GiB for contexts where nobody said how many: a quarter of what is free, 1 to 4."""
    try:
        memory = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return 1
    found = re.search(r"^MemAvailable: +(\d+) kB", memory, re.MULTILINE)
    return min(max(int(found[1]) // 2**20 // 4, 1), 4) if found else 1
