"""Install torch: the CPU build on a machine without a GPU, not gigabytes of CUDA.

    python tools/torch_build.py torch==VERSION [options of pip]

Which build pip would take depends on the indexes that it knows, so it is asked first. Where
it would bring CUDA to a machine that has no GPU, this stops and says what to do.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]

ADVICE = """\
This machine has no GPU, and pip would install the CUDA build of torch: some gigabytes that
nothing here can use. Do one of these:
  make install TORCH_INDEX=ADDRESS   with the address of PyTorch's CPU builds, which stands on
                                     its page "Get started" when CPU is chosen
  TORCH_BUILD=cuda make install       to take the CUDA build all the same"""


def main(requirement: str, options: Sequence[str]) -> None:
    """Install torch, or say why not."""
    if (
        not _has_gpu()
        and os.environ.get("TORCH_BUILD") != "cuda"
        and _brings_cuda(requirement, options)
    ):
        sys.exit(ADVICE)
    subprocess.run([*PIP, "install", "--quiet", *options, requirement], check=True)


def _has_gpu() -> bool:
    return shutil.which("nvidia-smi") is not None


def _brings_cuda(requirement: str, options: Sequence[str]) -> bool:
    """Ask pip what it would install, without downloading it."""
    asked = subprocess.run(
        [*PIP, "install", "--dry-run", "--quiet", "--report", "-", *options, requirement],
        check=True,
        stdout=subprocess.PIPE,
    )
    names = {item["metadata"]["name"] for item in json.loads(asked.stdout)["install"]}
    return any(name.startswith(("nvidia-", "cuda-")) for name in names)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
