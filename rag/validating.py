"""Whether what was sent is what may be asked: names first, then types and ranges.

A refusal names the field and says what is allowed. Knows neither HTTP nor Flask: the
command line checks what it asks with the same words.
"""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from corpus.errors import BadRequest
from rag.requests import Body

Model = TypeVar("Model", bound=Body)


def parse_json(data: bytes) -> dict[str, Any]:
    """Read an object from JSON, and nothing that only some readers would take.

    :raises BadRequest: when it is no object, no JSON, or not UTF-8; when a name occurs twice
        or a number is not one.
    """
    try:
        value = json.loads(
            data.decode("utf-8"), parse_constant=_no_number, object_pairs_hook=_without_doubles
        )
    except UnicodeDecodeError as error:
        raise BadRequest(f"the body is not UTF-8: byte {error.start} cannot be read") from error
    except json.JSONDecodeError as error:
        raise BadRequest(
            f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from error
    except (RecursionError, ValueError) as error:  # nested too deep, or a number of 4300 digits
        raise BadRequest("the body is not JSON that can be read: nested or long too far") from error
    if not isinstance(value, dict):
        raise BadRequest(f"the body is {_kind(value)}; an object is expected")
    return value


def validated(model: type[Model], values: dict[str, Any]) -> Model:
    """Check names first, then types and ranges.

    :raises BadRequest: at the first field that is wrong.
    """
    known = list(model.model_fields)
    for name in values:
        if name not in known:
            _refuse_unknown(name, known)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _explained(error.errors()[0]) from None


def _refuse_unknown(name: str, known: Sequence[str]) -> NoReturn:
    shown = name if len(name) <= 60 else f"{name[:60]}…"
    shown = shown.encode("utf-8", "backslashreplace").decode()
    close = difflib.get_close_matches(name[:60], known, n=1, cutoff=0.5)
    meant = f"; did you mean {close[0]!r}?" if close else ""
    allowed = f"; allowed: {', '.join(known)}" if known else "; none is allowed"
    raise BadRequest(f"unknown field {shown!r}{meant}{allowed}", shown)


def _explained(error: ErrorDetails) -> BadRequest:
    """One error of pydantic in the words of the caller."""
    name = ".".join(map(str, error["loc"]))
    if error["type"] == "missing":
        return BadRequest(f"the field {name!r} is missing", name)
    if error["type"] == "enum":
        return BadRequest(
            f"{name!r} is {_shown(error['input'])}; allowed: {error['ctx']['expected']}", name
        )
    expected = error["msg"].removeprefix("Input should be ").lower()
    return BadRequest(f"{name!r} is {_shown(error['input'])}; expected {expected}", name)


def _shown(value: object) -> str:
    """A wrong value as JSON, cut to a length that fits a message."""
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _kind(value: object) -> str:
    return {list: "an array", str: "a string", bool: "true or false", type(None): "null"}.get(
        type(value), "a number"
    )


def _no_number(name: str) -> NoReturn:
    raise BadRequest(f"the body holds {name}, which is no number of JSON")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that occurs twice: which of the two was meant is anyone's guess."""
    values = dict(pairs)
    if len(values) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise BadRequest(f"the field {twice!r} is given twice", twice)
    return values
