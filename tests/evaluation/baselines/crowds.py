"""Made crowds for the tests of the baselines: a cumulative-probit crowd with problem and worker effects."""

import numpy as np
import pandas as pd

from crowdllm_stats.data.crowd import CrowdData, ordinal

CUTS = np.array([-0.9, 0.2, 1.1])


def probit_crowd(n_problems=150, n_workers=60, per_problem=8, spreads=(0.9, 0.6), seed=0):
    """Answers on 4 levels, and the problems' true effects by id."""
    rng = np.random.default_rng(seed)
    problem, worker = rng.normal(0, spreads[0], n_problems), rng.normal(0, spreads[1], n_workers)
    cells = []
    for row in range(n_problems):
        for who in rng.permutation(n_workers)[:per_problem]:
            level = int(np.searchsorted(CUTS, problem[row] + worker[who] + rng.normal())) + 1
            cells.append((f"q{row:03}", f"w{who:03}", level))
    frame = pd.DataFrame(cells, columns=["problem", "participant", "response"])
    effects = pd.Series(problem, index=[f"q{row:03}" for row in range(n_problems)])
    return CrowdData.from_frame(frame, scale=ordinal([1, 2, 3, 4])), effects
