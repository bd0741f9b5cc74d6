"""Tokens put together from those of pieces: the same as the tokenizer makes of the whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

from corpus import embedding, pieces
from corpus.embedding import PACKAGED_MODEL, ModelTokens, model_folder
from corpus.pieces import Pieces, splits_at_spaces


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    loaded: Tokenizer = Tokenizer.from_file(str(model_folder(PACKAGED_MODEL) / "tokenizer.json"))
    loaded.no_truncation()
    loaded.no_padding()
    return loaded


@pytest.fixture(scope="module")
def shared(tokenizer: Tokenizer) -> Pieces:
    return Pieces(tokenizer)


@pytest.fixture(scope="module")
def two() -> tuple[ModelTokens, ModelTokens]:
    folder = model_folder(PACKAGED_MODEL)
    return ModelTokens(folder, 256), ModelTokens(folder, 256)


SPACES = " \t\n\r\x0b\x0c\x1c\x1f\x85\xa0\u1680\u200b\u2028\u3000"
ODD = "aBß9.-'[]#\x00\x7f\xad\u0301\u0345\u200dΣςİ中ก한🙂\ufffd\ufeff"
WORDS = ["Leave", "27", "days", "[SEP]", "[CLS]", "[MA", "SK]", "ünï", "e\u0301", "x" * 101, "##s"]


@given(
    st.lists(
        st.one_of(st.text(SPACES + ODD), st.text(), st.lists(st.sampled_from(WORDS)).map(" ".join))
    )
)
@example(["", " ", "a\x1cb", "a\x0cb c", "[SEP ]", "A\u0301 \u0301b", "ΟΔΟΣ Σ", "中文 字"])
def test_they_are_those_of_the_whole_text(
    tokenizer: Tokenizer, shared: Pieces, texts: list[str]
) -> None:
    whole = [one.ids for one in tokenizer.encode_batch_fast(texts)]

    assert shared.ids(texts) == whole
    assert shared.ids(texts) == whole, "once they are known"


def test_letters_stay_large_where_the_tokenizer_keeps_them(tokenizer: Tokenizer) -> None:
    for normalizer in (None, normalizers.BertNormalizer(lowercase=False)):
        other = _changed(tokenizer, normalizer=normalizer)
        texts = ["Leave 27 DAYS, leave 27 days!", "MiXed-Case", "x\x00y", "Sésame"]
        assert Pieces(other).ids(texts) == [other.encode(text).ids for text in texts]


def test_an_added_token_is_found_within_a_piece(tokenizer: Tokenizer) -> None:
    texts = ["sick-leave.", "Sick-LEAVE", "[leave]", "annual", "eave", "[SEP]leave", "days-eave"]
    for added in (AddedToken("leave", normalized=False), AddedToken("LEAVE"), AddedToken("éave")):
        other = _changed(tokenizer)
        other.add_tokens([added])
        assert Pieces(other).ids(texts) == [other.encode(text).ids for text in texts]


def test_what_is_remembered_has_an_end(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "_MOST", 50 * 11)
    few = Pieces(tokenizer)

    for start in range(0, 400, 20):
        texts = [f"{number} {number + 1}" for number in range(start, start + 20)]
        assert few.ids(texts) == [one.ids for one in tokenizer.encode_batch_fast(texts)]
        assert len(few._known) <= 50

    for large, word in ((" ".join(map(str, range(1000))), "leave"), ("x" * 10**5, "days")):
        assert few.ids([large, word]) == [tokenizer.encode(one).ids for one in (large, word)]
        assert few.ids([word * 2]) == [tokenizer.encode(word * 2).ids]
        assert len(few._known) == 1


def test_threads_may_share_it(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_MOST", 2000)
    shared = Pieces(tokenizer)
    texts = [[f"{n} leave {n % 7}x{n}" for n in range(at, at + 90)] for at in range(0, 900, 30)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(shared.ids, texts * 20))

    assert found == [[one.ids for one in tokenizer.encode_batch_fast(some)] for some in texts] * 20


def _changed(tokenizer: Tokenizer, **parts: object) -> Tokenizer:
    other: Tokenizer = Tokenizer.from_str(tokenizer.to_str())
    for name, part in parts.items():
        setattr(other, name, part)
    return other


def _template(single: str) -> processors.TemplateProcessing:
    return processors.TemplateProcessing(single, special_tokens=[("[CLS]", 101), ("[SEP]", 102)])


def test_it_is_known_which_tokenizers_split_at_spaces(tokenizer: Tokenizer) -> None:
    assert splits_at_spaces(tokenizer)
    assert splits_at_spaces(_changed(tokenizer, post_processor=_template("$A [SEP]")))
    others = (
        _changed(tokenizer, normalizer=normalizers.NFKC()),
        _changed(tokenizer, pre_tokenizer=pre_tokenizers.Metaspace()),
        _changed(tokenizer, pre_tokenizer=pre_tokenizers.ByteLevel()),
        _changed(tokenizer, model=models.WordLevel({"a": 0}, unk_token="a")),
        _changed(tokenizer, post_processor=processors.ByteLevel()),
        _changed(tokenizer, post_processor=_template("[CLS] $A [SEP] $A [SEP]")),
    )
    assert not any(map(splits_at_spaces, others))

    for added in ("New York", "a\n"):
        spaced = _changed(tokenizer)
        spaced.add_tokens([AddedToken(added)])
        assert not splits_at_spaces(spaced)


def test_the_prefix_of_a_model_is_counted_and_read(tokenizer: Tokenizer) -> None:
    prefixed = ModelTokens(model_folder(PACKAGED_MODEL), 256, "passage: ")
    glued = ModelTokens(model_folder(PACKAGED_MODEL), 256, "pass")

    [ids] = prefixed.ids_of_each(["27 days"])
    assert ids == tokenizer.encode("passage: 27 days").ids
    assert prefixed.count(["27 days"]) == [len(ids)]
    assert glued.ids_of_each(["age 27"]) == [tokenizer.encode("passage 27").ids]


@given(st.lists(st.text(ODD + " ", max_size=20) | st.sampled_from(WORDS), max_size=8))
def test_what_was_counted_before_it_is_embedded_has_the_tokens_that_it_has_without(
    two: tuple[ModelTokens, ModelTokens], texts: list[str]
) -> None:
    tokens, fresh = two

    counted = [tokens.count_chunk(text) for text in texts[::2]]

    assert counted == fresh.count(texts[::2])
    for _ in range(2):  # the second time nothing is kept any more
        assert tokens.ids_of_each([*texts, *texts]) == fresh.ids_of_each([*texts, *texts])


def test_a_chunk_is_tokenised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens, read, real = ModelTokens(model_folder(PACKAGED_MODEL), 256), [], Pieces.ids
    chunks = [f"chunk {number}" for number in range(embedding._MOST_KEPT + 1)]

    def ids(self: Pieces, texts: list[str]) -> list[list[int]]:
        read.extend(texts)
        return real(self, texts)

    monkeypatch.setattr(Pieces, "ids", ids)
    tokens.count_chunk("first")
    tokens.ids_of_each(["first", "second"])
    assert read == ["first", "second"]

    for chunk in chunks:
        tokens.count_chunk(chunk)
    assert len(tokens._kept) <= embedding._MOST_KEPT
