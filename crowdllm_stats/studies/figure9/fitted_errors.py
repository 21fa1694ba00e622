"""What came out of every fit of a finished study, as one table: a row a fit."""

from __future__ import annotations

import pandas as pd

from crowdllm_stats.studies.compute import plan_of
from crowdllm_stats.studies.design import Design
from crowdllm_stats.studies.store import Store
from crowdllm_stats.studies.summarise import runs_by_cell


def fitted_errors(design: Design, store: Store) -> pd.DataFrame:
    """One row a fit: every parameter of the simulator that varies or has no default, ``replicate``, and the outcomes.

    Args:
        design: the study.
        store: its finished blocks.

    Raises:
        ValueError: on blocks of another design.
        FileNotFoundError: if a block is missing.
    """
    store.check_same()
    parts = []
    for cell, runs in runs_by_cell(plan_of(design), store):
        full = design.full_cell(cell.levels)
        varied = {name: full[name] for name in design.parameters if name in design.factors or _unsaid(design, name)}
        for run in runs.values():
            parts.append(pd.DataFrame({**varied, "replicate": run.replicates, **run.outcomes}))
    return pd.concat(parts, ignore_index=True)


def _unsaid(design: Design, name: str) -> bool:
    return design.parameters[name].default is None
