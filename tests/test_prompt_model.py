"""A model as it is talked to: the self-test, stops, the system role, thinking."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from corpus.errors import ModelUnusable, TemplateRefused
from corpus.settings import GenerationSettings
from rag.prompt import selftest
from rag.prompt.files import ModelFiles, find_files
from rag.prompt.model import PromptModel
from rag.prompt.types import Role, message
from tests.talking import CHATML, NO_SYSTEM, SPECIAL, files, model
from tests.talking import tokenizer_data as trained
from tests.templates import described, tokenizer_data

TURNS = [message(Role.SYSTEM, "Be brief.", "instructions"), message(Role.USER, "Who?", "question")]


@cache
def family(name: str) -> PromptModel:
    """A template of the evaluation data, with a tokenizer that knows its control tokens."""
    row = described()[name]
    named = {row["bos_token"], row["eos_token"], *row["end_of_turn"], *(row["token_ids"] or ())}
    controls = {one for one in named - {None} if one.strip() and "\n" not in one}
    config = {"bos_token": row["bos_token"], "eos_token": row["eos_token"]}
    data = trained(tuple(sorted(controls)))
    variables = {key: json.dumps(value) for key, value in (row["render_variables"] or {}).items()}
    settings = GenerationSettings(template_variables=variables)
    return PromptModel(ModelFiles(name, data, config, {}, {}, row["template"]), settings)


def test_every_family_passes_the_self_test_and_its_system_role_is_known(data: Path) -> None:
    for name, row in described().items():
        made = family(name)
        selftest.check(made)
        assert made.has_system_role == (row["system_role"] is not False), name


def test_the_end_of_a_turn_is_found_in_the_template(data: Path) -> None:
    """gpt-oss ends thoughts and answers alike: only its generation config knows which is which.

    Falcon and RWKV end a turn with words; DeciLM's template with nothing before the next turn.
    """
    words = {"falcon", "rwkv-world", "decilm"}
    for name, row in described().items():
        made = family(name)
        ended = {
            made.tokenizer.pieces([one])[0]
            for one, who in made.stops.ids.items()
            if "template" in who
        }
        if name.startswith("gpt-oss") or name in words:
            assert ended == set()
        else:
            assert ended <= set(row["end_of_turn"])
            assert ended
        assert (made.stops.strings != {}) == (name in words), name


def test_stops_are_the_union_of_tokenizer_generation_config_and_template() -> None:
    made = PromptModel(files(generation={"eos_token_id": [0, 3]}), GenerationSettings())

    named = {made.tokenizer.pieces([one])[0]: who for one, who in made.stops.ids.items()}

    assert named == {
        "</s>": "tokenizer",
        "<s>": "generation config",
        "<|im_end|>": "generation config, template",
    }


def test_a_template_of_plain_words_gives_a_stop_string() -> None:
    made = model("{% for m in messages %}### {{ m.role }}:\n{{ m.content }}\n\n{% endfor %}")

    assert made.stops.strings == {"\n### user:": "template"}


def test_a_template_without_a_system_role_gets_the_instructions_in_the_first_turn() -> None:
    text = model(NO_SYSTEM).write(TURNS).rendered.text

    assert text == "<|im_start|>user\nBe brief.\n\nWho?<|im_end|>\n<|im_start|>assistant\n"


def test_so_does_one_that_drops_it_in_silence() -> None:
    silent = CHATML.replace(
        "{% for m in messages %}", "{% for m in messages if m.role != 'system' %}"
    )

    assert "Be brief.\n\nWho?" in model(silent).write(TURNS).rendered.text


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ raise_exception('never') }}", "never"),
        (
            "{% for m in messages[:1] %}{{ m.content }}{% endfor %}",
            "leaves out what the assistant says",
        ),
        ("<s><s>" + CHATML, "begin with <s> twice"),
        (
            "{{ messages[-1].content }}</s>{% for m in messages[:-1] %}{{ m.content }}{% endfor %}",
            "puts turns",
        ),
        ("", "has no chat template"),
    ],
)
def test_a_template_that_cannot_work_is_refused_with_the_reason(template: str, reason: str) -> None:
    with pytest.raises(TemplateRefused, match=reason):
        selftest.check(model(template))


def test_a_model_that_would_never_stop_is_refused() -> None:
    endless = files("{% for m in messages %}{{ m.content }}{% endfor %}")
    silent = ModelFiles("small", endless.tokenizer, {}, {}, {}, endless.chat_template)

    with pytest.raises(TemplateRefused, match="nothing ends an answer"):
        selftest.check(PromptModel(silent, GenerationSettings()))


def test_a_tokenizer_that_does_not_give_text_back_is_refused(data: Path) -> None:
    row = described()["chatml"]
    lower = tokenizer_data("bert-uncased", {"<|im_start|>", "<|im_end|>"})
    made = ModelFiles("small", lower, {"eos_token": "<|im_end|>"}, {}, {}, row["template"])

    with pytest.raises(TemplateRefused, match="does not give back the text"):
        selftest.check(PromptModel(made, GenerationSettings()))


@pytest.mark.parametrize(("thinking", "shown"), [("off", "False"), ("hidden", "True")])
def test_thinking_is_switched_by_the_variables_that_the_template_knows(
    thinking: str, shown: str
) -> None:
    made = model("{{ enable_thinking }} " + CHATML, thinking=thinking)

    assert made.write(TURNS).rendered.text.startswith(f"{shown} ")


def test_thinking_is_switched_off_by_a_word_where_the_template_looks_for_one() -> None:
    source = "{% if '/no_think' in messages[0].content %}OFF{% endif %}" + CHATML

    assert model(source, thinking="off").write(TURNS).rendered.text.startswith("OFF")
    assert not model(source, thinking="shown").write(TURNS).rendered.text.startswith("OFF")


def test_a_variable_of_the_settings_reaches_the_template() -> None:
    made = model(
        "{{ level }} {{ depth + 1 }}" + CHATML, template_variables={"level": "low", "depth": "3"}
    )

    assert made.write(TURNS).rendered.text.startswith("low 4")


def test_a_chat_template_of_the_users_replaces_the_models(tmp_path: Path) -> None:
    own = tmp_path / "own.jinja"
    own.write_text(f"MINE {CHATML}", encoding="utf-8")

    assert model(chat_template=own).write(TURNS).rendered.text.startswith("MINE ")
    with pytest.raises(TemplateRefused, match=r"missing\.jinja cannot be read"):
        model(chat_template=tmp_path / "missing.jinja")


def folder_of(tmp_path: Path, **changed: bytes | None) -> Path:
    """A model's folder as transformers saves it."""
    given = files()
    config = {**given.tokenizer_config, "eos_token": {"content": "</s>"}}
    found: dict[str, bytes | None] = {
        "tokenizer.json": given.tokenizer,
        "tokenizer_config.json": json.dumps(config).encode(),
        "config.json": json.dumps({"eos_token_id": 1}).encode(),
        "chat_template.jinja": CHATML.encode(),
        **changed,
    }
    for name, data in found.items():
        if data is not None:
            (tmp_path / name).write_bytes(data)
    return tmp_path


