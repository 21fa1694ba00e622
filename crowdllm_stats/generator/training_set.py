"""From tables to the arrays of a training set."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.features import Features
from crowdllm_stats.data.reference import Reference
from crowdllm_stats.generator.belief import Objective, TrainingData
from crowdllm_stats.generator.blender import Blender
from crowdllm_stats.generator.fitted import Fitted
from crowdllm_stats.generator.networks import Params
from crowdllm_stats.generator.problems import ProblemVectors, check_reference, decisions
from crowdllm_stats.generator.profiles.encoding import ProfileEncoder
from crowdllm_stats.generator.settings import Settings


@dataclass(frozen=True, eq=False)
class Prepared:
    """A training set with what coded it.

    Attributes:
        answers: the arrays.
        problems: ids of the rows of ``x``.
        people: ids of the rows of ``v``.
        vectors: codes problems.
        encoder: codes profiles.
    """

    answers: TrainingData
    problems: tuple[str, ...]
    people: tuple[str, ...]
    vectors: ProblemVectors
    encoder: ProfileEncoder


def prepare(
    data: CrowdData, reference: Reference | Fitted, embedding: Features | None, blender: Blender, settings: Settings
) -> Prepared:
    """Arrays of the problems and people that have an answer.

    Args:
        data: the answers.
        reference: of all their problems; or a generator fitted before, whose problem vectors, reference decisions and
            coding of profiles are taken over.
        embedding: likewise, or None.
        blender: see :meth:`Blender.encode`.
        settings: say what problem vectors hold.

    Raises:
        ValueError: on repeats, problems without reference or embedding, neither embedding nor reference features.
    """
    if "repeat" in data.responses.columns:
        raise ValueError("data holds repeated answers of a person to a problem; keep one each before fitting")
    table = data.responses
    problems = tuple(dict.fromkeys(table["problem"]))
    answered = data.participants[data.participants["participant"].isin(table["participant"])]
    people = tuple(answered["participant"])
    if isinstance(reference, Fitted):
        encoder, vectors = reference.encoder, reference.vectors
        rows = reference.rows(problems)
        own, x = reference.decision[rows], reference.x[rows]
    else:
        own = decisions(reference, problems, blender.family)
        encoder = ProfileEncoder.fit(answered)
        vectors = ProblemVectors.fit(
            problems, reference, embedding, settings.components, own, settings.reference_features
        )
        x = vectors.transform(problems, reference, embedding)
    row = {name: place for place, name in enumerate(problems)}
    who = {name: place for place, name in enumerate(people)}
    person = table["participant"].map(who).to_numpy(dtype=np.int32)
    arrays = TrainingData(
        x=single(x),
        v=single(encoder.transform(answered)),
        reference=single(own),
        centred=single(own - vectors.decision_mean),
        problem=jax.device_put(table["problem"].map(row).to_numpy(dtype=np.int32)),
        person=jax.device_put(person),
        answer=jax.device_put(blender.encode(table["response"])),
        weight=single(np.ones(len(table))),
        share=single(1.0),
        ridge=single(np.ones(3)),
        diversity=single(1.0),
    )
    return Prepared(arrays, problems, people, vectors, encoder)


def single(numbers: ArrayLike) -> jax.Array:
    """Numbers of single precision on the device; ``jnp.asarray`` would compile a program for each of their shapes."""
    return jax.device_put(np.asarray(numbers, dtype=np.float32))


def weighted(
    answers: TrainingData, kept: NDArray[np.bool_], objective: Objective, ridge: tuple[float, float, float]
) -> TrainingData:
    """The training set with weight on some answers alone: 1 each, or ``1 / (N T_i)`` under the paper's objective.

    Answers without weight, which only fill up, stay without.

    Args:
        answers: the training set.
        kept: which of the n answers count.
        objective: "likelihood" or "paper".
        ridge: the three precisions.
    """
    person, kept = np.asarray(answers.person), kept & (np.asarray(answers.weight) > 0.0)
    if objective == "likelihood":
        weight = kept.astype(np.float64)
    else:
        counts = np.bincount(person[kept], minlength=answers.v.shape[0])
        weight = np.where(kept, 1.0 / (np.sum(counts > 0) * np.maximum(counts[person], 1)), 0.0)
    return answers._replace(weight=single(weight), ridge=single(ridge))


def unit_of(answers: TrainingData, blender: Blender) -> float:
    """Spread of the answers in units of training, at least a thousandth; 1 on a scale of words."""
    if blender.family == "categorical":
        return 1.0
    return max(float(values_of(answers, blender).std()), 1e-3)


def check_data(data: CrowdData, reference: Reference | Fitted) -> None:
    """Refuse what is not data or reference, too few people or problems, and reference answers off the scale.

    Raises:
        ValueError: naming the argument and its type, the number, or the answer and the scale.
    """
    if not isinstance(data, CrowdData):
        raise ValueError(f"data must be a CrowdData, got {type(data).__name__}; make one with CrowdData.from_frame()")
    if not isinstance(reference, Fitted):
        check_reference(reference)
    people, problems = data.responses["participant"].nunique(), data.responses["problem"].nunique()
    if people < 2 or problems < 2:
        raise ValueError(
            f"fitting needs answers of at least two participants to two problems; data holds {people} and {problems}"
        )
    if isinstance(reference, Fitted):
        if reference.scale != data.scale:
            raise ValueError(f"the generator was fitted on the scale {reference.scale}; the data's is {data.scale}")
        return
    said = tuple(map(str, reference.answers))
    if data.scale.kind == "categorical" and said != tuple(data.scale.options):
        raise ValueError(f"the reference has answers {', '.join(said)}; the data's scale is {data.scale}")
    if data.scale.numeric:
        if any(isinstance(answer, str) for answer in reference.answers):
            raise ValueError(f"the reference's answers are words ({', '.join(said)}); the data's scale is {data.scale}")
        given = np.asarray(reference.answers, dtype=np.float64)
        off = given[~data.scale.admits(given)]
        if off.size:
            raise ValueError(f"reference answer {off[0]:g} is not on the data's scale ({data.scale})")


#: Spread of the answers beyond which the paper's objective, whose prior of a belief is N(0, 1), cannot follow them.
MOST_SD = 5.0

#: Steps of this size in units are within training's reach: the learning rates of a fit sum up to 3.
FAR = 3.0

#: Heads of the encoder that give the belief's mean.
_MEANS = ("mean", "x_mean", "v_mean", "bias_mean")


def training_unit(answers: TrainingData, blender: Blender, objective: Objective) -> float:
    """The power of two next to the size of beliefs; 1 on a scale of words and under the paper's objective.

    Learning rate, penalties and the ends of the belief's spread are sizes in rating units. Learned in units of this
    number, answers from 0 to 100 give the generator that the same answers from 1 to 5 give. The size is the greatest
    of: standard deviation of the answers, of the reference decisions, a third of the mean distance between the two,
    and the least gap between two levels. Powers of two divide without rounding, and on a scale from 1 to 5 the unit is
    1 as a rule. The paper's objective is kept as printed.

    Args:
        answers: the training set.
        blender: of the answers.
        objective: "likelihood" or "paper".

    Raises:
        ValueError: under the paper's objective on a numeric scale, if the answers' standard deviation exceeds 5.
    """
    if blender.family == "categorical":
        return 1.0
    values = values_of(answers, blender)
    if objective == "paper":
        _refuse_wide(float(values.std()))
        return 1.0
    references = np.asarray(answers.reference, dtype=np.float64)[:, 0]
    apart = float(np.abs((values - references[np.asarray(answers.problem)]).mean())) / FAR
    gap = float(np.diff(np.asarray(blender.answers)).min()) if blender.family == "ordinal" else 0.0
    return float(2.0 ** np.round(np.log2(max(float(values.std()), float(references.std()), apart, gap, 1e-6))))


def values_of(answers: TrainingData, blender: Blender) -> FloatArray:
    """The answers as numbers, shape (n,); places on an ordinal scale are looked up."""
    values = np.asarray(answers.answer, dtype=np.float64)
    return np.asarray(blender.answers)[values.astype(np.int64)] if blender.family == "ordinal" else values


def _refuse_wide(spread: float) -> None:
    if spread > MOST_SD:
        raise ValueError(
            f"objective 'paper' has its prior of beliefs, N(0, 1), in rating units, and these answers have standard "
            f"deviation {spread:.3g} (at most {MOST_SD:g}): divide answers, scale and reference answers by about "
            f"{spread:.2g}, or use objective 'likelihood'"
        )


def blender_in(blender: Blender, unit: float) -> Blender:
    """The blender of the answers divided by ``unit``."""
    if unit == 1.0 or blender.family == "categorical":
        return blender
    bounds = None if blender.bounds is None else (blender.bounds[0] / unit, blender.bounds[1] / unit)
    return replace(blender, answers=tuple(float(one) / unit for one in blender.answers), bounds=bounds)


def answers_in(answers: TrainingData, blender: Blender, unit: float) -> TrainingData:
    """The training set with answers and references divided by ``unit``; places on an ordinal scale stay.

    Args:
        answers: the training set in rating units.
        blender: of the answers, in rating units.
        unit: see :func:`training_unit`.
    """
    if unit == 1.0:
        return answers
    names = ["reference", "centred", *(["answer"] if blender.family in ("normal", "truncated", "censored") else [])]
    return answers._replace(**{name: single(np.asarray(getattr(answers, name)) / unit) for name in names})


def rating_units(params: Params, unit: float) -> Params:
    """Parameters learned on answers divided by ``unit`` as those of the answers themselves.

    Means of beliefs, and effects on them, grow by ``unit``; logarithms of standard deviations by its logarithm, their
    ends with them (``log_unit`` of the encoder); what is a ratio stays: trust, gaps of cuts, effects on the spread.

    Args:
        params: of one belief coordinate.
        unit: see :func:`training_unit`.
    """
    if unit == 1.0:
        return params
    log_unit = np.float32(np.log(unit))
    encoder, blender = dict(params["encoder"]), dict(params["blender"])
    for name in _MEANS:
        encoder[name] = encoder[name] * unit
    encoder["bias_spread"] = encoder["bias_spread"] + log_unit
    encoder["log_unit"] = log_unit
    blender["log_sigma"] = blender["log_sigma"] + log_unit
    found = {**params, "encoder": encoder, "blender": blender, "couple": params["couple"] / unit}
    for name in ("problem", "person"):
        found[f"log_tau_{name}"] = params[f"log_tau_{name}"] + log_unit
        found[name] = {"mean": params[name]["mean"] * unit, "log_sd": params[name]["log_sd"] + log_unit}
    return found


def log_density_shift(blender: Blender, unit: float) -> float:
    """What a loss an answer, minus a log density where answers are numbers, gains in rating units: ``log unit``."""
    return float(np.log(unit)) if blender.family in ("normal", "truncated") else 0.0
