"""The HTTP service: the one room that knows Flask. ``rag.api.app.create_app`` wires it."""
