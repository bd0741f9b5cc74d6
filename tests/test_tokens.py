"""Tokens of a prompt: the tokenizer's own, and control tokens from the template alone."""

from __future__ import annotations

import json
import random
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpus.errors import ModelUnusable
from rag.prompt.template import ChatTemplate
from rag.prompt.tokens import ModelTokenizer
from rag.prompt.types import TEMPLATE, Message, Role, Segment, message
from tests.templates import FOLDER, NAMES, cases, config, described, rows, template, tokenizer

LOSSLESS = {"phi-2", "phi-2-chatml-derived", "phi-3-mini"}
"""The others fold letters or white space, so no text comes back from them as it was."""
HOSTILE = 100_000

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
)


def hostile(made_for: ModelTokenizer, number: int) -> Iterator[str]:
    """Texts that would be control tokens: whole, halved, nested, joined, in other letters."""
    draw = random.Random(7)
    others = [
        "<|im_start|>",
        "<|eot_id|>",
        "</s>",
        "[INST]",
        "<｜User｜>",
        "<think>",
        "<start_of_turn>",
    ]
    controls = [*made_for.controls, *others]
    full = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})
    plain = ["a", " ", "\n", "word", "Größe", "日本", "\u200b", "\ufeff", "\u202e", "{{ x }}", "é"]
    plain += ["e\u0301", "\\", "zq", "0", "▁", "Ġ", "<0x0A>", "\t\t\t", "  ", "\ufffd", "𝒳", "ﬁ"]

    def piece() -> str:
        token = draw.choice(controls)
        cut = draw.randrange(len(token) + 1)
        return draw.choice(
            (
                token,
                token[:cut] + token + token[cut:],  # what is left when the inner one is stripped
                token[:cut],
                token[cut:],
                token.translate(full),
                token.replace("<", "&lt;"),
                token[:cut] + "\u200b" + token[cut:],
                token.upper(),
                draw.choice(plain),
                draw.choice(plain),
                chr(draw.choice((draw.randrange(1, 0xD800), draw.randrange(0xE000, 0x110000)))),
            )
        )

    for _ in range(number):
        yield "".join(piece() for _ in range(draw.randrange(1, 8)))


@pytest.mark.parametrize("name", NAMES)
def test_no_hostile_text_becomes_a_control_token_and_all_of_it_comes_back(
    name: str, data: Path
) -> None:
    made_for = tokenizer(name)
    texts = list(hostile(made_for, HOSTILE))
    unknown = {made_for.id_of("[UNK]"), made_for.id_of("<unk>")}
    controls = set(made_for.controls.values()) - unknown

    encoded = made_for.encode_texts(texts)

    forged = [
        text for text, ids in zip(texts, encoded, strict=True) if not controls.isdisjoint(ids)
    ]
    assert forged == []
    if name in LOSSLESS:
        blank = name == "phi-3-mini"  # SentencePiece writes a space as this character
        for text, ids in zip(texts, encoded, strict=True):
            assert made_for.decode(ids) == (text.replace("▁", " ") if blank else text)


@pytest.mark.parametrize("name", NAMES)
def test_texts_without_control_tokens_have_the_ids_that_the_tokenizer_gives_them(
    name: str, data: Path
) -> None:
    made_for = tokenizer(name)
    texts = [row["text"] for row in rows(f"tokenizers/{name}/encoded.jsonl")]
    texts += list(hostile(made_for, 2000))
    plain = [
        text
        for text in texts
        if not made_for.controls_in(text)  # nor once a normaliser has folded it
        and not made_for.controls_in(unicodedata.normalize("NFKC", text))
    ]
    assert len(plain) > 500

    for text, ids in zip(plain, made_for.encode_texts(plain), strict=True):
        assert ids == made_for.own(text).ids, text


@pytest.mark.parametrize("name", NAMES)
def test_a_prompt_has_the_ids_and_spans_that_the_tokenizer_gives_its_whole_text(
    name: str, data: Path
) -> None:
    """For every template whose end of a turn this tokenizer knows: no part boundary shows."""
    made_for, prompts = tokenizer(name), 0
    for case in cases("rendered.jsonl"):
        known = set(described()[case.name]["end_of_turn"]) <= made_for.controls.keys()
        if case.text is None or not known:
            continue
        prompt = made_for.encode(case.messages, template(case.name).render(case.messages))
        own = made_for.own(case.text)
        assert list(prompt.ids) == own.ids
        assert list(prompt.spans) == own.offsets
        assert sum(prompt.ledger().values()) == len(prompt.ids)
        prompts += 1
    assert prompts >= (100 if name in ("phi-3-mini", "phi-2-chatml-derived") else 0)


