"""How requests are read, and how they are refused.

A body is JSON in UTF-8: an object whose fields are known and of the right type. A refusal
names the field and says what is allowed.
"""

from __future__ import annotations

from typing import TypeVar

from flask import request
from werkzeug.exceptions import UnsupportedMediaType

from corpus.errors import BadRequest
from rag.requests import Body
from rag.validating import parse_json, validated

Model = TypeVar("Model", bound=Body)


def body_as(model: type[Model], *, optional: bool = False) -> Model:
    """Read the body of the current request.

    :param optional: whether no body at all is as good as an empty object.
    :raises BadRequest: when it is not what the model says.
    :raises UnsupportedMediaType: when it is not declared as JSON.
    """
    data = request.get_data(cache=False)
    if optional and not data:
        return model()
    if request.mimetype != "application/json":
        raise UnsupportedMediaType(
            f"the body is declared as {request.mimetype or 'nothing'!r}; "
            "send JSON with the header Content-Type: application/json"
        )
    return validated(model, parse_json(data))


def query_as(model: type[Model]) -> Model:
    """Read the query string of the current request.

    :raises BadRequest: when it is not what the model says.
    """
    values = request.args.to_dict(flat=False)
    for name, given in values.items():
        if len(given) > 1:
            raise BadRequest(f"the parameter {name!r} is given {len(given)} times", name)
    return validated(model, {name: given[0] for name, given in values.items()})


def time_allowed(most_s: float) -> float:
    """Seconds that the current request may take: its ``X-Deadline-Ms``, at most ``most_s``.

    :raises BadRequest: when the header is no whole number above zero.
    """
    given = request.headers.get("X-Deadline-Ms")
    if given is None:
        return most_s
    if not (given.isascii() and given.isdigit() and len(given) < 10 and int(given)):
        raise BadRequest(
            f"the header X-Deadline-Ms is {given[:60]!r}; expected whole milliseconds above 0",
            "X-Deadline-Ms",
        )
    return min(int(given) / 1000, most_s)
