"""Engines: what turns a question and its passages into text."""
