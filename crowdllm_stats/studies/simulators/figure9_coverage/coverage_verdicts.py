"""Do the intervals and the safe intervals keep their level over Figure 9's grid? The replicate is the unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.studies.engine.compute import layout_of
from crowdllm_stats.studies.engine.store import Store
from crowdllm_stats.studies.engine.summarise import runs_by_cell
from crowdllm_stats.studies.engine.verdicts import Verdict
from crowdllm_stats.studies.simulators.figure9_coverage.judging import INTERVALS, OUTCOMES

if TYPE_CHECKING:
    from crowdllm_stats.studies.engine.results import Results

#: Coverage of at least the level less this counts as kept.
MARGIN = 0.01
#: What makes a run: a figure of its own in Figure 9.
RUN = ["reading", "length"]
#: What makes a panel of a figure.
PANEL = [*RUN, "noise", "diversity"]


def judged_fits(results: Results) -> pd.DataFrame:
    """One row per fit, method and way to judge: reading, length, noise, diversity, workers, questions, people, n,
    method, replicate, and the outcomes; replicates that failed left out (they are counted in ``results.failures``).

    Args:
        results: of a study with the simulator "figure9-coverage".

    Raises:
        FileNotFoundError: if a block is missing.
    """
    design = results.design
    varied = [*PANEL, "workers", "questions", "people", "n"]
    parts: list[dict[str, FloatArray]] = []
    cells: list[tuple[object, ...]] = []
    for cell, runs in runs_by_cell(layout_of(design), Store(results.folder, design)):
        full = design.full_cell(cell.levels)
        for method, run in runs.items():
            sound = run.sound()
            parts.append({"replicate": run.replicates[~run.failed], **sound})
            cells += [(*(full[name] for name in varied), method)] * len(sound["judged"])
    frame = pd.DataFrame(cells, columns=[*varied, "method"])
    for name in ("replicate", *OUTCOMES):
        frame[name] = np.concatenate([part[name] for part in parts])
    return frame


def verdicts(table: pd.DataFrame, level: float) -> list[Verdict]:
    """A verdict for each method, people and n.

    A run's rate is worked out within each of its replicates, over all cells, and has Student's t interval over the
    replicates, 95% for all runs together (Bonferroni). Kept: every run's interval lies on the claimed side. Broken: one
    lies wholly on the other. Else undecided. Claimed are: coverage of at least the level less 0.01; for Theorem 3 that
    the crowd is no worse on at least the level of the questions inside its interval; no wrong statement at all for the
    exact interval; wrong statements at most at 1 less the level for the decision from people's answers.

    Args:
        table: of :func:`judged_fits`.
        level: nominal.
    """
    found = []
    for (method, people, n), part in table.groupby(["method", "people", "n"], sort=False):
        who = f"{n} {'new people' if people == 'fresh' else 'of its own people'} a question"
        if method in INTERVALS:
            width = part.groupby(RUN)["breadth_over_t"].mean()
            found.append(
                _judge(
                    part,
                    f"{method}, {who}: covers at least {level - MARGIN:g}",
                    lambda rows: rows["covered"].mean(),
                    at_least=level - MARGIN,
                    also=f"; mean width {_span(width)} times Student's t",
                )
            )
        elif method == "safe-published" and n == _least_people(table, people):
            called = part.groupby(RUN)["called"].mean()
            found.append(
                _judge(
                    part,
                    f"Theorem 3's interval, {_where(people)}: inside it the crowd is no worse in at least {level:g}",
                    lambda rows: rows["right"].sum() / rows["called"].sum() if rows["called"].sum() > 0 else np.nan,
                    at_least=level,
                    also=f"; {_span(called)} of the questions lie inside",
                )
            )
        elif method == "safe-exact" and n == _least_people(table, people):
            found.append(
                _judge(
                    part,
                    f"the exact interval, {_where(people)}: never wrong",
                    lambda rows: rows["wrong"].mean(),
                    at_most=0.0,
                    also=f"; {_span(part.groupby(RUN)['called'].mean())} of the questions lie inside",
                )
            )
        elif method == "safe-decision":
            called = part.groupby(RUN)["called"].mean()
            found.append(
                _judge(
                    part,
                    f"safe-decision, {who}: wrong at most {1.0 - level:.3g}",
                    lambda rows: rows["wrong"].mean(),
                    at_most=round(1.0 - level, 12),
                    also=f"; says safe for {_span(called)} of the questions",
                )
            )
    return found


def _least_people(table: pd.DataFrame, people: str) -> int:
    """The smallest n of these people: what asks nobody is told once."""
    return int(table.loc[table["people"] == people, "n"].min())


def _where(people: str) -> str:
    return "held-out questions" if people == "fresh" else "training questions"


def _judge(
    part: pd.DataFrame,
    statement: str,
    rate: Callable[[pd.DataFrame], float],
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    also: str = "",
) -> Verdict:
    runs = list(part.groupby(RUN, sort=False))
    sign, bound = (1.0, at_least) if at_least is not None else (-1.0, at_most)
    assert bound is not None
    lows, highs, rates = [], [], []
    for _, rows in runs:
        values = np.array([rate(one) for _, one in rows.groupby("replicate")], dtype=np.float64)
        values = values[np.isfinite(values)]
        reach = _reach(values, len(runs))
        rates.append(float(values.mean()))
        lows.append(rates[-1] - reach)
        highs.append(rates[-1] + reach)
    good = [low >= bound if sign > 0 else high <= bound for low, high in zip(lows, highs, strict=True)]
    bad = [high < bound if sign > 0 else low > bound for low, high in zip(lows, highs, strict=True)]
    verdict = "broken" if any(bad) else "kept" if all(good) else "undecided"
    worst = int(np.argmin(sign * np.array(rates)))
    name = ", ".join(str(word) for word in runs[worst][0])
    panels = part.groupby(PANEL, sort=False).apply(rate, include_groups=False).dropna()
    place = (sign * panels).idxmin()
    where = ", ".join(f"{word} {value}" for word, value in zip(("noise", "epsilon"), place[2:], strict=True))
    evidence = (
        f"{_span(pd.Series(rates))} over {len(runs)} run{'s' if len(runs) > 1 else ''}, worst {rates[worst]:.4f} "
        f"[{lows[worst]:.4f}, {highs[worst]:.4f}] ({name}); worst panel {panels[place]:.3f} ({place[0]}, {place[1]}, "
        f"{where}){also}"
    )
    return Verdict(statement, verdict, evidence)


def _reach(values: FloatArray, runs: int) -> float:
    """Half the width of Student's t interval, 95% over all runs; unlimited for a single replicate."""
    if len(values) < 2:
        return float("inf")
    error = float(values.std(ddof=1) / np.sqrt(len(values)))
    return error * float(stats.t.ppf(1.0 - 0.025 / runs, len(values) - 1))


def _span(values: pd.Series) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:.3f}" if round(low, 3) == round(high, 3) else f"{low:.3f} to {high:.3f}"
