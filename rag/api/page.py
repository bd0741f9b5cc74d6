"""The page at `/`: four files from the package, sent as they are."""

from __future__ import annotations

from functools import partial
from importlib import resources

from flask import Blueprint, Response

from rag.api.context import Context

FILES = {
    "/": ("index.html", "text/html"),
    "/app.js": ("app.js", "text/javascript"),
    "/style.css": ("style.css", "text/css"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


def blueprint(_: Context) -> Blueprint:
    """The routes."""
    views = Blueprint("page", __name__)
    for path, (name, mimetype) in FILES.items():
        content = (resources.files("rag") / "web" / name).read_bytes()
        send = partial(Response, content, mimetype=mimetype)
        views.add_url_rule(path, name.replace(".", "_"), send)
    return views
