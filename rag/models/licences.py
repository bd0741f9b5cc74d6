"""Licences of models: what each is called, and whether it allows commercial use.

Facts in a few words, each from the licence's own text; the comments name the sources. They
inform and are no legal advice: the licence itself counts. A licence that is not in the table
is unknown, and unknown is never yes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Commercial(StrEnum):
    """Whether commercial use is allowed, from the mildest answer to the strictest."""

    YES = "yes"
    CONDITIONS = "with conditions"
    UNKNOWN = "unknown"
    NO = "no"


def strictest(*found: Commercial) -> Commercial:
    """The strictest of several answers. Unknown is stricter than conditions that are known."""
    return max(found, key=list(Commercial).index)


@dataclass(frozen=True, slots=True)
class Licence:
    """What is known of a licence."""

    id: str  # as model cards write it, lower case; empty: none was stated
    name: str
    commercial: Commercial
    condition: str = ""  # what is asked for, or why not


_YES, _CONDITIONS, _NO = Commercial.YES, Commercial.CONDITIONS, Commercial.NO
_NOTICE = "keep the copyright notice"
_AUTHORS = "name the authors"
_SAME = "name the authors; pass changed versions on under the same licence"
_COPYLEFT = "who passes it on passes its source and its licence on"
_RESTRICTED = "not for the uses it lists; pass these restrictions on"
_NOT_COMMERCIAL = "not for commercial advantage"
_LLAMA = (
    "ask Meta above 700 million monthly users at the time of release; its acceptable use policy; "
)
_BUILT_WITH = _LLAMA + "show 'Built with Llama', name derived models Llama…"
_QWEN = "ask Alibaba above 100 million monthly users; show 'Built with Qwen' on derived models"

_ROWS = (
    # Open-source licences: the texts at https://spdx.org/licenses/
    Licence("apache-2.0", "Apache License 2.0", _YES, "keep licence and notices, state changes"),
    Licence("mit", "MIT License", _YES, _NOTICE),
    Licence("bsd-2-clause", "BSD 2-Clause License", _YES, _NOTICE),
    Licence("bsd-3-clause", "BSD 3-Clause License", _YES, _NOTICE),
    Licence("isc", "ISC License", _YES, _NOTICE),
    Licence("zlib", "zlib License", _YES, "mark changed versions"),
    Licence("bsl-1.0", "Boost Software License 1.0", _YES, _NOTICE),
    Licence("afl-3.0", "Academic Free License 3.0", _YES, _NOTICE),
    Licence("unlicense", "The Unlicense", _YES),
    Licence("wtfpl", "WTFPL 2", _YES),
    Licence("mpl-2.0", "Mozilla Public License 2.0", _CONDITIONS, "changed files stay under it"),
    Licence("lgpl-3.0", "GNU Lesser General Public License 3", _CONDITIONS, _COPYLEFT),
    Licence("gpl-2.0", "GNU General Public License 2", _CONDITIONS, _COPYLEFT),
    Licence("gpl-3.0", "GNU General Public License 3", _CONDITIONS, _COPYLEFT),
    Licence(
        "agpl-3.0",
        "GNU Affero General Public License 3",
        _CONDITIONS,
        "who offers it over a network offers its source to the users",
    ),
    # Creative Commons: https://creativecommons.org/licenses/
    Licence("cc0-1.0", "Creative Commons Zero 1.0", _YES),
    Licence("cc-by-3.0", "Creative Commons BY 3.0", _YES, _AUTHORS),
    Licence("cc-by-4.0", "Creative Commons BY 4.0", _YES, _AUTHORS),
    Licence("cc-by-sa-3.0", "Creative Commons BY-SA 3.0", _CONDITIONS, _SAME),
    Licence("cc-by-sa-4.0", "Creative Commons BY-SA 4.0", _CONDITIONS, _SAME),
    Licence(
        "cc-by-nd-4.0",
        "Creative Commons BY-ND 4.0",
        _CONDITIONS,
        "name the authors; changed versions are not passed on",
    ),
    Licence("cc-by-nc-2.0", "Creative Commons BY-NC 2.0", _NO, _NOT_COMMERCIAL),
    Licence("cc-by-nc-3.0", "Creative Commons BY-NC 3.0", _NO, _NOT_COMMERCIAL),
    Licence("cc-by-nc-4.0", "Creative Commons BY-NC 4.0", _NO, _NOT_COMMERCIAL),
    Licence("cc-by-nc-sa-3.0", "Creative Commons BY-NC-SA 3.0", _NO, _NOT_COMMERCIAL),
    Licence("cc-by-nc-sa-4.0", "Creative Commons BY-NC-SA 4.0", _NO, _NOT_COMMERCIAL),
    Licence("cc-by-nc-nd-4.0", "Creative Commons BY-NC-ND 4.0", _NO, _NOT_COMMERCIAL),
    # Responsible AI licences: https://www.licenses.ai/
    Licence("openrail", "OpenRAIL", _CONDITIONS, _RESTRICTED),
    Licence("openrail++", "CreativeML Open RAIL++-M", _CONDITIONS, _RESTRICTED),
    Licence("creativeml-openrail-m", "CreativeML Open RAIL-M", _CONDITIONS, _RESTRICTED),
    Licence("bigscience-openrail-m", "BigScience OpenRAIL-M", _CONDITIONS, _RESTRICTED),
    Licence("bigscience-bloom-rail-1.0", "BigScience BLOOM RAIL 1.0", _CONDITIONS, _RESTRICTED),
    Licence("bigcode-openrail-m", "BigCode OpenRAIL-M 1", _CONDITIONS, _RESTRICTED),
    # https://ai.meta.com/llama/license/, https://llama.meta.com/llama3/license/,
    # https://www.llama.com/llama3_1/license/ and its successors; the policy of 3.2 and 4
    # withholds multimodal models from who is at home in the European Union.
    Licence(
        "llama2",
        "Llama 2 Community License",
        _CONDITIONS,
        _LLAMA + "not to improve other language models",
    ),
    Licence(
        "llama3",
        "Llama 3 Community License",
        _CONDITIONS,
        _LLAMA + "show 'Built with Meta Llama 3'; not to improve other language models",
    ),
    Licence("llama3.1", "Llama 3.1 Community License", _CONDITIONS, _BUILT_WITH),
    Licence(
        "llama3.2",
        "Llama 3.2 Community License",
        _CONDITIONS,
        _BUILT_WITH + "; multimodal models not for licensees in the EU",
    ),
    Licence("llama3.3", "Llama 3.3 Community License", _CONDITIONS, _BUILT_WITH),
    Licence(
        "llama4",
        "Llama 4 Community License",
        _CONDITIONS,
        _BUILT_WITH + "; multimodal models not for licensees in the EU",
    ),
    # https://ai.google.dev/gemma/terms, https://ai.google.dev/gemma/prohibited_use_policy
    Licence(
        "gemma",
        "Gemma Terms of Use",
        _CONDITIONS,
        "its prohibited use policy; pass the terms on, with derived models and hosted services too",
    ),
    # The LICENSE files of https://huggingface.co/Qwen/Qwen2.5-72B and of Qwen2.5-3B
    Licence("qwen", "Qwen License Agreement", _CONDITIONS, _QWEN),
    Licence("qwen-research", "Qwen Research License Agreement", _NO, "research, evaluation only"),
    # https://mistral.ai/licenses/MRL-0.1.md, https://mistral.ai/licenses/MNPL-0.1.md
    Licence("mrl", "Mistral AI Research License", _NO, "research only; Mistral sells licences"),
    Licence("mnpl", "Mistral AI Non-Production License", _NO, "testing and research only"),
    # https://www.liquid.ai/lfm-open-license-v1.0
    Licence(
        "lfm1.0", "LFM Open License 1.0", _CONDITIONS, "below 10 million dollars of yearly revenue"
    ),
    # https://stability.ai/community-license-agreement
    Licence(
        "stabilityai-ai-community",
        "Stability AI Community License",
        _CONDITIONS,
        "below 1 million dollars of yearly revenue; its acceptable use policy",
    ),
    # https://www.nvidia.com/en-us/agreements/enterprise-software/nvidia-open-model-license/
    Licence(
        "nvidia-open-model-license",
        "NVIDIA Open Model License",
        _CONDITIONS,
        "pass notice and licence on; ends where guardrails are bypassed without a substitute",
    ),
    # https://github.com/Tencent-Hunyuan, LICENSE of the models
    Licence(
        "tencent-hunyuan-community",
        "Tencent Hunyuan Community License",
        _CONDITIONS,
        "not in the EU, the United Kingdom and South Korea; ask above 100 million monthly users",
    ),
    # EXAONE AI Model License Agreement - NC, in the repositories of LGAI-EXAONE
    Licence("exaone", "EXAONE AI Model License - NC", _NO, "research and education only"),
)

LICENCES = MappingProxyType({row.id: row for row in _ROWS})
"""By id."""


def licence(stated: str) -> Licence:
    """What is known of a licence by its id; one that is not in the table is unknown."""
    known = LICENCES.get(stated)
    if known is not None:
        return known
    if not stated:
        return Licence("", "no licence stated", Commercial.UNKNOWN)
    return Licence(stated, stated, Commercial.UNKNOWN, "not known here; read its text")
