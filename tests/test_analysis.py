"""Terms: what a text is found by, in any language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from corpus import analysis, scripts
from corpus.analysis import analyse, analyse_question
from corpus.embedding import PACKAGED_MODEL, ModelTokens, model_folder
from corpus.languages import DEFAULT, LANGUAGES, language_of
from corpus.legibility import legibility
from corpus.stopwords import STOPWORDS

TEXTS = {
    "ar": "تأسست الجامعة في عام 1920 وهي واحدة من أقدم الجامعات في البلاد، وقد كانت تضم كل الكليات",
    "de": "Die Universität wurde im Jahr 1920 gegründet und ist eine der ältesten des Landes.",
    "el": "Το πανεπιστήμιο ιδρύθηκε το 1920 και είναι ένα από τα παλαιότερα της χώρας.",
    "en": "The university was founded in 1920 and is one of the oldest in the country.",
    "es": "La universidad fue fundada en el año 1920 y es una de las más antiguas del país.",
    "fr": "L'université a été fondée en 1920 et elle est une des plus anciennes du pays.",
    "hi": "विश्वविद्यालय की स्थापना 1920 में हुई थी और यह देश के सबसे पुराने में से एक है।",
    "it": "L'università è stata fondata nel 1920 ed è una delle più antiche del paese.",
    "nl": "De universiteit werd in 1920 gesticht en is een van de oudste van het land.",
    "pl": "Uniwersytet został założony w 1920 roku i jest to jeden z najstarszych w kraju.",
    "pt": "A universidade foi fundada no ano de 1920 e é uma das mais antigas do país.",
    "ro": "Universitatea a fost înființată în anul 1920 și este una din cele mai vechi din țară.",
    "ru": "Университет был основан в 1920 году и это один из старейших в стране, как и он сам.",
    "sv": "Universitetet grundades 1920 och är ett av de äldsta i landet, som är stort.",
    "tr": "Üniversite 1920 yılında kuruldu ve bu ülkenin en eski üniversitelerinden bir tanesi.",
    "vi": "Trường đại học được thành lập năm 1920 và là một trong những trường lâu đời của nước",
}


@pytest.mark.parametrize("language", TEXTS)
def test_a_sentence_is_enough_to_tell_its_language(language: str) -> None:
    assert language_of(TEXTS[language]) == language


@pytest.mark.parametrize(
    "text", ["", "1234 5678", "ZADD key", "该公司于何时成立？该公司于何时成立？", "\0 \u2028"]
)
def test_what_has_no_function_words_is_of_the_default_language(text: str) -> None:
    assert language_of(text) == DEFAULT


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("en", "running costs", "RUN cost"),
        ("de", "die Häuser", "HÄUSERN"),
        ("de", "Straße", "STRASSE"),
        ("es", "las canciones", "canción"),
        ("fr", "chevaux légers", "CHEVAUX LEGERS"),
        ("ru", "книги", "книгу"),
        ("ar", "الكِتَاب", "الكتاب"),
        ("hi", "किताबें", "किताबों"),
        ("en", "ﬁle", "file"),
        ("en", "ｆｕｌｌ ｗｉｄｔｈ", "full width"),
    ],
)
def test_forms_of_a_word_share_a_term(language: str, one: str, other: str) -> None:
    assert set(analyse(other, language).words) <= set(analyse(one, language).words)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("我们公司成立于一九九八年。", "公司何时成立"),
        ("会社は1998年に設立されました", "会社の設立"),
        ("회사는 1998년에 설립되었다", "회사 설립"),
        ("บริษัทก่อตั้งขึ้นในปี 1998", "บริษัทก่อตั้ง"),
    ],
)
def test_words_without_spaces_between_them_are_found(text: str, asked: str) -> None:
    assert len(set(analyse(asked, "en").words) & set(analyse(text, "en").words)) >= 2


@pytest.mark.parametrize(
    ("text", "whole", "parts"),
    [
        ("Call `pg_dump` first.", "pg_dump", {"pg", "dump"}),
        ("since v1.2.3, it", "v1.2.3", {"v1", "2", "3"}),
        ("costs (O(log(N))).", "o(log(n))", {"o", "log", "n"}),
        ("see RFC-2119:", "rfc-2119", {"rfc", "2119"}),
        ("--max-delete=5%", "max-delete=5%", {"max", "delet", "5"}),
        ("the file corpus/words.py.", "corpus/words.py", {"corpus", "word", "py"}),
    ],
)
def test_an_identifier_is_kept_whole_and_in_parts(text: str, whole: str, parts: set[str]) -> None:
    found = analyse(text, "en")
    assert found.identifiers == [whole]
    assert parts <= set(found.words)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("getUserName", {"getusernam", "get", "user", "name"}),
        ("HTTPServer", {"httpserver", "http", "server"}),
    ],
)
def test_a_name_in_mixed_case_is_found_by_its_parts(text: str, parts: set[str]) -> None:
    assert set(analyse(text, "en").words) == parts


def test_plain_words_are_no_identifiers() -> None:
    assert analyse('"Plain", (words) here; [all] of `them`...', "en").identifiers == []


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("When was the university founded?", ["universiti", "found"]),
        ("What's the running cost?", ["run", "cost"]),
        ("Who runs the IT of the WHO?", ["run", "it", "who"]),
        ("what is it", ["what", "is", "it"]),
        ("WHAT IS ZADD", ["zadd"]),
        ("What does is_active do?", ["is", "activ"]),
    ],
)
def test_a_question_is_searched_without_its_function_words(question: str, words: list[str]) -> None:
    assert analyse_question(question, ["en"]).words == words


def test_the_function_words_of_one_language_are_words_of_another() -> None:
    assert analyse_question("When did he die?", ["de", "en"]).words == ["die"]


def test_a_question_is_stemmed_in_every_language_of_the_corpus() -> None:
    asked = analyse_question("canciones", ["en", "es"]).words
    assert set(analyse("canción", "es").words) | set(analyse("canciones", "en").words) <= set(asked)


@given(st.text(st.characters(max_codepoint=127), max_size=200))
def test_plain_text_has_the_words_that_it_has_beside_other_scripts(text: str) -> None:
    assert [*scripts.words(text), "é"] == scripts.words(f"{text} é")
    assert [*scripts.unspaced(text), "会"] == scripts.unspaced(f"{text} 会")


@given(st.text(max_size=200), st.sampled_from(LANGUAGES))
def test_any_text_has_terms_without_spaces_in_them(text: str, language: str) -> None:
    found = analyse(text, language)
    asked = analyse_question(text, [language])
    for term in (*found.words, *found.identifiers, *asked.words, *asked.identifiers):
        assert term.split() == [term]
    assert set(asked.words) <= set(found.words)


@given(st.text(max_size=100), st.text(max_size=100), st.sampled_from(LANGUAGES))
def test_lines_have_the_terms_that_each_has_alone(one: str, other: str, language: str) -> None:
    both, first, second = (analyse(text, language) for text in (f"{one}\n{other}", one, other))
    assert both.words == first.words + second.words
    assert both.identifiers == first.identifiers + second.identifiers


def test_terms_are_the_same_once_more_pieces_were_seen_than_are_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(analysis, "_MOST_KNOWN", 5)
    text = "Running costs: v1.2.3 and getUserName, 会社の設立 " + "x" * 81
    before = analyse(text, "en")
    for number in range(20):
        analyse(f"word{number}", "en")
    assert analyse(text, "en") == before
    assert len(analysis._known_of("en")) <= 5


def test_the_lists_hold_words_in_one_form() -> None:
    for words in STOPWORDS.values():
        assert all(word == word.casefold() for word in words)


def test_the_pieces_of_a_text_are_its_tokens_without_specials_whatever_was_read_before() -> None:
    folder = model_folder(PACKAGED_MODEL)
    tokens, plain = ModelTokens(folder, 16), Tokenizer.from_file(str(folder / "tokenizer.json"))
    plain.no_truncation()
    plain.no_padding()
    unknown = plain.token_to_id("[UNK]")
    for text in ("", "Who was it?", "[CLS] a [SEP] [UNK]", "บริษัท 会社", "one word more " * 20):
        expected = plain.encode(text, add_special_tokens=False).ids
        for read_before in ("another text", text):
            tokens.ids(read_before)
            assert tokens.pieces(text) == (len(expected), expected.count(unknown))
            assert tokens.ids(text)[1:-1] == expected[:14]


def test_a_model_reads_its_own_language_and_not_others() -> None:
    tokens = ModelTokens(model_folder(PACKAGED_MODEL), 256)
    assert legibility("When was the university founded?", tokens) == 1
    assert legibility("How do I use ZRANGEBYLEX with pg_dump v1.2.3?", tokens) > 0.8
    assert legibility("Wann wurde die Universität gegründet?", tokens) > 0.5
    assert legibility("Πότε ιδρύθηκε το πανεπιστήμιο;", tokens) < 0.2
    assert legibility("บริษัทก่อตั้งเมื่อใด", tokens) < 0.2
    assert legibility("", tokens) == 1
