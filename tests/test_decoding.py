"""Decoding: every byte becomes a character or the file is refused, and nothing is normalised."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import UnreadableSource
from ingest.decoding import decode, remarks

GERMAN = (
    "Die Größe der Straße überraschte „alle“ – auch die Ämter, die Öfen prüfen.\r\nSchön!\n" * 3
)
SPANISH = "El niño pequeño comió más piñas en el jardín; ¿quién lo dirá mañana?\n" * 3
POLISH = "Zażółć gęślą jaźń, proszę pamiętać o łąkach i źródłach, które są święte.\n" * 3
TURKISH = "Şu köşe yaz köşesi, şu köşe kış köşesi; ığdır ağacı çok güzel görünüyor.\n" * 3
RUSSIAN = "Поисковая система хранит документы и отвечает на вопросы по их тексту.\n" * 3
GREEK = "Η μηχανή αναζήτησης αποθηκεύει έγγραφα και απαντά σε ερωτήσεις για το κείμενο.\n" * 3
CHINESE = "搜索引擎保存文件，并根据其内容回答问题。计算复杂性理论研究算法的资源。\n" * 3
JAPANESE = "検索エンジンは文書を保存し、その内容について質問に答えます。東京は首都です。\n" * 3
KOREAN = "검색 엔진은 문서를 보관하고 그 내용에 대한 질문에 답합니다. 서울은 수도입니다.\n" * 3

WRITTEN_IN = [
    (GERMAN, "cp1252"),
    (SPANISH, "cp1252"),
    (SPANISH, "mac_roman"),
    (GERMAN.replace("„", "").replace("“", "").replace("–", ""), "cp850"),
    (POLISH, "cp1250"),
    (POLISH, "iso8859_2"),
    (TURKISH, "cp1254"),
    (RUSSIAN, "cp1251"),
    (RUSSIAN, "koi8_r"),
    (RUSSIAN, "cp866"),
    (GREEK, "cp1253"),
    (CHINESE, "gb18030"),
    (JAPANESE, "cp932"),
    (JAPANESE, "euc_jp"),
    (JAPANESE, "iso2022_jp"),
    (KOREAN, "cp949"),
    (RUSSIAN, "utf-16-le"),
    (GERMAN, "utf-16-be"),
    (CHINESE, "utf-32-le"),
    (KOREAN, "utf-32-be"),
    (CHINESE, "utf-8"),
]


@pytest.mark.parametrize(("text", "encoding"), WRITTEN_IN)
def test_text_is_read_in_the_encoding_it_was_written_in(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding))[0] == text


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@given(text=st.text(st.characters(exclude_categories=("Cs", "Cc"))))
def test_a_byte_order_mark_is_dropped_and_nothing_else(encoding: str, text: str) -> None:
    assert decode(text.encode(encoding))[0] == text


@given(text=st.text(st.characters(exclude_categories=("Cs", "Cc"))))
def test_utf_8_is_kept_to_the_character(text: str) -> None:
    """No newline translation, no normal form: offsets are those of the file."""
    data = f"a\r\nb\rc\u2028{text}".encode()

    assert decode(data) == (data.decode(), "utf-8")


@given(data=st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        text, encoding = decode(data)
    except UnreadableSource:
        return
    text.encode("utf-8")
    assert encoding


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"%PDF-1.7\n", "a PDF file"),
        (b"PK\x03\x04rest", "a ZIP archive"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"\x1f\x8b\x08", "a gzip archive"),
        (b"\x7fELF\x02", "an ELF program"),
        (b"text with \x00 one NUL byte in it", "1 NUL bytes"),
        (b"\x01\x02\x03\x04" * 20, "control characters"),
        (b"\xff\xfea\x00\x00\xd8", "utf-16-le"),
        (b"\xff\xfea\x00\x00\x00", "NUL characters"),
    ],
)
def test_binary_content_is_refused_by_what_it_is(data: bytes, found: str) -> None:
    with pytest.raises(UnreadableSource, match=found):
        decode(data)


def test_a_declared_encoding_decides_what_the_bytes_leave_open() -> None:
    data = "Île".encode("iso8859_2")

    assert decode(data, "ISO-8859-2") == ("Île", "iso8859-2")
    assert decode(data, "latin1")[1] == "cp1252"  # as browsers read it


@pytest.mark.parametrize("declared", ["utf-7", "base64", "rot13", "no such", "", "\x00", "cp1251"])
def test_a_wrong_declaration_does_no_harm(declared: str) -> None:
    assert decode("Größe".encode(), declared) == ("Größe", "utf-8")


def test_stray_bytes_in_utf_8_are_kept_and_said() -> None:
    data = GERMAN.encode() + "naïve".encode("cp1252") + b" \x81"

    text, encoding = decode(data)

    assert text == f"{GERMAN}naïve \x81"
    assert remarks(encoding)
    assert not remarks("utf-8")


def test_a_file_cut_within_a_character_keeps_all_before_it() -> None:
    assert decode(GERMAN.encode() + b"sp\xc3")[0].startswith(f"{GERMAN}sp")


def test_real_files_in_forty_encodings(data: Path) -> None:
    folder = data / "malformed_dev"
    wrong = []
    for line in (folder / "encoding_expected.jsonl").read_text("utf-8").splitlines():
        case = json.loads(line)
        content = (folder / "files" / case["file"]).read_bytes()
        if decode(content)[0] not in (case["text"], content.decode(case["encoding"])):
            wrong.append(case["encoding"])

    assert wrong == ["utf-7"]  # valid ASCII, and read as such