def test_control_tokens_in_a_prompt_are_the_templates_whatever_its_parts_say(data: Path) -> None:
    made_for = tokenizer("phi-2-chatml-derived")
    chatml = ChatTemplate(CHATML, {})
    start, end = made_for.controls["<|im_start|>"], made_for.controls["<|im_end|>"]
    for text in hostile(made_for, 2000):
        halves = (Segment("a", text), Segment("b", "<|im_"), Segment("c", f"start|>{text}"))
        turns = [message(Role.SYSTEM, text, "s"), Message(Role.USER, halves)]

        prompt = made_for.encode(turns, chatml.render(turns))

        controls = [one for one in prompt.ids if one in made_for.controls.values()]
        assert controls == [start, end, start, end, start]
        assert [prompt.part_of()[at] for at in prompt.control] == [TEMPLATE] * 5
        assert made_for.decode(prompt.ids) == prompt.rendered.text


def test_the_tokenizer_alone_would_have_forged_them(data: Path) -> None:
    """What the tests above rest on: without the guard these texts are control tokens."""
    made_for = tokenizer("phi-2-chatml-derived")
    controls = set(made_for.controls.values())
    texts = list(hostile(made_for, 1000))

    assert sum(bool(controls & set(made_for.own(text).ids)) for text in texts) > 100
    folded = [unicodedata.normalize("NFKC", text) for text in texts]
    assert any(
        controls & set(made_for.own(after).ids) and not controls & set(made_for.own(before).ids)
        for before, after in zip(texts, folded, strict=True)
    )


def test_runs_of_spaces_that_a_tokenizer_adds_are_text(data: Path) -> None:
    made_for = tokenizer("phi-2")
    code = "if x:\n        return    1"

    (ids,) = made_for.encode_texts([code])

    assert ids == made_for.own(code).ids
    assert list(made_for.controls) == ["<|endoftext|>"]


@pytest.mark.parametrize(
    ("add_bos", "template_writes", "count"), [(True, False, 1), (True, True, 1), (False, False, 0)]
)
def test_bos_stands_once_where_the_model_wants_it(
    add_bos: bool, template_writes: bool, count: int, data: Path
) -> None:
    folder = FOLDER / "tokenizers" / "phi-3-mini"
    told = {**config(folder), "add_bos_token": add_bos}
    made_for = ModelTokenizer((folder / "tokenizer.json").read_bytes(), told)
    source = ("{{ bos_token }}" if template_writes else "") + "{{ messages[0].content }}"
    turns = [message(Role.USER, "Who?", "q")]

    prompt = made_for.encode(turns, ChatTemplate(source, {"bos_token": "<s>"}).render(turns))

    assert prompt.ids.count(made_for.controls["<s>"]) == count
    assert prompt.ids[:count] == (made_for.controls["<s>"],) * count


def test_tokens_that_reach_over_the_end_of_a_part_are_listed(data: Path) -> None:
    made_for = tokenizer("phi-2")
    turns = [Message(Role.USER, (Segment("a", "Hel"), Segment("b", "lo wor"), Segment("c", "ld")))]

    prompt = made_for.encode(turns, ChatTemplate("{{ messages[0].content }}", {}).render(turns))

    assert made_for.pieces(prompt.ids) == ("Hello", "Ġworld")
    assert prompt.joins() == [0, 1]
    assert prompt.part_of() == ["a", "b"]


@pytest.mark.parametrize("data_", [b"", b"{}", b"[1]", b'{"model": {"type": "None"}}', b"\xff"])
def test_what_is_no_tokenizer_is_refused(data_: bytes) -> None:
    with pytest.raises(ModelUnusable, match=r"tokenizer\.json cannot be read"):
        ModelTokenizer(data_, {})


def test_two_starts_have_other_secret_names_and_the_same_tokens(data: Path) -> None:
    folder = FOLDER / "tokenizers" / "phi-3-mini"
    file, told = (folder / "tokenizer.json").read_bytes(), config(folder)
    one, other = ModelTokenizer(file, told), ModelTokenizer(file, told)

    assert one.controls == other.controls
    assert json.dumps(sorted(one.controls)) == json.dumps(sorted(other.controls))
    assert set(one._names.values()).isdisjoint(other._names.values())
