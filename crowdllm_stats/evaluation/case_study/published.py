"""The rows of the published Tables 1 and 2, to stand beside our own."""

from __future__ import annotations

import pandas as pd

#: Metrics of the published tables, in their order, named as in :class:`crowdllm_stats.evaluation.scores.Scores`.
METRICS = (
    *(f"mae{kind}" for kind in ("", " median", " majority", " dawid-skene", " glad")),
    *(f"rmse{kind}" for kind in ("", " median", " majority", " dawid-skene", " glad")),
    "cs",
    "wd",
)

_ROWS = {
    "popquorn:offensiveness": {
        "random": "1.27 1.61 1.57 1.73 1.89 1.44 1.86 2.05 2.17 2.31 0.56 1.31",
        "LLM zero-shot": "0.86 1.03 1.23 1.06 1.23 1.08 1.32 1.53 1.38 1.52 0.39 1.13",
        "LLM multi-persona": "0.65 0.64 0.67 0.69 0.68 0.86 1.00 1.16 1.15 1.16 0.69 0.78",
        "LLM self-consistency": "0.99 1.26 1.48 1.22 1.49 1.16 1.48 1.68 1.52 1.69 0.34 1.24",
        "VAE": "0.71 0.81 0.60 0.96 0.92 0.94 1.15 1.24 1.37 1.54 0.76 0.79",
        "CrowdLLM": "0.45 0.48 0.43 1.00 0.53 0.59 0.82 1.10 1.53 1.23 0.85 0.51",
    },
    "popquorn:qa_difficulty": {
        "random": "1.21 1.41 1.52 1.98 1.81 1.43 1.73 2.02 2.38 2.26 0.49 1.29",
        "LLM zero-shot": "0.71 0.81 1.04 1.02 1.05 0.90 1.04 1.24 1.28 1.26 0.33 1.06",
        "LLM multi-persona": "0.73 0.82 1.00 1.06 1.02 1.02 1.16 1.38 1.46 1.41 0.48 0.93",
        "LLM self-consistency": "0.68 0.79 1.02 0.98 1.03 0.87 1.02 1.22 1.23 1.25 0.36 1.01",
        "VAE": "0.76 0.90 0.71 1.41 1.11 0.98 1.20 1.14 1.85 1.53 0.68 0.88",
        "CrowdLLM": "0.65 0.74 0.63 1.49 0.89 0.83 1.06 1.18 2.08 1.43 0.71 0.74",
    },
}


def published(data: str) -> pd.DataFrame:
    """The published rows of a data set (Gemma3-12B backbone): ``row`` and a column a metric; empty where there is none.

    Args:
        data: the data set's name.

    Source: CrowdLLM, Tables 1 and 2.

    Example:
        >>> published("popquorn:offensiveness").set_index("row").loc["CrowdLLM", ["mae", "wd"]].tolist()
        [0.45, 0.51]
    """
    rows = [[name, *map(float, values.split())] for name, values in _ROWS.get(data, {}).items()]
    return pd.DataFrame(rows, columns=["row", *METRICS])