def test_a_model_is_read_from_its_folder(tmp_path: Path) -> None:
    found = find_files(str(folder_of(tmp_path)))

    assert found.chat_template == CHATML
    assert found.eos_ids == (1,)
    selftest.check(PromptModel(found, GenerationSettings()))


def test_of_several_templates_the_default_is_taken(tmp_path: Path) -> None:
    named = [{"name": "tool_use", "template": "x"}, {"name": "default", "template": CHATML}]
    folder = folder_of(
        tmp_path,
        **{
            "chat_template.jinja": None,
            "tokenizer_config.json": json.dumps({"chat_template": named}).encode(),
        },
    )

    assert find_files(str(folder)).chat_template == CHATML


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"tokenizer.json": None}, r"has no tokenizer\.json"),
        ({"config.json": b"{"}, r"config\.json is not JSON"),
        ({"config.json": b"[1]"}, "holds no JSON object"),
        ({"tokenizer_config.json": b"\xff\xfe"}, "is not JSON"),
    ],
)
def test_files_that_cannot_be_used_are_told_by_name(
    tmp_path: Path, changed: dict[str, bytes | None], reason: str
) -> None:
    with pytest.raises(ModelUnusable, match=reason):
        find_files(str(folder_of(tmp_path, **changed)))


def test_a_model_that_is_nowhere_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match="there is no folder"):
        find_files(str(tmp_path / "missing"))


def test_control_tokens_of_the_test_model_are_what_they_are_taken_for() -> None:
    assert set(model().tokenizer.controls) == set(SPECIAL)
