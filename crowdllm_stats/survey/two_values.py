"""Tables whose answers are of two values: words as 0 and 1, and scales of which nothing but the ends was used."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from crowdllm_stats.data.scale import ordinal
from crowdllm_stats.inference.intervals.two_values import neighbours, rating
from crowdllm_stats.survey.two_scales import refuse_codings

if TYPE_CHECKING:
    from crowdllm_stats.data.crowd import CrowdData


def words_as_numbers(human: CrowdData, digital: CrowdData) -> tuple[CrowdData, CrowdData, str]:
    """Both tables with the two words of the human scale as 0 and 1, and a sentence that says so ("" without words).

    The first word declared is 0, the second 1, in both tables. A digital table of numbers stays as it is.

    Args:
        human: answers of people; any scale but one of two words is left alone.
        digital: answers of the digital population.

    Raises:
        ValueError: if the digital answers are words of another scale, or both are of two values coded in two ways.

    Example:
        >>> import pandas as pd
        >>> from crowdllm_stats.data.crowd import CrowdData
        >>> frame = pd.DataFrame({"problem": ["a", "a"], "participant": ["x", "y"], "response": ["yes", "no"]})
        >>> data = CrowdData.from_frame(frame, scale="no,yes")
        >>> human, _, words = words_as_numbers(data, data)
        >>> human.responses["response"].tolist(), words
        ([1.0, 0.0], "Answers are coded 0 for 'no' and 1 for 'yes': a mean is the share of 'yes'.")
    """
    options = human.scale.options
    if human.scale.numeric:
        refuse_codings(human, digital)
    if human.scale.kind != "categorical" or len(options) != 2:
        return human, digital, ""
    if not digital.scale.numeric:
        if digital.scale.kind != "categorical" or set(digital.scale.options) != set(options):
            raise ValueError(
                f"the human scale is {human.scale} and the digital one {digital.scale}: both tables need the same words"
            )
        digital = _coded(digital, options)
    first, second = options
    said = f"Answers are coded 0 for {first!r} and 1 for {second!r}: a mean is the share of {second!r}."
    human = _coded(human, options)
    refuse_codings(human, digital)
    return human, digital, said


def _coded(data: CrowdData, options: tuple[str, ...]) -> CrowdData:
    numbers = (data.responses["response"].astype(str) == options[1]).astype(float)
    return dataclasses.replace(data, responses=data.responses.assign(response=numbers), scale=ordinal([0, 1]))


def step_of(human: CrowdData, digital: CrowdData) -> tuple[float | None, str]:
    """Distance of neighbouring answers on the human scale, and a sentence where it rests on the answers ("" otherwise).

    It is that of a scale whose levels are declared. Otherwise the two ends are all the answers there are where no human
    or digital answer to any problem lies between them (on whole ends 3 to 10 apart only if both were given).

    Returns:
        The step, None where it is left to the calculator (no ends, or whole ends 1 apart), and the sentence.

    Example:
        >>> from crowdllm_stats import load_example
        >>> example = load_example()
        >>> step_of(example.human, example.digital)
        (1.0, '')
    """
    bounds = human.scale.bounds
    if human.scale.step is not None or bounds is None or neighbours(bounds):
        return human.scale.step, ""
    given = np.unique(np.concatenate([data.responses["response"].to_numpy(dtype=float) for data in (human, digital)]))
    low, high = bounds
    if set(given.tolist()) <= set(bounds) and (len(given) == 2 or not rating(bounds, 3.0)):
        return high - low, (
            f"No answer lies between {low:g} and {high:g}: they are taken for all the answers there are. If others can "
            f'be given, name them all in the scale, for instance "{low:g},{0.5 * (low + high):g},{high:g}".'
        )
    return 1.0 if rating(bounds) else (high - low) / 10.0, ""
