"""The five insights as contrasts of log errors: one number per replicate and condition, with the margin claimed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from crowdllm_stats._base.checks import FloatArray

NO_HELP, STABLE, CHEAP = -0.01, np.log(1.10), np.log(1.15)
MANY, FEW = 800, 200


@dataclass(frozen=True, eq=False)
class Panels:
    """Log errors of one reading and length.

    Attributes:
        noise: levels of sigma_e.
        diversity: levels of epsilon.
        questions: levels of Q.
        workers: levels of W.
        log_error: log MAE, axes noise, diversity, questions, workers, replicate; NaN where a fit failed.
    """

    noise: Sequence[float]
    diversity: Sequence[float]
    questions: Sequence[int]
    workers: Sequence[int]
    log_error: FloatArray

    def panel(self, noise: float, diversity: float) -> FloatArray:
        """(questions, workers, replicate) of one row and column.

        Raises:
            LookupError: if the grid does not have it.
        """
        return np.asarray(
            self.log_error[_place(self.noise, noise, "noise"), _place(self.diversity, diversity, "diversity")]
        )

    def cell(self, noise: float, diversity: float, workers: int, questions: int) -> FloatArray:
        """One cell, one number per replicate.

        Raises:
            LookupError: if the grid does not have it.
        """
        row, column = _place(self.questions, questions, "questions"), _place(self.workers, workers, "workers")
        return np.asarray(self.panel(noise, diversity)[row, column])

    def reference(self, noise: float, diversity: float) -> FloatArray:
        """Mean log error over a panel's cells of at least 800 responses: what the other cells are held against.

        Raises:
            LookupError: if the grid has none.
        """
        return self.mean_where(noise, diversity, lambda size: size >= MANY)

    def whole(self, noise: float, diversity: float) -> FloatArray:
        """Mean log error over all cells of a panel, one number per replicate.

        Raises:
            LookupError: if the grid does not have it.
        """
        return np.asarray(self.panel(noise, diversity).mean(axis=(0, 1)))

    def mean_where(self, noise: float, diversity: float, keep: Callable[[int], bool]) -> FloatArray:
        """Mean log error over the cells whose number of responses W Q is kept, one number per replicate.

        Raises:
            LookupError: if there is none.
        """
        sizes = np.outer(self.questions, self.workers)
        chosen = np.vectorize(keep, otypes=[bool])(sizes)
        if not chosen.any():
            raise LookupError("cells with the numbers of responses asked for")
        return np.asarray(self.panel(noise, diversity)[chosen].mean(axis=0))


@dataclass(frozen=True, eq=False)
class Condition:
    """One condition of an insight.

    Attributes:
        text: in words.
        contrast: the contrast on the log scale (or a slope of it), one number per replicate.
        margin: on the same scale.
        above: whether the claimed side is above the margin, else below.
        ratio: whether the contrast is the log of a ratio, for words.
    """

    text: str
    contrast: FloatArray
    margin: float
    above: bool
    ratio: bool = True


def slope_on_workers(panel: FloatArray, workers: Sequence[int]) -> FloatArray:
    """Least-squares slope of log error on log2 W with an effect for each Q, one number per replicate.

    Args:
        panel: (questions, workers, replicate).
        workers: levels of W.

    Raises:
        LookupError: on fewer than two levels of W.

    Example:
        >>> rising = np.array([[0.0, 0.5, 1.0], [3.0, 3.5, 4.0]])[..., None]
        >>> slope_on_workers(rising, [1, 2, 4]).round(6).tolist()
        [0.5]
    """
    if len(workers) < 2:
        raise LookupError("at least two levels of workers")
    doublings = np.log2(np.asarray(workers, dtype=np.float64))
    centred = doublings - doublings.mean()
    return np.asarray(np.einsum("w,qwr->r", centred, panel) / (panel.shape[0] * np.sum(centred**2)))


def _more_workers(panels: Panels, margin: float = NO_HELP) -> list[Condition]:
    return [
        Condition(
            f"noise {noise:g}: slope per doubling of W",
            slope_on_workers(panels.panel(noise, 0), panels.workers),
            margin,
            above=True,
            ratio=False,
        )
        for noise in (1, 2)
    ]


def _no_diversity_best(panels: Panels) -> list[Condition]:
    best = panels.reference(0, 0)
    return [
        Condition(f"epsilon 0 over epsilon {other:g}", best - panels.reference(0, other), 0.0, above=False)
        for other in (1, 2)
    ]


def _high_diversity_dear(panels: Panels) -> list[Condition]:
    found = []
    for noise in (0, 1, 2):
        largest = panels.cell(noise, 2, 40, 40)
        many = (panels.cell(noise, 2, 20, 40) + panels.cell(noise, 2, 40, 20)) / 2 - largest
        few = panels.mean_where(noise, 2, lambda size: size <= FEW) - panels.reference(noise, 2)
        found.append(Condition(f"noise {noise:g}, W Q = {MANY}, over W Q = 1600", many, STABLE, above=False))
        found.append(Condition(f"noise {noise:g}, W Q <= {FEW}, over the reference", few, STABLE, above=True))
    return found


def _moderate_diversity_cheap(panels: Panels) -> list[Condition]:
    found = []
    for noise in (0, 1, 2):
        over = {
            epsilon: (panels.cell(noise, epsilon, 10, 5) + panels.cell(noise, epsilon, 10, 10)) / 2
            - panels.reference(noise, epsilon)
            for epsilon in (1, 2)
        }
        found.append(
            Condition(f"noise {noise:g}, W 10 with Q 5 or 10, over the reference", over[1], CHEAP, above=False)
        )
        found.append(Condition(f"noise {noise:g}, that ratio over epsilon 2's", over[1] - over[2], 0.0, above=False))
    return found


def _quality_caps(panels: Panels) -> list[Condition]:
    return [
        Condition(
            f"epsilon {epsilon:g}, noise {more:g} over {less:g}",
            panels.whole(more, epsilon) - panels.whole(less, epsilon),
            0.0,
            above=True,
        )
        for epsilon in (0, 1, 2)
        for less, more in ((0, 1), (1, 2))
    ]


#: Insight -> what the paper says, and its conditions, all of which must hold.
INSIGHTS: Mapping[int, tuple[str, Callable[[Panels], list[Condition]]]] = {
    1: ("noise 1 or 2, epsilon 0: more workers do not lower the error", _more_workers),
    2: ("noise 0: epsilon 0 is best", _no_diversity_best),
    3: ("epsilon 2 takes about 800 responses", _high_diversity_dear),
    4: ("epsilon 1: 10 workers with 5 or 10 questions are nearly enough, more so than at 2", _moderate_diversity_cheap),
    5: ("the quality of responses caps performance", _quality_caps),
}  # fmt: skip


def stronger_first(panels: Panels) -> list[Condition]:
    """Insight 1 in its stronger form: the error rises with W."""
    return _more_workers(panels, 0.0)


def _place(levels: Sequence[float], wanted: float, name: str) -> int:
    if wanted not in levels:
        raise LookupError(f"{name} {wanted:g}")
    return list(levels).index(wanted)
