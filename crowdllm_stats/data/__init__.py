"""Readers of published data sets, and a small synthetic example that needs no file.

Names are loaded when first used: whoever needs a scale alone does not wait for pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crowdllm_stats.data.election import Election
    from crowdllm_stats.data.example import Example, load_example
    from crowdllm_stats.data.features import Features
    from crowdllm_stats.data.pabulib import Pabulib, read_pabulib
    from crowdllm_stats.data.popquorn_ratings import popquorn, popquorn_llm_ratings
    from crowdllm_stats.data.reviews import ProductRatings, amazon_reviews, amazon_reviews_2023, product_ratings
    from crowdllm_stats.data.twin2k import TwinAnswers, TwinStudy, twin2k_items, twin2k_mega_study
    from crowdllm_stats.data.zurich import zurich_llm_votes, zurich_votes

_HOME = {
    "Election": "election",
    "Example": "example",
    "Features": "features",
    "Pabulib": "pabulib",
    "ProductRatings": "reviews",
    "TwinAnswers": "twin2k",
    "TwinStudy": "twin2k",
    "amazon_reviews": "reviews",
    "amazon_reviews_2023": "reviews",
    "load_example": "example",
    "popquorn": "popquorn_ratings",
    "popquorn_llm_ratings": "popquorn_ratings",
    "product_ratings": "reviews",
    "read_pabulib": "pabulib",
    "twin2k_items": "twin2k",
    "twin2k_mega_study": "twin2k",
    "zurich_llm_votes": "zurich",
    "zurich_votes": "zurich",
}

__all__ = [
    "Election",
    "Example",
    "Features",
    "Pabulib",
    "ProductRatings",
    "TwinAnswers",
    "TwinStudy",
    "amazon_reviews",
    "amazon_reviews_2023",
    "load_example",
    "popquorn",
    "popquorn_llm_ratings",
    "product_ratings",
    "read_pabulib",
    "twin2k_items",
    "twin2k_mega_study",
    "zurich_llm_votes",
    "zurich_votes",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
