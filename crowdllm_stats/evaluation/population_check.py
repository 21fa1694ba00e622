"""Is this population calibrated, and as diverse as people? Generators against answers that they never saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats._base.checks import FloatArray, check_choice, check_count
from crowdllm_stats._base.json_values import table_rows
from crowdllm_stats._base.messages import BadInput
from crowdllm_stats._base.random import generator
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.evaluation.calibration import Calibration, calibration
from crowdllm_stats.evaluation.case_study.reference_tables import References
from crowdllm_stats.evaluation.case_study.texts import Texts
from crowdllm_stats.evaluation.diversity import Diversity, diversity
from crowdllm_stats.evaluation.problem_loo import ProblemLoo, effect_draws, problem_loo
from crowdllm_stats.evaluation.protocols import PROTOCOLS, Protocol

if TYPE_CHECKING:
    from crowdllm_stats.generator.crowdllm import CrowdLLM

DRAWS = 499

#: Draws of the answers to problems held out, behind the diversity.
FEWER_DRAWS = 99


@dataclass(frozen=True, eq=False)
class PopulationCheck:
    """Calibration of held-out answers over the folds of a protocol; see :func:`check_population`.

    Attributes:
        name: of the data.
        backbone: of the reference answers.
        protocol: "paper" (people held out) or "new-problems" (people and problems).
        folds: number of folds.
        calibration: of all held-out answers, each once.
        loo: leave-one-out by problem, of all answers to the problems held out, by whomever; None where nothing is left
            to draw, see :func:`crowdllm_stats.evaluation.problem_loo.effect_draws`.
        diversity: between and within people: under "new-problems" of all answers to the problems held out, by whomever;
            under "paper" of the answers checked. None where it cannot be told, which ``notes`` then says.
        why: what was done.
        notes: of the reference answers, in sentences.
    """

    name: str
    backbone: str
    protocol: Protocol
    folds: int
    calibration: Calibration
    loo: ProblemLoo | None
    diversity: Diversity | None
    why: str
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """The checks of :class:`Calibration`, after a column ``protocol``."""
        frame = self.calibration.to_frame()
        frame.insert(0, "protocol", self.protocol)
        return frame

    def plot(self) -> Any:
        """The figure of :meth:`Calibration.plot`."""
        return self.calibration.plot()

    def to_dict(self) -> dict[str, Any]:
        """Verdict and tables as plain values, ready for JSON."""
        found, loo = self.calibration, self.loo
        by_problem = None if loo is None else {
            **{name: getattr(loo, name) for name in ("before", "before_error", "after", "after_error", "unreliable")},
            "per_problem": table_rows(loo.per_problem),
        }  # fmt: skip
        return {
            **{name: getattr(self, name) for name in ("name", "backbone", "protocol", "folds", "why", "notes")},
            **{name: getattr(found, name) for name in ("level", "p_value", "calibrated", "small")},
            "draws": len(found.draws),
            "checks": table_rows(found.checks),
            "histograms": table_rows(found.histograms),
            "loo": by_problem,
            "diversity": None if self.diversity is None else self.diversity.to_dict(),
        }

    def __str__(self) -> str:
        parts = [self.calibration, *(one for one in (self.diversity, self.loo) if one is not None), self.why]
        return "\n\n".join(map(str, [*parts, *self.notes]))


def check_population(
    data: CrowdData,
    references: References,
    texts: Texts,
    *,
    name: str = "answers",
    protocol: Protocol = "new-problems",
    folds: int = 5,
    draws: int = DRAWS,
    level: float = 0.95,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
    **settings: Any,
) -> PopulationCheck:
    """Fit a generator without each fold, and compare the fold's answers with draws of its population.

    People are dealt into folds; under "new-problems" problems too, and a fold holds its people's answers to its
    problems, of which the generator saw neither. So every answer is checked at most once, and folds share no person
    and, under "new-problems", no problem. What the test asks is whether the answers could come from the fitted
    population: errors of estimation count as miscalibration. Each fold's answers helped to fit the other folds'
    generators, so errors of the mean answer partly cancel over folds, and its check is conservative. Answers of people
    with a profile value that nobody in the other folds has are left out, and counted.

    The diversity is measured where most of it is seen: under "new-problems" on all answers to the problems that a fold
    holds out, also of people whose answers to other problems were learned from.

    Args:
        data: human answers on an ordinal or continuous scale.
        references: of all problems.
        texts: of all problems.
        name: of the data.
        protocol: "paper" holds out people alone, "new-problems" problems too.
        folds: number of folds, at least 2.
        draws: of the population, behind every p-value.
        level: see :func:`crowdllm_stats.evaluation.calibration.calibration`.
        seed: of folds, fits and draws.
        progress: called with words before each fold.
        **settings: hyper-parameters of ``CrowdLLM``.

    Returns:
        PopulationCheck.

    Raises:
        ValueError: on a scale of words, more folds than people or problems, and as the fits.
    """
    from crowdllm_stats.generator.crowdllm import CrowdLLM
    from crowdllm_stats.generator.replicates import replicates

    check_choice("protocol", protocol, PROTOCOLS)
    if not data.scale.numeric:
        raise ValueError(f"the check of a population needs answers that are numbers; the scale is {data.scale}")
    report, whole = progress or (lambda step: None), references.whole
    checked: list[_Drawn] = []
    on_new: list[_Drawn] = []
    effects = []
    dealt = _folds(data, protocol, check_count("folds", folds, 2), seed)
    for number, fold in enumerate(dealt, 1):
        report(f"fold {number}: fitting")
        known = texts.features(fold.train.responses["problem"].unique())
        model = CrowdLLM(**settings).fit(fold.train, whole, embedding=known, seed=seed)
        report(f"fold {number}: drawing")
        given: dict[str, Any] = {"reference": whole, "embedding": known, "seed": seed}
        test = _of_known_profiles(model, fold.test)
        checked.append(_Drawn(test.responses, replicates(model, test, draws, **given)))
        if fold.new is not None:
            asked = _of_known_profiles(model, fold.new)
            on_new.append(_Drawn(asked.responses, replicates(model, asked, FEWER_DRAWS, **given)))
            if model.blender.family == "ordinal":
                effects.append(effect_draws(model, asked, **given))
    report("tests")
    held = _held(data, checked)
    left = sum(len(fold.test.responses) for fold in dealt) - len(held.data.responses)
    found = calibration(held.data, held.draws, folds=held.folds, level=level, seed=seed)
    drawn = [one for one in effects if one is not None]
    spread, notes = None, references.notes
    try:
        whose = _held(data, on_new or checked)
        spread = diversity(whose.data, whose.draws, folds=whose.folds, level=level, seed=seed)
    except ValueError as reason:  # too few people, or answers all alike: the rest of the check stands
        notes = (*notes, f"The diversity is not compared: {reason}.")
    return PopulationCheck(
        name, references.name, protocol, folds, found, problem_loo(drawn) if drawn else None, spread,
        _why(protocol, folds, len(held.data.responses), len(data.responses), left), notes,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Drawn:
    """Answers of one fold, and draws of a generator that did not see it."""

    responses: pd.DataFrame
    draws: FloatArray


@dataclass(frozen=True, eq=False)
class _Held:
    """The answers of all folds, their draws, and the fold of each."""

    data: CrowdData
    draws: FloatArray
    folds: NDArray[np.int64]


def _held(data: CrowdData, folds: list[_Drawn]) -> _Held:
    rows = pd.concat([fold.responses for fold in folds], ignore_index=True)
    number = np.repeat(np.arange(len(folds)), [len(fold.responses) for fold in folds])
    answered = CrowdData(rows, data.participants, data.problems, data.scale)
    return _Held(answered, np.concatenate([fold.draws for fold in folds], axis=1), number)


@dataclass(frozen=True, eq=False)
class _Fold:
    """Answers to learn from, answers to check, and all answers to the problems held out; None where none are."""

    train: CrowdData
    test: CrowdData
    new: CrowdData | None


def _folds(data: CrowdData, protocol: Protocol, folds: int, seed: int) -> list[_Fold]:
    """The folds, refused where one holds no answer."""
    asked = data.responses
    inside = {}
    for key in ("participant", "problem"):
        ids = list(dict.fromkeys(asked[key]))
        if len(ids) < 2 * folds:
            raise BadInput(
                f"{folds} folds need at least {2 * folds} {key}s with answers; there are {len(ids)}",
                python="give fewer folds",
                command="give a smaller --seeds",
            )
        dealt = generator(seed, "folds", key).permutation(len(ids)) % folds
        inside[key] = asked[key].map(dict(zip(ids, dealt, strict=True))).to_numpy()
    made = []
    for number in range(folds):
        people = inside["participant"] == number
        problems = inside["problem"] == number if protocol == "new-problems" else np.zeros(len(asked), dtype=bool)
        held = people & problems if protocol == "new-problems" else people
        if not held.any() or (people | problems).all():
            raise BadInput(
                f"fold {number + 1} of {folds} holds no answer to check, or leaves none to learn from",
                python="give fewer folds, or another seed",
                command="give a smaller --seeds",
            )
        new = _some(data, problems) if problems.any() else None
        made.append(_Fold(_some(data, ~people & ~problems), _some(data, held), new))
    return made


def _some(data: CrowdData, rows: Any) -> CrowdData:
    kept = data.responses[rows]
    return data.select(problems=kept["problem"].unique(), participants=kept["participant"].unique())


def _of_known_profiles(model: CrowdLLM, data: CrowdData) -> CrowdData:
    """Without the answers of people with a profile value that nobody has whom the model was fitted to.

    Raises:
        ValueError: if nobody is left.
    """
    people = data.participants
    known = np.ones(len(people), dtype=bool)
    for column in model.fitted.encoder.columns:
        if column.levels:
            known &= people[column.name].isin(column.levels).to_numpy()
    if not known.any():
        raise ValueError(
            "everybody held out in a fold has a profile value that nobody has in the other folds; join values of the "
            "profile columns, or leave columns out"
        )
    return data if known.all() else data.select(participants=people["participant"][known])


def _why(protocol: Protocol, folds: int, held: int, answers: int, left: int) -> str:
    what = "people" if protocol == "paper" else "people and problems"
    unknown = (
        f" {left} held-out answers were left out: of people with a profile value that nobody has in the other folds."
    )
    mean = (
        " A fold's answers helped to fit the other folds' generators, so errors of the mean partly cancel over folds:"
    )
    mean += " the check of the mean answer is conservative."
    return (
        f"{folds} folds of {what}: {held:,} of {answers:,} answers were checked, each against a generator fitted "
        f"without the fold's {what}.{unknown if left else ''}{mean}"
    )
