"""Training sets filled up to few sizes, so that fits of about one size (folds, say) share a compiled program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray
from numpyro.primitives import Messenger

from crowdllm_stats.generator.belief import TrainingData

#: Least rows of answers, and of problems and of people.
_ANSWERS, _ROWS = 512, 64

#: Sizes between a power of two and the next: less than an eighth of the rows only fill up, where there are many.
_SIZES = 8


def size_for(count: int, least: int) -> int:
    """The size, of few, that ``count`` rows are filled up to.

    Example:
        >>> size_for(3, 64), size_for(209, 64), size_for(210, 64), size_for(10428, 512)
        (64, 256, 256, 11264)
    """
    step = max(least, (1 << (count - 1).bit_length()) // (2 * _SIZES))
    return -(-count // step) * step


def filled_up(data: TrainingData) -> TrainingData:
    """The same training set with rows that change nothing: answers without weight, and nobody's problems and people.

    Args:
        data: a training set of which every row counts.
    """
    problems, people, answers = len(data.x), len(data.v), len(data.problem)
    rows, persons = size_for(problems, _ROWS), size_for(people, _ROWS)
    sizes = {"v": persons, **dict.fromkeys(("x", "reference", "centred"), rows)}
    sizes |= dict.fromkeys(("problem", "person", "answer"), size_for(answers, _ANSWERS))
    filled = {name: _repeated(getattr(data, name), size) for name, size in sizes.items()}
    weight = np.zeros(sizes["answer"], dtype=np.float32)
    weight[:answers] = data.weight
    return data._replace(
        **filled,
        weight=jax.device_put(weight),
        is_problem=jax.device_put(np.arange(rows) < problems),
        is_person=jax.device_put(np.arange(persons) < people),
    )


def _repeated(given: jax.Array, size: int) -> jax.Array:
    """The last row repeated: numbers as finite as real ones."""
    rows: NDArray[Any] = np.asarray(given)
    return jax.device_put(np.concatenate([rows, np.repeat(rows[-1:], size - len(rows), axis=0)]))


class rows_that_count(Messenger):
    """Within it the effects of rows that only fill up have log density 0, in model and guide, whatever their law.

    Args:
        data: the training set that model and guide are given.
    """

    def __init__(self, data: TrainingData) -> None:
        super().__init__()
        counts = {"person": data.is_person, "profile": data.is_person, "problem": data.is_problem}
        self._counts: Mapping[str, jax.Array] = {name: rows for name, rows in counts.items() if rows is not None}

    def process_message(self, msg: dict[str, Any]) -> None:
        """Mask the law of a site: an event of independent rows."""
        if msg["type"] != "sample" or msg["name"] not in self._counts:
            return
        law, rows = msg["fn"], self._counts[msg["name"]]
        each = law.base_dist
        mask = rows.reshape(-1, *[1] * (len(each.batch_shape) - 1))
        msg["fn"] = each.mask(mask).to_event(law.reinterpreted_batch_ndims)
