"""Do a survey's labelled twins and its other digital answers look like one digital population?"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from crowdllm_stats.inference.intervals.same_law import LawCheck, same_law
from crowdllm_stats.pairing import Pairing
from crowdllm_stats.survey.result import Row


@dataclasses.dataclass(frozen=True)
class SurveyLaw:
    """The answer over all problems.

    Attributes:
        notice: what a reader must know before the numbers; empty where nothing differs.
        flags: problem -> what differs there beyond chance, corrected over all problems.
    """

    notice: str
    flags: Mapping[str, str]

    @property
    def differs(self) -> bool:
        """Whether any problem shows a mismatch: twins and crowd are made alike for all problems, or for none."""
        return bool(self.flags)

    def notices(self, consequence: str) -> list[str]:
        """The notice with what was done about it, or nothing."""
        return [f"{self.notice} {consequence}"] if self.differs else []

    def mark(self, rows: Sequence[Row]) -> None:
        """Write the flags before the remarks of the problems' rows."""
        for row in rows:
            flag = self.flags.get(str(row["problem"]), "")
            if flag:
                row["note"] = "; ".join(part for part in (flag, row.get("note")) if part)


#: Where nothing was compared.
NOTHING = SurveyLaw("", {})


def survey_law(pairing: Pairing) -> SurveyLaw:
    """Compare every problem's labelled twins with its unlabelled answers, corrected over all problems (Bonferroni).

    The correction holds however the problems hang together, so the same people may answer all of them. Twins that
    refused do not count, nor do their stand-ins.

    Args:
        pairing: human answers with their twins.

    Source: :mod:`crowdllm_stats.inference.intervals.same_law`.

    Example:
        >>> from crowdllm_stats import load_example
        >>> from crowdllm_stats.pairing import pair
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
    joined = {kind: np.concatenate([check.chances[kind] for _, check in checks]) for kind in kinds}
    whole = LawCheck(joined, len(names))
    flags = {
        names[place]: sentence for sentence, mask in whole.flags().items() for place in np.flatnonzero(mask).tolist()
    }
    return SurveyLaw(whole.notice, flags)
