"""Prompts: from a question and its passages to the exact tokens that a model is sent."""
