"""The answering wing: from a question to an answer whose every claim can be opened."""

__version__ = "0.1.0"
