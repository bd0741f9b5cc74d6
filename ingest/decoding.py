"""From the bytes of a text file to its characters, or to a reason why there are none.

Every byte of the file is in the text: nothing is ignored or replaced, newlines are left as they
are, nothing is normalised; only a byte-order mark is dropped. So offsets into the text are
offsets into the file as any strict decoder reads it.

The order of evidence: byte-order mark, NUL pattern (UTF-16 and UTF-32 without mark), valid
UTF-8, what the file itself declares, letters of languages for mostly Latin text, statistics.
UTF-7 is not recognised (it is valid ASCII and reads as such).
"""

from __future__ import annotations

import codecs
import re

from corpus.errors import UnreadableSource
from ingest import alphabets

_BOMS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_MAGIC = (
    (b"%PDF", "a PDF file"),
    (b"PK\x03\x04", "a ZIP archive or Office file"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"\x7fELF", "an ELF program"),
    (b"\xd0\xcf\x11\xe0", "an old Office file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"{\\rtf", "an RTF file"),
)
_DECLARED = {  # names as files declare them -> the code page that browsers read them with
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
}
_STATISTICAL = [
    *alphabets.CODE_PAGES,
    *("cp1251", "cp1253", "cp1255", "cp1256", "cp866", "cp874", "koi8_r", "cp037"),
    *("iso8859_5", "iso8859_6", "iso8859_7", "iso8859_8"),
    *("gb18030", "big5", "cp932", "euc_jp", "cp949"),
]
_TRUSTED = {
    *(codecs.lookup(name).name for name in _STATISTICAL),
    *_DECLARED.values(),
    *("cp1125", "koi8-u", "iso8859-3", "iso8859-4", "iso8859-10", "iso8859-13", "iso8859-14"),
    *("iso8859-15", "iso8859-16", "iso2022_jp", "hz"),
}
_SAMPLE_BYTES = 1 << 17  # statistics gain nothing from more and are slow
_LATIN_SHARE = 0.25  # of bytes outside ASCII: text in Latin script mostly stays below,
_LATIN_FITNESS = 0.8  # and its letters are mostly those of one language;
_FULL_FITNESS = 0.95  # above that share it is another script unless they all are
_SOME_FITNESS = 0.5  # better than no text at all
_CONTROL_SHARE = 0.1  # of characters; random bytes reach it
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")
_ASCII = bytes((0, 9, 10, 13, *range(0x20, 0x7F)))  # its text, and NUL
_HIGH = re.compile(rb"[\x80-\xff]")


def decode(data: bytes, declared: str | None = None) -> tuple[str, str]:
    """Text and the name of the encoding it was read with.

    The name is ``"utf-8"``, ``"utf-8-sig"``, ``"utf-16-le"`` ..., a code page such as
    ``"cp1252"``, or ``"utf-8+cp1252"`` for UTF-8 with stray bytes, see :func:`remarks`.

    :param declared: the encoding that the file names for itself, where its format can.
    :raises UnreadableSource: when the content is binary or fits no known encoding.
    """
    for mark, name in _BOMS:
        if data.startswith(mark):
            return _checked(_strict(data[len(mark) :], name), name)
    for magic, what in _MAGIC:
        if data.startswith(magic):
            raise UnreadableSource(f"looks like {what}, not text")
    if b"\x00" in data:
        name = _wide(data)
        return _checked(_strict(data, name), name)
    for name in _narrow(data, declared):
        try:
            return _checked(data.decode(name), name)
        except UnicodeDecodeError:
            continue
    if (mixed := _mostly_utf8(data)) is not None:
        return _checked(mixed, "utf-8+cp1252")
    for name in _guesses(data):
        try:
            return _checked(data.decode(name), name)
        except UnicodeDecodeError:
            continue
    raise UnreadableSource("is not valid UTF-8 and fits no other encoding that is known here")


def remarks(encoding: str) -> tuple[str, ...]:
    """What a user should know of a file that was read with ``encoding``."""
    if encoding == "utf-8+cp1252":
        return ("some bytes are not valid UTF-8 and were read as cp1252",)
    return ()


def _strict(data: bytes, name: str) -> str:
    try:
        return str(data, name.removesuffix("-sig"))
    except UnicodeDecodeError as error:
        raise UnreadableSource(
            f"begins like {name.removesuffix('-sig')} text but is not: {error.reason} "
            f"at byte {error.start}"
        ) from None


def _checked(text: str, name: str) -> tuple[str, str]:
    if "\x00" in text:
        raise UnreadableSource(f"holds NUL characters (read as {name}): binary data, not text")
    if _CONTROL.search(text):
        controls = sum(1 for _ in _CONTROL.finditer(text))
        if controls > _CONTROL_SHARE * len(text):
            raise UnreadableSource(
                f"{controls} of {len(text)} characters are control characters (read as {name}): "
                "binary data, not text"
            )
    return text, name


def _wide(data: bytes) -> str:
    """UTF-16 or UTF-32 by where the NUL bytes stand."""
    quarter = len(data) // 4
    if len(data) % 4 == 0:
        if data[3::4].count(0) == quarter and data[2::4].count(0) > quarter // 2:
            return "utf-32-le"
        if data[0::4].count(0) == quarter and data[1::4].count(0) > quarter // 2:
            return "utf-32-be"
    even, odd = data[0::2].count(0), data[1::2].count(0)
    # Of the characters, 2 % suffice (spaces and newlines of Chinese text) unless it may be ASCII
    # text with some NUL bytes in it; 30 % then.
    enough = len(data) // (100 if data.translate(None, _ASCII) else 6)
    if len(data) % 2 == 0 and odd > enough and 20 * even <= odd:
        return "utf-16-le"
    if len(data) % 2 == 0 and even > enough and 20 * odd <= even:
        return "utf-16-be"
    raise UnreadableSource(f"holds {even + odd} NUL bytes: binary data, not text")


def _narrow(data: bytes, declared: str | None) -> list[str]:
    """Encodings to try before any guessing."""
    names = ["utf-8"]
    if b"\x1b$" in data or b"\x1b(" in data:
        names.insert(0, "iso2022_jp")  # seven-bit, hence valid UTF-8 too
    try:
        known = codecs.lookup((declared or "").strip()).name
    except (LookupError, ValueError):
        return names
    known = _DECLARED.get(known, known)
    return [*names, known] if known in _TRUSTED else names


def _mostly_utf8(data: bytes) -> str | None:
    """UTF-8 whose stray bytes (a truncated end, pasted cp1252) are read as cp1252.

    Chosen when at least three valid multi-byte characters stand against each stray sequence,
    which text of another encoding does not reach by chance.
    """
    view, pieces, place, stray, valid = memoryview(data), list[str](), 0, 0, 0
    while place < len(data):
        try:
            piece, _ = codecs.utf_8_decode(view[place:], "strict", True)
            end = bad_end = len(data)
        except UnicodeDecodeError as error:
            end, bad_end = place + error.start, place + error.end
            piece, _ = codecs.utf_8_decode(view[place:end], "strict", True)
            stray += 1
        valid += sum(1 for c in piece if c > "\x7f")
        if stray > 1000 and 3 * stray > valid:
            return None  # another encoding: no need to read on
        pieces.append(piece)
        pieces.extend(_cp1252(byte) for byte in data[end:bad_end])
        place = bad_end
    return "".join(pieces) if valid >= 3 * stray else None


def _cp1252(byte: int) -> str:
    """One byte as browsers read cp1252: the five that it leaves open are control characters."""
    return chr(byte) if byte in b"\x81\x8d\x8f\x90\x9d" else bytes((byte,)).decode("cp1252")


def _guesses(data: bytes) -> list[str]:
    """Encodings by what the text looks like, the likeliest first."""
    first = _HIGH.search(data)
    start = data.rfind(b"\n", 0, first.start()) + 1 if first else 0
    sample = data[start : start + _SAMPLE_BYTES]
    if len(sample) == _SAMPLE_BYTES:  # end between characters, whatever their width
        sample = sample[: sample.rfind(b"\n") + 1] or sample
    high = len(_HIGH.findall(sample))
    needed = _LATIN_FITNESS if high <= _LATIN_SHARE * len(sample) else _FULL_FITNESS
    latin = alphabets.rank(sample)
    likely = [page for fitness, page in latin if fitness >= needed]
    from charset_normalizer import from_bytes  # most files are UTF-8

    statistical = [match.encoding for match in from_bytes(sample, cp_isolation=_STATISTICAL)]
    rest = [page for fitness, page in latin if fitness >= _SOME_FITNESS]
    return [*likely, *statistical, *rest]
