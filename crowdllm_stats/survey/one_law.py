"""Do a survey's labelled twins and its other digital answers look like one digital population?"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from crowdllm_stats.inference.intervals.one_law import ALARM, LawCheck, chance_of_sum, same_law
from crowdllm_stats.survey.by_shape import joined
from crowdllm_stats.survey.pairing import Pairing
from crowdllm_stats.survey.result import Row
from crowdllm_stats.survey.twin_tables import FloatArray, IntArray


@dataclasses.dataclass(frozen=True)
class SurveyLaw:
    """The answer over all problems.

    Attributes:
        notice: what a reader must know before the numbers; empty where nothing differs.
        flags: problem -> what differs there beyond chance, corrected over all problems.
        together: whether people's digital answers differ over all problems together.
    """

    notice: str
    flags: Mapping[str, str]
    together: bool = False

    @property
    def differs(self) -> bool:
        """Whether any problem shows a mismatch: twins and crowd are made alike for all problems, or for none."""
        return bool(self.flags) or self.together

    def notices(self, consequence: str) -> list[str]:
        """The notice with what was done about it, or nothing."""
        return [f"{self.notice} {consequence}"] if self.differs else []

    def mark(self, rows: Sequence[Row]) -> None:
        """Write the flags before the remarks of the problems' rows."""
        for row in rows:
            flag = self.flags.get(str(row["problem"]), "")
            if flag:
                row["note"] = joined(flag, row.get("note") or "")


#: Where nothing was compared.
NOTHING = SurveyLaw("", {})


def survey_law(pairing: Pairing) -> SurveyLaw:
    """Compare a survey's labelled twins with its other digital answers: problem by problem, and all problems together.

    Problem by problem corrected over all (Bonferroni), which holds however the problems hang together, so the same
    people may answer all of them. All together by person, :func:`over_people`: a small shift in every problem shows
    there. Each half of the two has half of the alarm level. Twins that refused do not count, nor do their stand-ins.

    Args:
        pairing: human answers with their twins.

    Source: :mod:`crowdllm_stats.inference.intervals.one_law`.

    Example:
        >>> from crowdllm_stats import load_example
        >>> from crowdllm_stats.survey.pairing import pair
        >>> example = load_example()
        >>> survey_law(pair(example.human, example.digital)).differs
        False
    """
    checks: list[tuple[tuple[str, ...], LawCheck]] = []
    for block in pairing.blocks(paired=True):
        if block.twin is None or block.crowd is None or block.twin.shape[1] < 2:
            continue
        if not pairing.census or block.crowd.shape[1] > block.twin.shape[1]:
            checks.append((block.problems, same_law(block.twin, block.crowd, census=pairing.census)))
    if not checks:
        return NOTHING
    names = [problem for problems, _ in checks for problem in problems]
    kinds = checks[0][1].chances
    chance = over_people(pairing) if len(names) > 1 else None
    halves = 1.0 if chance is None else 2.0  # the alarm level is shared with the test over all problems together
    joined = {kind: halves * np.concatenate([check.chances[kind] for _, check in checks]) for kind in kinds}
    whole = LawCheck({kind: np.minimum(part, 1.0) for kind, part in joined.items()}, len(names))
    flags = {
        names[place]: sentence for sentence, mask in whole.flags().items() for place in np.flatnonzero(mask).tolist()
    }
    if chance is None or halves * chance > ALARM:
        return SurveyLaw(whole.notice, flags)
    words = (
        f"Labelled twins and crowd differ over all {len(names)} problems together by more than chance (p {chance:.2g}; "
        f"false alarms: at most {ALARM:.0%}). Were both made alike, and are the people asked a random sample of those "
        "that the crowd stands for? Otherwise intervals with twins miss their level."
    )
    return SurveyLaw(whole.notice or words, flags, together=True)


def over_people(pairing: Pairing) -> float | None:
    """p-value of one law from digital people's mean distance to their problems' digital means; None without a crowd.

    A digital person's value is the mean over its answers of the answer less the mean of all digital answers to that
    problem. Under one law the people with a human are any of all digital people, which a permutation test uses
    (:func:`~crowdllm_stats.inference.intervals.one_law.chance_of_sum`): exactly where all answer the same problems.

    Args:
        pairing: human answers with their twins.
    """
    if pairing.unlabeled is None or pairing.census:
        return None
    there = ~np.isnan(pairing.twin)
    mine = pairing.people.kept(there)
    others = pairing.unlabeled.kept(pairing.unlabeled.person >= pairing.n_people)
    row, person = np.concatenate([mine.row, others.row]), np.concatenate([mine.person, others.person])
    response = np.concatenate([pairing.twin[there], others.response])
    values, persons = _by(person, response - _by(row, response)[0][row])
    values = values[persons > 0]
    people = int(np.count_nonzero(persons[: pairing.n_people]))
    if people < 2 or len(values) - people < 2:
        return None
    return float(chance_of_sum(values, people))


def _by(codes: IntArray, values: FloatArray) -> tuple[FloatArray, IntArray]:
    """Mean and number of the values of each code; a mean of none is 0."""
    counts = np.bincount(codes)
    return np.bincount(codes, weights=values) / np.maximum(counts, 1), counts
