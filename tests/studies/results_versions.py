"""What every simulator gives on a tiny study, beside the version of its results; run as a program it writes it anew."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crowdllm_stats.studies.engine.compute import SIMULATORS, compute_block, load_simulator
from crowdllm_stats.studies.engine.design_file import make_design
from crowdllm_stats.studies.engine.simulator import STANDARD, Simulator

FILE = Path(__file__).with_suffix(".json")

_FIGURE9 = {"reading": "profile", "length": "steps", "steps": 20, "noise": 0.65, "diversity": 1.0, "questions": 5}

#: Simulator -> cells of a tiny study that reach its methods.
TINY: dict[str, list[dict[str, Any]]] = {
    "intervals": [{"family": family, "n": 12, "N": 20, "memory": 0.2} for family in ("ordinal", "binary")],
    "safe-interval": [{"N": 5}],
    "risk": [{"N": 5}],
    "figure9": [{"workers": 4, "virtual": 3, **_FIGURE9}],
    "figure9-coverage": [{"workers": 12, "n": 3, "N": 9, "people": "fresh", "pool": 20, **_FIGURE9}],
    "trained": [
        {"residuals": which, "family": "ordinal", "n": 10, "N": 20, "steps": 10}
        for which in ("in-sample", "cross-fitted")
    ],
    "learning-curve": [
        {
            "data": "example:human",
            "backbone": "example:reference",
            "embedding": "tfidf",
            "protocol": "paper",
            "ratings": 60,
            "virtual": 4,
            "steps": 20,
            "steps_paper": 20,
        }
    ],
}


def numbers(name: str) -> dict[str, dict[str, float]]:
    """Method -> outcome -> its mean over the tiny study, to six digits; outcomes without a number are left out."""
    found = pd.concat([_rows(name, load_simulator(SIMULATORS[name]), cell) for cell in TINY[name]])
    means = found.replace([np.inf, -np.inf], np.nan).groupby("method").mean()
    return {
        str(method): {outcome: float(f"{value:.6g}") for outcome, value in row.dropna().items()}
        for method, row in means.iterrows()
    }


def _rows(name: str, simulator: Simulator, cell: dict[str, Any]) -> pd.DataFrame:
    """The outcomes of every method that applies, three replicates of a cell."""
    full = {**{key: known.default for key, known in simulator.parameters.items()}, **cell}
    methods = [method for method in simulator.methods if simulator.refuses(full, method) is None]
    outcome = next((one for one in simulator.outcomes if one not in STANDARD), "bias")
    content = {
        "simulator": name, "factors": {key: [value] for key, value in cell.items()}, "methods": methods,
        "measures": [outcome], "replicates": 3, "block": 3, "seed": 1,
    }  # fmt: skip
    block = compute_block(make_design(content, "tiny"), 0)
    rows = pd.read_parquet(io.BytesIO(block.content)).drop(columns=["cell", "replicate"])
    return rows.assign(method=[methods[code] for code in rows["method"]])


if __name__ == "__main__":
    found = {
        name: {"results": load_simulator(place).results, "numbers": numbers(name)} for name, place in SIMULATORS.items()
    }
    FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
