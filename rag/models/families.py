"""Well-known families of models and the licence that each is published under.

Used only where no model card on this machine states a licence, and labelled so: what a
family is commonly documented under is no statement about one download.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

_FAMILIES = (
    # The first pattern that matches a hub id, lower case. Each from the model's public card.
    ("google/gemma-4*", "apache-2.0"),
    ("google/gemma-[237]*", "gemma"),
    ("google/gemma-1.1-*", "gemma"),
    ("meta-llama/llama-2-*", "llama2"),
    ("meta-llama/meta-llama-3-*", "llama3"),
    ("meta-llama/meta-llama-3.1-*", "llama3.1"),
    ("meta-llama/llama-3.1-*", "llama3.1"),
    ("meta-llama/llama-3.2-*", "llama3.2"),
    ("meta-llama/llama-3.3-*", "llama3.3"),
    ("meta-llama/llama-4-*", "llama4"),
    ("qwen/qwen2.5-3b*", "qwen-research"),
    ("qwen/qwen2.5-*-3b*", "qwen-research"),
    ("qwen/qwen2.5-72b*", "qwen"),
    ("qwen/qwen2.5-*-72b*", "qwen"),
    ("qwen/qwen2.5-*", "apache-2.0"),
    ("qwen/qwen3-*", "apache-2.0"),
    ("mistralai/mistral-7b-*", "apache-2.0"),
    ("mistralai/mistral-nemo-*", "apache-2.0"),
    ("mistralai/mixtral-8x7b-*", "apache-2.0"),
    ("mistralai/mixtral-8x22b-*", "apache-2.0"),
    ("mistralai/mistral-large-*-24??", "mrl"),
    ("mistralai/ministral-8b-instruct-2410", "mrl"),
    ("mistralai/codestral-22b-v0.1", "mnpl"),
    ("microsoft/phi-*", "mit"),
    ("openai/gpt-oss-*", "apache-2.0"),
    ("huggingfacetb/smollm*", "apache-2.0"),
    ("allenai/olmo-2-*", "apache-2.0"),
    ("ibm-granite/granite-3*", "apache-2.0"),
    ("tinyllama/tinyllama-1.1b-*", "apache-2.0"),
    ("eleutherai/pythia-*", "apache-2.0"),
    ("bigscience/bloom-*", "bigscience-bloom-rail-1.0"),
    ("sentence-transformers/all-minilm-l*", "apache-2.0"),
    ("sentence-transformers/all-mpnet-base-v2", "apache-2.0"),
    ("baai/bge-*-en-v1.5", "mit"),
    ("google-bert/bert-base-*", "apache-2.0"),
)


def commonly_documented(hub_id: str) -> str:
    """The licence id that a well-known family of models is published under; empty: not known."""
    name = hub_id.lower()
    return next((found for pattern, found in _FAMILIES if fnmatchcase(name, pattern)), "")
