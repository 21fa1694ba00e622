"""Where reference answers come from: a local model, a server, or a table of recorded answers.

Names are loaded when first used: importing this package imports neither torch nor transformers.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from crowdllm_stats._base.extras import naming_extras
from crowdllm_stats.data.reference import Backbone, Reference

_HOME = {
    "AnswerCache": "crowdllm_stats.backbones.cache",
    "BackboneCheck": "crowdllm_stats.backbones.diagnostics",
    "Embedding": "crowdllm_stats.backbones.embedder",
    "Options": "crowdllm_stats.backbones.options",
    "RecordedBackbone": "crowdllm_stats.backbones.recorded",
    "ServerBackbone": "crowdllm_stats.backbones.server",
    "ServerError": "crowdllm_stats.backbones.http_json",
    "Template": "crowdllm_stats.backbones.prompts",
    "TransformersBackbone": "crowdllm_stats.backbones.transformers_backbone",
    "check_backbone": "crowdllm_stats.backbones.diagnostics",
    "compare_references": "crowdllm_stats.backbones.diagnostics",
    "embed": "crowdllm_stats.backbones.embedder",
    "fetch_model": "crowdllm_stats.backbones.fetch",
    "find_model": "crowdllm_stats.backbones.fetch",
}

__all__ = ["Backbone", "Reference", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'crowdllm_stats.backbones' has no attribute {name!r}")
    with naming_extras():
        value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
