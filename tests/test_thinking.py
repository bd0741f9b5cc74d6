"""Thoughts: nothing a model says to itself gets into its answer, however the text arrives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rag.answers import Thought
from rag.engines.vllm.thinking import Pair, Thinking, ends_inside, pairs_in

THINK: tuple[Pair, ...] = (("<think>", "</think>"),)
HARMONY = pairs_in("<|channel|>")
SAID = "<|start|>assistant<|channel|>final<|message|>"


def split(*parts: str, pairs: tuple[Pair, ...] = THINK, inside: bool = False) -> tuple[str, str]:
    """The answer and the thoughts."""
    thinking = Thinking(pairs, inside=inside)
    pieces = [piece for part in parts for piece in thinking.feed(part)] + thinking.end()
    assert "" not in pieces
    assert Thought("") not in pieces
    return (
        "".join(piece for piece in pieces if isinstance(piece, str)),
        "".join(piece.text for piece in pieces if isinstance(piece, Thought)),
    )


@pytest.mark.parametrize(
    ("text", "inside", "answer", "thoughts"),
    [
        ("27 days.", False, "27 days.", ""),
        ("<think>\nHm.\n</think>\n\n27 days.", False, "27 days.", "Hm.\n"),
        ("\n<think>Hm.</think>27 days.", False, "27 days.", "Hm."),
        ("<think>\n\n</think>\n\n27 days.", False, "27 days.", ""),
        ("Hm.\n</think>\n\n27 days.", True, "27 days.", "Hm.\n"),
        ("Hm, and <think> again.</think>27.", True, "27.", "Hm, and <think> again."),
        ("27 days.</think> More.", False, "27 days. More.", ""),
        ("It never ends", True, "", "It never ends"),
        ("<think>It never ends </thin", False, "", "It never ends </thin"),
        ("27. <think>Or 28?</think> 27 it is.", False, "27. 27 it is.", "Or 28?"),
        ("27.<think>Or 28?</think> 27 it is.", False, "27. 27 it is.", "Or 28?"),
        ("", False, "", ""),
        ("", True, "", ""),
        ("a < b, <thin", False, "a < b, <thin", ""),
        ("<<think>a</think>b", False, "<b", "a"),
    ],
)
def test_thoughts_are_taken_out(text: str, inside: bool, answer: str, thoughts: str) -> None:
    assert split(text, inside=inside) == (answer, thoughts)
    assert split(*text, inside=inside) == (answer, thoughts)


@pytest.mark.parametrize(
    ("template", "text", "thoughts"),
    [
        ("{% '</seed:think>' %}", "<seed:think>Hm.</seed:think>27.", "Hm."),
        ("[THINK]..[/THINK]", "[THINK]Hm.[/THINK]27.", "Hm."),
        ("<|channel>thought\n<channel|>", "<|channel>thought\nHm.<channel|>27.", "Hm."),
        ("<|END_THINKING|>", "<|START_THINKING|>Hm.<|END_THINKING|><|START_RESPONSE|>27.", "Hm."),
        ("<|END_THINKING|>", "<|START_THINKING|>Hm.<|END_THINKING|>27.", "Hm."),
        ("<|channel|>", f"<|channel|>analysis<|message|>Hm.<|end|>{SAID}27.", "Hm."),
        ("<|channel|>", "<|channel|>final<|message|>27.", ""),
        (
            "<|channel|>",
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant"
            f"<|channel|>commentary<|message|>Wait.<|end|>{SAID}27.",
            "Hm.<|end|><|start|>assistant<|channel|>commentary<|message|>Wait.",
        ),
    ],
)
def test_each_family_is_known_by_its_template(template: str, text: str, thoughts: str) -> None:
    assert split(text, pairs=pairs_in(template)) == ("27.", thoughts)
    assert split(*text, pairs=pairs_in(template)) == ("27.", thoughts)


def test_a_model_without_thoughts_has_all_its_text_told() -> None:
    assert pairs_in("{{ messages }}") == ()
    assert split("<think>a</think>", pairs=()) == ("<think>a</think>", "")


def test_the_real_templates_are_known_and_say_where_the_answer_begins(data: Path) -> None:
    lines = (data / "chat_templates" / "templates.jsonl").read_text(encoding="utf-8").splitlines()
    rows = {row["name"]: row for row in map(json.loads, lines)}
    pairs = {name: pairs_in(row["template"]) for name, row in rows.items()}
    inside = {
        name
        for name, row in rows.items()
        if ends_inside(row["generation_prompt"]["text"] or "", pairs[name])
    }

    opened = {"qwq-32b", "qwen3.5", "deepseek-r1-distill", "glm-5.1", "nemotron-nano-v2"}
    assert inside == opened
    known = {name for name, found in pairs.items() if found}
    assert known >= opened | {"qwen3", "deepseek-r1", "gemma-4", "gpt-oss", "seed-oss", "smollm3"}
    assert not known & {"llama-3.1", "gemma-2", "phi-3", "mistral-7b-v0.3"}
    thinks = {name for name, row in rows.items() if "think>" in row["template"]}
    assert thinks <= known


def test_the_answer_is_let_out_at_once_unless_a_marker_may_begin() -> None:
    thinking = Thinking(THINK, inside=False)

    assert thinking.feed("27 days <") == ["27 days "]
    assert thinking.feed("5") == ["<5"]
    assert thinking.feed("<thi") == []
    assert thinking.feed("nk>Hm") == [Thought("Hm")]
    assert thinking.feed(" </") == [Thought(" ")]
    assert thinking.feed("think>") == []
    assert thinking.feed(" \n So.") == [" \n So."]
    assert thinking.end() == []


PARTS = st.sampled_from(
    [
        *(
            "<think>",
            "</think>",
            "<thi",
            "nk>",
            "<",
            "</",
            " ",
            "\n",
            "a",
            "bc.",
            *sum(HARMONY, ()),
        ),
        *("<|end|>", "<|start|>assistant", "<|channel|>", "final", "<|message|>"),
    ]
)
TEXTS = st.lists(PARTS, max_size=12).map("".join)


@given(TEXTS, st.booleans(), st.lists(st.integers(1, 9), min_size=1, max_size=20))
@example("<|end|><|start|>assistant<|channel|>final<|message|>", False, [1])
def test_however_the_text_is_cut_the_result_is_the_same(
    text: str, inside: bool, sizes: list[int]
) -> None:
    pairs = (*THINK, *HARMONY)
    parts, at = [], 0
    for size in sizes * (len(text) + 1):
        parts.append(text[at : at + size])
        at += size

    whole = split(text, pairs=pairs, inside=inside)
    assert split(*parts, pairs=pairs, inside=inside) == whole
    assert split(*text, pairs=pairs, inside=inside) == whole


@given(st.lists(st.sampled_from(["<think>", "</think>", " x", "y ", "\n"])))
def test_the_answer_is_what_stands_outside(parts: list[str]) -> None:
    answer, thoughts = split(*parts)

    assert "think>" not in answer
    words: list[str] = []
    inside = False
    for part in parts:
        if part.startswith("<"):
            inside = part == "<think>" or (inside and part != "</think>")
        elif not inside:
            words.append(part)
    assert "".join(answer.split()) == "".join("".join(words).split())
    assert answer == answer.lstrip()
    assert len(answer) + len(thoughts) <= len("".join(parts))
