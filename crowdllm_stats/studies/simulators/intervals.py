"""Every closed-form interval method on humans, twins and a crowd with a known mean; a block of replicates at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.inference.intervals.dispatch import choose
from crowdllm_stats.inference.intervals.methods import METHODS
from crowdllm_stats.inference.intervals.sample import Sample, read_sample
from crowdllm_stats.studies.engine.parameters import Parameter, Value
from crowdllm_stats.studies.engine.simulator import STANDARD, Job, Simulator, uniforms

FAMILIES = ("normal", "heavy-tailed", "ordinal", "binary")


@dataclasses.dataclass(frozen=True, eq=False)
class Family:
    """A population of answers.

    Attributes:
        mean: of the population.
        sd: its standard deviation.
        bounds: ends of the scale, None where there are none.
        answers: maps standard normal numbers to answers, rising.
    """

    mean: float
    sd: float
    bounds: tuple[float, float] | None
    answers: Callable[[FloatArray], FloatArray]


def family(name: str, probabilities: tuple[float, ...], share: float) -> Family:
    """One of :data:`FAMILIES`.

    Args:
        name: "normal" (mean 0, variance 1), "heavy-tailed" (Student t with 4 degrees of freedom, scaled to variance 1:
            its fourth moment is infinite), "ordinal" (1, 2, ... with ``probabilities``), "binary" (1 with probability
            ``share``, else 0).
        probabilities: of the ordinal answers, adding up to 1.
        share: of ones.

    Raises:
        ValueError: if the probabilities do not add up to 1.

    Example:
        >>> round(family("ordinal", (0.5, 0.25, 0.25), 0.2).mean, 6)
        1.75
    """
    if name == "normal":
        return Family(0.0, 1.0, None, lambda z: z)
    if name == "heavy-tailed":
        return Family(0.0, 1.0, None, heavy_tailed)
    chances = np.array([1.0 - share, share] if name == "binary" else probabilities)
    first = 0.0 if name == "binary" else 1.0
    if abs(chances.sum() - 1.0) > 1e-9 or len(chances) < 2 or np.any(chances < 0.0):
        raise ValueError(f"probabilities must be at least two, none negative, and add up to 1; got {probabilities}")
    values = first + np.arange(len(chances))
    mean = float(chances @ values)
    sd = float(np.sqrt(chances @ (values - mean) ** 2))
    with np.errstate(divide="ignore"):
        cuts = ndtri(np.clip(np.cumsum(chances)[:-1], 0.0, 1.0))
    return Family(mean, sd, (first, float(values[-1])), lambda z: first + np.searchsorted(cuts, z).astype(np.float64))


def heavy_tailed(z: FloatArray) -> FloatArray:
    """Standard normal numbers as Student t with 4 degrees of freedom over sqrt(2), by its closed quantile function.

    ``t = 2 sqrt(q - 1)``, ``q = cos(arccos(sqrt(a)) / 3) / sqrt(a)``, ``a = 4 u (1 - u)``; source: Shaw 2006, Sampling
    Student's T distribution, Journal of Computational Finance 9.

    Example:
        >>> from scipy.stats import norm, t
        >>> z = np.array([-2.0, 0.5, 3.0])
        >>> bool(np.allclose(heavy_tailed(z), t(4).ppf(norm.cdf(z)) / np.sqrt(2)))
        True
    """
    below = ndtr(-np.abs(z))
    root = np.sqrt(4.0 * below * (1.0 - below))
    ratio = np.cos(np.arccos(np.minimum(root, 1.0)) / 3.0) / root
    return np.asarray(np.sign(z) * np.sqrt(2.0 * np.maximum(ratio - 1.0, 0.0)))


def family_of(cell: Mapping[str, Any]) -> Family:
    """The family that a cell names.

    Args:
        cell: with ``family``, ``probabilities`` and ``share``, as :func:`family` takes them.

    Raises:
        ValueError: if the probabilities do not add up to 1.

    Example:
        >>> law = family_of({"family": "binary", "probabilities": (), "share": 0.2})
        >>> law.mean, law.bounds
        (0.2, (0.0, 1.0))
    """
    return family(cell["family"], cell["probabilities"], cell["share"])


@dataclasses.dataclass(frozen=True, eq=False)
class Answers:
    """Answers of one block: human and twins of shape (jobs, n), crowd of shape (jobs, N)."""

    human: FloatArray
    twins: FloatArray
    crowd: FloatArray


class IntervalSimulator(Simulator):
    """Humans ``y = F(z)``, twins ``F(bias + r z + sqrt(1 - r^2 + eta) e)``, crowd ``F(bias + sqrt(1 + eta) c)``.

    z, e, c are independent standard normals, F makes the family's answers (``answer_families``): r is the correlation
    of the Gaussian copula that joins a human and the twin, ``bias`` what the backbone is off, ``eta`` the noise of one
    of its answers. A ``memory`` m above 0 is that of a generator trained on these very humans: a labelled human's twin
    is drawn towards the human's own answer, ``(1 - m) twin + m z`` before F, the crowd is not.

    "auto" is the method that numbers and scale choose. The test whether twins and crowd are of one law, after which
    auto may use the human answers alone, is left out here: ``reports/inference/mismatch.md`` shows it.
    """

    parameters = {
        "n": Parameter("human answers, each with a twin", "whole", least=2, most=1e6),
        "N": Parameter("further digital answers, the crowd", "whole", 100, least=2, most=1e7),
        "family": Parameter("law of the answers", "choice", "normal", choices=FAMILIES),
        "correlation": Parameter("of the copula that joins human and twin", default=0.5, least=-1, most=1),
        "bias": Parameter("of the backbone, in standard deviations before F", default=0.0),
        "noise": Parameter("eta(t): variance of the backbone's noise before F", default=0.0, least=0),
        "memory": Parameter("share of a human's own answer in the twin", default=0.0, least=0, most=1),
        "probabilities": Parameter(
            "of the ordinal answers 1, 2, ...", "numbers", (0.577, 0.168, 0.122, 0.080, 0.053), least=0, most=1
        ),
        "share": Parameter("of ones among binary answers", default=0.2, least=1e-6, most=1 - 1e-6),
        "known_bounds": Parameter("whether the methods are told the scale's ends", "flag", True),
        "level": Parameter("nominal confidence", default=0.95, least=0.01, most=0.9999),
        "effect": Parameter("distance of the null value below the mean, in standard deviations", default=0.5),
    }
    methods = (
        "classical",
        "auto",
        *(name for name, one in METHODS.items() if name != "classical" and not one.folds),
    )
    outcomes = STANDARD
    optional = ("standard_error",)
    block = 2000

    def refuses(self, cell: Mapping[str, Value], method: str) -> str | None:
        """Methods that need the scale's ends, or two values, and a slope from two people."""
        if method == "auto":
            return None
        wanted = METHODS[method]
        if wanted.bounds == "needed" and (cell["family"] in ("normal", "heavy-tailed") or not cell["known_bounds"]):
            return "it needs the ends of the scale"
        if wanted.two_values and family_of(cell).bounds not in ((0.0, 1.0), (1.0, 2.0)):
            return "it needs answers of two values"
        people: Any = cell["n"]
        if people < wanted.least:
            return f"it needs {wanted.least} people"
        return None

    def check(self, cell: Mapping[str, Value]) -> None:
        """Probabilities that add up to 1."""
        family_of(cell)

    def run(self, jobs: Sequence[Job], methods: Sequence[str]) -> Mapping[str, FloatArray]:
        """Draw the answers, then every method on all of them."""
        cell: Mapping[str, Any] = jobs[0].cell
        sample = sample_of(draw(jobs), cell)
        law = family_of(cell)
        shape = (len(jobs), len(methods))
        found = {name: np.full(shape, np.nan) for name in ("estimate", "standard_error", "lower", "upper")}
        for place, method in enumerate(methods):
            core = METHODS[choose(sample) if method == "auto" else method](sample)
            found["estimate"][:, place] = core.estimate
            found["lower"][:, place] = core.lower
            found["upper"][:, place] = core.upper
            if core.variance is not None:
                found["standard_error"][:, place] = np.sqrt(core.variance)
        null = law.mean - cell["effect"] * law.sd
        return {**found, "truth": np.full(shape, law.mean), "null": np.full(shape, null)}


