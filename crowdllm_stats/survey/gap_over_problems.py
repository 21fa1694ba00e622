"""How far the digital crowd is from the humans over all problems together: small gaps that no single problem shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from crowdllm_stats.survey.pairing import Pairing


def gap_over_problems(pairing: Pairing, problems: Sequence[str], level: float) -> str:
    """The mean over problems of the crowd's mean less the humans', in a sentence to follow another; empty for one.

    People are the independent units, however many problems they answered: a person's part is the sum of
    ``(y - ybar) sqrt(n / (n - 1)) / n`` over the person's answers, n and ybar of their problem. Student's t with one
    degree of freedom less than people. The crowd counts as it stands.

    Args:
        pairing: a census, so that a problem's crowd is all its digital people.
        problems: those to average over, at least one, each with two human answers.
        level: of confidence.

    Example:
        >>> from crowdllm_stats import load_example
        >>> from crowdllm_stats.survey.pairing import pair
        >>> example = load_example()
        >>> pairing = pair(example.human, example.digital, census=True)
        >>> print(gap_over_problems(pairing, pairing.problems, 0.95).strip())
        Over all 12 problems together its mean is off by ... (0.95 interval ... to ...): none is shown.
    """
    if len(problems) < 2:
        return ""
    wanted = set(problems)
    places = [place for place, problem in enumerate(pairing.problems) if problem in wanted]
    crowd = float(np.mean([pairing.crowd_of(place).mean() for place in places]))
    answers = pairing.answers[pairing.answers["problem"].isin(wanted)]
    grouped = answers.groupby("problem", observed=True, sort=False)["human"]
    size, mean = grouped.transform("size").to_numpy(dtype=float), grouped.transform("mean").to_numpy(dtype=float)
    human = answers["human"].to_numpy(dtype=float)
    parts = (human - mean) * np.sqrt(size / (size - 1.0)) / size / len(places)
    people = answers["participant"].astype(str).to_numpy()
    names, codes = np.unique(people, return_inverse=True)
    error = float(np.sqrt(np.sum(np.bincount(codes, weights=parts) ** 2)))
    gap = crowd - float(np.sum(human / size) / len(places))
    reach = float(stdtrit(len(names) - 1, 0.5 + level / 2.0)) * error
    low, high = gap - reach, gap + reach
    shown = "a gap is shown" if low > 0.0 or high < 0.0 else "none is shown"
    return (
        f" Over all {len(places)} problems together its mean is off by {gap:.3g} ({level:.4g} interval {low:.3g} to "
        f"{high:.3g}): {shown}."
    )
