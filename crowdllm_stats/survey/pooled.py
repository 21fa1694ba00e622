"""One mean over all problems: answers centred by problem, people as the independent units."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats.survey.pairing import Pairing
from crowdllm_stats.survey.twin_tables import FloatArray


@dataclasses.dataclass(frozen=True, eq=False)
class Pooled:
    """All answers as one sample, ready for ``interval(..., clusters=people)``.

    ``human`` and ``twin`` hold one value an answer, ``crowd`` one a digital person (None where there is no digital
    person besides the humans' twins); ``problems`` are those used, ``left_out`` those with a single human answer.
    """

    human: FloatArray
    twin: FloatArray | None
    crowd: FloatArray | None
    people: NDArray[np.object_]
    problems: list[str]
    left_out: list[str]
    why: str


def pool(pairing: Pairing) -> Pooled:
    """The mean over problems, each weighing by its share of the human answers.

    An answer enters as ``ybar + (y - ybar_x) sqrt(n_x / (n_x - 1))``, ``ybar_x`` its problem's mean: how problems
    differ is no uncertainty about the mean over these very problems, and the factor makes up for the fitted mean.
    Twins enter likewise. A digital person j enters as ``C + J sum_x (w_x / N_x) (f_jx - fbar_x)``, J their number,
    ``w_x`` the share of problem x and ``C = sum_x w_x fbar_x``: these J values have mean C, and their variance over
    J is that of C with digital people as the independent units.

    People of the human table are no unlabelled digital people here: the twin of somebody who answered *other*
    problems brings no new person. Where the unlabelled answers are such twins, by profile, there is therefore no crowd,
    and the pooled mean rests on human answers.

    Args:
        pairing: human answers with their twins.

    Returns:
        Pooled, twins and crowd None unless every answer used has a twin and every problem used a digital answer by
        a further digital person.

    Raises:
        ValueError: if no problem has two human answers.

    Example:
        >>> from crowdllm_stats import load_example
        >>> from crowdllm_stats.survey.pairing import pair
        >>> example = load_example()
        >>> pooled = pool(pair(example.human, example.digital))
        >>> pooled.human.shape, pooled.crowd.shape
        ((96,), (200,))
    """
    rows = np.repeat(np.arange(len(pairing.problems)), pairing.n_answers)
    used = pairing.n_answers >= 2
    if not used.any():
        raise ValueError("no problem has two human answers; a pooled mean needs their spread within a problem")
    keep = used[rows]
    rows = rows[keep]
    human = pairing.answers["human"].to_numpy()[keep]
    twin = pairing.filled[keep]
    share = np.where(used, pairing.n_answers, 0) / len(rows)
    crowd = None
    why = "The digital answers do not enter: not every answer used has a twin."
    if np.isnan(twin).all():
        why = "Human answers alone."
    if not np.isnan(twin).any():
        crowd = _crowd(pairing, share)
        why = (
            "Humans, twins and further digital people all count by person."
            if crowd is not None
            else "The digital answers do not enter: beyond the humans' own twins there are no digital people."
        )
    return Pooled(
        human=_centred(human, rows, pairing.n_answers),
        twin=None if crowd is None else _centred(twin, rows, pairing.n_answers),
        crowd=crowd,
        people=pairing.answers["participant"].to_numpy(dtype=object)[keep],
        problems=[problem for problem, there in zip(pairing.problems, used, strict=True) if there],
        left_out=[problem for problem, there in zip(pairing.problems, used, strict=True) if not there],
        why=f"Mean over {int(used.sum())} problems, by their shares of human answers. {why}",
    )


def _centred(values: FloatArray, rows: NDArray[np.int64], sizes: NDArray[np.int64]) -> FloatArray:
    totals = np.bincount(rows, weights=values, minlength=len(sizes))
    means = totals / np.maximum(sizes, 1)
    stretch = np.sqrt(sizes / np.maximum(sizes - 1, 1))
    return np.asarray(values.mean() + (values - means[rows]) * stretch[rows])


def _crowd(pairing: Pairing, share: FloatArray) -> FloatArray | None:
    if pairing.unlabeled is None:
        return None
    further = pairing.unlabeled[~pairing.unlabeled["participant"].isin(set(pairing.answers["participant"]))]
    rows = further["row"].to_numpy(dtype=np.int64)
    answers = further["response"].to_numpy()
    sizes = np.bincount(rows, minlength=len(share))
    person, names = pd.factorize(further["participant"])
    if np.any(sizes[share > 0] == 0) or len(names) < 2:
        return None
    means = np.bincount(rows, weights=answers, minlength=len(share)) / np.maximum(sizes, 1)
    parts = (share / np.maximum(sizes, 1))[rows] * (answers - means[rows])
    return np.asarray(share @ means + len(names) * np.bincount(person, weights=parts, minlength=len(names)))
