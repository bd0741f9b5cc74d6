"""The block of fields at the top of a Markdown file, between ``---`` (YAML) or ``+++`` (TOML).

Fields are read as the text they are written as (a version ``1.10`` stays ``1.10``, a date stays
as typed), lists are joined by commas, nested fields are left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ingest.readers.spans import is_text

_MAX = 1 << 16  # characters; a longer block is no front matter
_BLOCK = re.compile(
    r"(?P<fence>---|\+\+\+)[ \t]*(?:\r\n?|\n)(?P<fields>(?s:.*?))(?<=[\r\n])(?P=fence)[ \t]*"
    r"(?:\r\n?|\n|\Z)",
)


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """What stands at the top, and where the text proper begins."""

    end: int = 0  # code points; 0 where there is no front matter
    fields: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def read(text: str) -> FrontMatter:
    """Read the front matter of a text, if it has any.

    A block that cannot be read as fields is text like any other, with a remark when it was
    meant as fields.
    """
    match = _BLOCK.match(text, 0, _MAX)
    if match is None:
        return FrontMatter()
    try:
        parse = _yaml if match["fence"] == "---" else _toml
        found = parse(match["fields"].replace("\r\n", "\n").replace("\r", "\n"))
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return FrontMatter(remarks=(f"its front matter was read as text: {reason}",))
    if not isinstance(found, dict):
        return FrontMatter()  # two rules with text between them
    fields = {str(key): _flat(value) for key, value in found.items()}
    return FrontMatter(match.end(), {k: v for k, v in fields.items() if v and is_text(k + v)})


def _yaml(fields: str) -> object:
    import yaml  # most files have no front matter

    # BaseLoader makes strings, lists and mappings of strings, whatever tags the block names:
    # even safer than SafeLoader, which builds dates and numbers and fails on odd ones.
    try:
        return yaml.load(fields, Loader=yaml.BaseLoader) or {}  # noqa: S506 (builds no objects)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _toml(fields: str) -> object:
    import tomllib

    return tomllib.loads(fields)


def _flat(value: object) -> str:
    if isinstance(value, dict):
        return ""
    if isinstance(value, list):
        return ", ".join(str(v).strip() for v in value if not isinstance(v, list | dict))
    return " ".join(str(value).split())
