"""The interval methods as one table: what computes each, what it cannot do without and what it takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Literal, get_args

import numpy as np

from crowdllm_stats._base.messages import BadInput, Message
from crowdllm_stats.inference.intervals.classical import classical, classical_small
from crowdllm_stats.inference.intervals.confidence_sets import betting
from crowdllm_stats.inference.intervals.cross_fitted import cross_fitted, cross_fitted_small
from crowdllm_stats.inference.intervals.ppi import ppi, ppi_plus
from crowdllm_stats.inference.intervals.proportion import binomial, exact, ppi_plus_binomial
from crowdllm_stats.inference.intervals.sample import Core, Sample
from crowdllm_stats.inference.intervals.scale import needs_bounds, refuse_more_values
from crowdllm_stats.inference.intervals.small_sample import ppi_plus_small, ppi_small
from crowdllm_stats.inference.intervals.theorem4 import SetName, prediction_powered_set
from crowdllm_stats.inference.intervals.theorem5 import crowdllm

MethodName = Literal[
    "classical",
    "classical-small",
    "binomial",
    "exact",
    "betting",
    "crowdllm",
    "ppi",
    "ppi++",
    "ppi-small",
    "ppi++-small",
    "ppi++-binomial",
    "cross-fitted",
    "cross-fitted-small",
    "set-clt",
    "set-hoeffding",
    "set-bernstein",
    "set-betting",
]
#: What a caller may ask for: a method, or the one that n, N, scale and pairing decide.
MethodChoice = Literal["auto", MethodName]
CHOICES: tuple[MethodChoice, ...] = get_args(MethodChoice)


@dataclasses.dataclass(frozen=True)
class Method:
    """One interval method. Calling it refuses a sample that it cannot be computed from, and computes all others.

    Attributes:
        name: as in ``interval(..., method=name)``.
        core: from a checked sample to the ends.
        digital: whether it compares each human with a digital twin, and needs twins and a crowd.
        bounds: whether the ends of the scale are needed, shape its ends where they are known, or make no difference.
        two_values: whether it is for answers of two values alone.
        folds: whether twins and crowd come from generators that were each trained without one fold.
        clusters: whether it takes weights and clusters, and so people who answered several times.
        least: fewest independent people per problem.
        more_values: for methods of two values, the method that takes the place where answers have more.
    """

    name: MethodName
    core: Callable[[Sample], Core]
    digital: bool = False
    bounds: Literal["needed", "used", "unused"] = "unused"
    two_values: bool = False
    folds: bool = False
    clusters: bool = True
    least: int = 2
    more_values: MethodName | None = None

    def __call__(self, sample: Sample) -> Core:
        """Compute the method.

        Raises:
            ValueError: where the sample lacks what the method needs, or has what it does not take.
        """
        self._refuse_few(sample)
        if sample.folds is not None and self.digital and not self.folds:
            raise ValueError(
                f"method {self.name!r} does not use folds; leave folds out, or use 'cross-fitted' or "
                "'cross-fitted-small'"
            )
        if self.bounds == "needed" and sample.bounds is None:
            raise needs_bounds(f"method {self.name!r} needs the ends of the answer scale")
        if not self.clusters and (sample.weights is not None or sample.clusters is not None):
            raise ValueError(
                f"method {self.name!r} is for people who count alike and stand alone: it takes no weights or clusters "
                "('classical', 'binomial', 'ppi' and 'ppi++-small' do)"
            )
        if self.digital and (sample.twins is None or sample.crowd is None):
            raise _unpaired(self.name, sample)
        if self.folds and sample.folds is None:
            raise ValueError(
                f"method {self.name!r} needs folds: for every human the fold (0 to F-1) that its twin's generator was "
                "trained without, and digital_unlabeled of shape (..., F, N)"
            )
        if self.two_values:
            refuse_more_values(sample, self.name)
        return self.core(sample)

    def _refuse_few(self, sample: Sample) -> None:
        few = float(np.min(sample.units))
        if sample.n < 2:
            raise BadInput(
                f"has {sample.n} answer(s) per problem: at least 2 are needed to know their spread",
                argument="human",
                python="for problems without enough human answers see across_problems and conformal_new_problems",
                command="for problems without enough human answers see the command across",
            )
        if few < 1.5:
            raise ValueError(
                f"weights and clusters leave a problem with effectively {few:.3g} independent people; "
                "at least 1.5 are needed to know their spread"
            )
        if sample.n < self.least or few < self.least - 0.5:
            raise BadInput(
                f"a slope and a level need about {self.least} independent people; a problem has effectively {few:.3g}",
                python="use 'classical', or 'classical-small' with bounds",
                command="use 'classical', or 'classical-small' with --scale LOW:HIGH",
            )


def _unpaired(method: str, sample: Sample) -> BadInput:
    """The error of a method that compares humans with twins, where twins or the crowd are missing."""
    missing = "digital_labeled" if sample.twins is None else "digital_unlabeled"
    lacking = "twins" if sample.twins is None else "unlabelled digital answers"
    needs = f"method {method!r} compares each human with a digital twin and needs"
    return BadInput(
        Message(
            f"{needs} digital_labeled and digital_unlabeled; {missing} is missing",
            f"{needs} twins and unlabelled digital answers; {lacking} are missing",
        ),
        python="for unpaired data use 'classical', or 'classical-small' with bounds",
        command="for unpaired data use 'classical', or 'classical-small' with --scale LOW:HIGH",
    )


_TABLE = (
    Method("classical", classical),
    Method("classical-small", classical_small, bounds="needed"),
    Method("binomial", binomial, bounds="needed", two_values=True, more_values="classical-small"),
    Method("exact", exact, bounds="needed", two_values=True, clusters=False, more_values="classical-small"),
    Method("betting", betting, bounds="needed", clusters=False),
    Method("crowdllm", crowdllm, digital=True, clusters=False),
    Method("ppi", ppi, digital=True),
    Method("ppi++", ppi_plus, digital=True),
    Method("ppi-small", ppi_small, digital=True, bounds="used"),
    Method("ppi++-small", ppi_plus_small, digital=True, bounds="used", least=3),
    Method("ppi++-binomial", ppi_plus_binomial, True, bounds="needed", two_values=True, more_values="ppi++-small"),
    Method("cross-fitted", cross_fitted, digital=True, folds=True),
    Method("cross-fitted-small", cross_fitted_small, digital=True, bounds="used", folds=True, least=3),
    *(
        Method(name, partial(prediction_powered_set, method=name), digital=True, bounds="needed", clusters=False)
        for name in get_args(SetName)
    ),
)
METHODS: dict[str, Method] = {method.name: method for method in _TABLE}

#: Methods that use the human answers alone.
HUMAN_ONLY = tuple(name for name, method in METHODS.items() if not method.digital)
#: Methods whose intervals would use the ends of the scale.
USE_BOUNDS = ("auto", *(name for name, method in METHODS.items() if method.bounds == "used"))
