"""Units of training: answers near spread 1, so that hyper-parameters mean the same on every scale."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.generator.belief import Answers, Params
from crowdllm_stats.generator.blender import Blender

#: Spread of the answers beyond which the paper's objective, whose prior of a belief is N(0, 1), cannot follow them.
MOST_SPREAD = 5.0

#: Steps of this size in units are within training's reach: the learning rates of a fit sum up to 3.
FAR = 3.0

#: Heads of the encoder that give the belief's mean.
_MEANS = ("mean", "x_mean", "v_mean", "bias_mean")


def training_unit(answers: Answers, blender: Blender, objective: str) -> float:
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
    told = np.asarray(answers.reference, dtype=np.float64)[:, 0]
    apart = float(np.abs((values - told[np.asarray(answers.problem)]).mean())) / FAR
    gap = float(np.diff(np.asarray(blender.answers)).min()) if blender.family == "ordinal" else 0.0
    return float(2.0 ** np.round(np.log2(max(float(values.std()), float(told.std()), apart, gap, 1e-6))))


def values_of(answers: Answers, blender: Blender) -> FloatArray:
    """The answers as numbers, shape (n,); places on an ordinal scale are looked up."""
    values = np.asarray(answers.answer, dtype=np.float64)
    return np.asarray(blender.answers)[values.astype(np.int64)] if blender.family == "ordinal" else values


def _refuse_wide(spread: float) -> None:
    if spread > MOST_SPREAD:
        raise ValueError(
            f"objective 'paper' has its prior of beliefs, N(0, 1), in rating units, and these answers have standard "
            f"deviation {spread:.3g} (at most {MOST_SPREAD:g}): divide answers, scale and reference answers by about "
            f"{spread:.2g}, or use objective 'likelihood'"
        )


def blender_in(blender: Blender, unit: float) -> Blender:
    """The blender of the answers divided by ``unit``."""
    if unit == 1.0 or blender.family == "categorical":
        return blender
    bounds = None if blender.bounds is None else (blender.bounds[0] / unit, blender.bounds[1] / unit)
    return replace(blender, answers=tuple(float(one) / unit for one in blender.answers), bounds=bounds)


def answers_in(answers: Answers, blender: Blender, unit: float) -> Answers:
    """The training set with answers and references divided by ``unit``; places on an ordinal scale stay.

    Args:
        answers: the training set in rating units.
        blender: of the answers, in rating units.
        unit: see :func:`training_unit`.
    """
    if unit == 1.0:
        return answers
    divided = {name: getattr(answers, name) / unit for name in ("reference", "centred")}
    if blender.family in ("normal", "truncated"):
        divided["answer"] = answers.answer / unit
    return answers._replace(**divided)


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
    encoder["log_unit"] = jnp.asarray(log_unit)
    blender["log_sigma"] = blender["log_sigma"] + log_unit
    found = {**params, "encoder": encoder, "blender": blender, "couple": params["couple"] / unit}
    for name in ("problem", "person"):
        found[f"log_tau_{name}"] = params[f"log_tau_{name}"] + log_unit
        found[name] = {"mean": params[name]["mean"] * unit, "log_sd": params[name]["log_sd"] + log_unit}
    return found


def log_density_shift(blender: Blender, unit: float) -> float:
    """What a loss an answer, minus a log density where answers are numbers, gains in rating units: ``log unit``."""
    return float(np.log(unit)) if blender.family in ("normal", "truncated") else 0.0
