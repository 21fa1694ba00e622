"""What the numbers stored for a server's answers come to: distributions over the answers, and what is counted."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.backbones.replies import Silence
from crowdllm_stats.data.reference import kinds_text

#: What a reply without an answer is stored as.
CODES: dict[Silence, float] = {"refusal": -2.0, "several answers": -3.0, "off the scale": -4.0, "chatter": -1.0}
REFUSED = CODES["refusal"]


@dataclass(frozen=True, eq=False)
class ServerAnswers:
    """Distributions of T problems and P profiles over A answers.

    Attributes:
        probabilities: shape (T, P, A); NaN where nothing could be read.
        mass: admissible mass, shape (T, P); None for samples.
        n_samples: answers read, shape (T, P); None for log-probabilities.
        counts: for the reference's source.
        largest_unseen: largest share, over the cells, that answers outside the list of likely tokens may have of the
            answers' mass.
        problems: ids that are left, set by :meth:`without_silent`.
    """

    probabilities: FloatArray
    mass: FloatArray | None
    n_samples: FloatArray | None
    counts: dict[str, Any]
    largest_unseen: float = 0.0
    problems: tuple[str, ...] = ()

    def without_silent(self, problems: Sequence[str], *, drop: bool) -> ServerAnswers:
        """The same without the problems of which some cell has no readable answer.

        Raises:
            ValueError: if there are any and they are not to be dropped, or if none is left.
        """
        silent = np.isnan(self.probabilities[:, :, 0])
        rows = np.asarray(~silent.any(axis=1), dtype=bool)
        names = tuple(name for name, stays in zip(problems, rows, strict=True) if stays)
        if silent.any() and (not drop or not names):
            kinds = kinds_text(self.counts["without_answer"])
            first = problems[int(np.argmin(rows))]
            raise ValueError(
                f"{int(silent.sum())} of {silent.size} cell(s) have no readable answer, for instance problem {first!r} "
                f"({kinds or 'none of the likely first tokens is an answer'}); "
                + ('say missing="drop" to leave such problems out, or ' if names else "")
                + "let the template ask for the answer alone, or allow longer replies with max_tokens="
            )
        return dataclasses.replace(
            self,
            probabilities=self.probabilities[rows],
            mass=None if self.mass is None else self.mass[rows],
            n_samples=None if self.n_samples is None else self.n_samples[rows],
            counts={**self.counts, "dropped_problems": [str(name) for name in problems if name not in set(names)]},
            problems=names,
        )


def from_logprobs(stored: Sequence[Sequence[float]], shape: tuple[int, int], answers: int) -> ServerAnswers:
    """Normalise the masses of the answers; one stored list per cell: A masses, answers unseen, their bound.

    Example:
        >>> found = from_logprobs([[0.3, 0.1, 0.0, 1.0, 0.02]], (1, 1), 3)
        >>> found.probabilities.round(3).tolist(), found.mass.round(3).tolist(), round(found.largest_unseen, 4)
        ([[[0.75, 0.25, 0.0]]], [[0.4]], 0.0476)
    """
    refused = [list(row) == [REFUSED] for row in stored]
    silent = [0.0] * answers + [0.0, 0.0]
    table = np.array([silent if no else list(row) for row, no in zip(stored, refused, strict=True)], dtype=np.float64)
    table = table.reshape(*shape, answers + 2)
    masses, unseen, bound = table[..., :answers], table[..., answers], table[..., answers + 1]
    total = masses.sum(axis=2)
    heard = total > 0.0
    probabilities = np.where(heard[..., None], masses / np.where(heard, total, 1.0)[..., None], np.nan)
    share = bound[heard] / (total + bound)[heard]
    largest = float(share.max(initial=0.0))
    counts = {
        "replies": len(stored),
        "without_answer": {"refusal": sum(refused)},
        "unseen_answers": int(unseen[heard].sum()),
        "largest_unseen_share": largest,
    }
    return ServerAnswers(probabilities, total, None, counts, largest)


def from_samples(stored: Sequence[Sequence[float]], shape: tuple[int, int], answers: int) -> ServerAnswers:
    """Shares of the readable answers; one stored number a draw, the draws of a cell together.

    Example:
        >>> found = from_samples([[0.0], [2.0], [2.0], [CODES["chatter"]], [2.0]], (1, 1), 3)
        >>> found.probabilities.tolist(), found.n_samples.tolist(), found.counts["without_answer"]["chatter"]
        ([[[0.25, 0.0, 0.75]]], [[4.0]], 1)
    """
    draws = np.array([row[0] for row in stored], dtype=np.float64).reshape(*shape, -1)
    tally = (draws[..., None] == np.arange(answers)).sum(axis=2).astype(np.float64)
    read = tally.sum(axis=2)
    probabilities = np.where(read[..., None] > 0, tally / np.maximum(read, 1.0)[..., None], np.nan)
    counts = {
        "k": draws.shape[2],
        "replies": draws.size,
        "without_answer": {kind: int((draws == code).sum()) for kind, code in CODES.items()},
        "unanimous": int(((tally == read[..., None]) & (tally > 1)).any(axis=2).sum()),
    }
    return ServerAnswers(probabilities, None, read, counts)
