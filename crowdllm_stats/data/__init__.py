"""Readers of published data sets, and a small synthetic example that needs no file."""

from crowdllm_stats.data.example import Example, load_example
from crowdllm_stats.data.features import Features
from crowdllm_stats.data.popquorn import popquorn, popquorn_llm_ratings
from crowdllm_stats.data.twin2k import TwinAnswers, TwinStudy, twin2k_items, twin2k_mega_study

__all__ = [
    "Example",
    "Features",
    "TwinAnswers",
    "TwinStudy",
    "load_example",
    "popquorn",
    "popquorn_llm_ratings",
    "twin2k_items",
    "twin2k_mega_study",
]