def draw(jobs: Sequence[Job]) -> Answers:
    """The answers of a block's jobs, which are all of one cell.

    Args:
        jobs: of one cell, differing in their replicate.

    Returns:
        Answers, one row per job; a job's row does not depend on the others.
    """
    cell: Mapping[str, Any] = jobs[0].cell
    n, size, r, eta, bias, memory = (cell[name] for name in ("n", "N", "correlation", "noise", "bias", "memory"))
    z = ndtri(uniforms(jobs, "people", 2 * n))
    human, own = z[:, :n], z[:, n:]
    twins = bias + r * human + np.sqrt(1.0 - r * r + eta) * own
    twins = (1.0 - memory) * twins + memory * human
    crowd = bias + np.sqrt(1.0 + eta) * ndtri(uniforms(jobs, "crowd", size))
    answers = family_of(cell).answers
    return Answers(answers(human), answers(twins), answers(crowd))


def sample_of(answers: Answers, cell: Mapping[str, Any]) -> Sample:
    """The checked input of every interval method.

    Args:
        answers: of one block.
        cell: with ``level``, ``known_bounds`` and the family's keys.
    """
    return read_sample(
        answers.human,
        answers.twins,
        answers.crowd,
        level=cell["level"],
        bounds=family_of(cell).bounds if cell["known_bounds"] else None,
    )


INTERVALS = IntervalSimulator()
