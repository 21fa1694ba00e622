"""Readers of published data sets, and a small synthetic example that needs no file.

Names are loaded when first used: whoever needs a scale alone does not wait for pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crowdllm_stats.data.example import Example, load_example
    from crowdllm_stats.data.features import Features
    from crowdllm_stats.data.popquorn_ratings import popquorn, popquorn_llm_ratings
    from crowdllm_stats.data.reviews import ProductRatings, amazon_reviews, amazon_reviews_2023, product_ratings
    from crowdllm_stats.data.twin2k import TwinAnswers, TwinStudy, twin2k_items, twin2k_mega_study

_HOME = {
    "Example": "example",
    "Features": "features",
    "ProductRatings": "reviews",
    "TwinAnswers": "twin2k",
    "TwinStudy": "twin2k",
    "amazon_reviews": "reviews",
    "amazon_reviews_2023": "reviews",
    "load_example": "example",
    "popquorn": "popquorn_ratings",
    "popquorn_llm_ratings": "popquorn_ratings",
    "product_ratings": "reviews",
    "twin2k_items": "twin2k",
    "twin2k_mega_study": "twin2k",
}

__all__ = [
    "Example",
    "Features",
    "ProductRatings",
    "TwinAnswers",
    "TwinStudy",
    "amazon_reviews",
    "amazon_reviews_2023",
    "load_example",
    "popquorn",
    "popquorn_llm_ratings",
    "product_ratings",
    "twin2k_items",
    "twin2k_mega_study",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
