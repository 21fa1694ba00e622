"""A picture of answers: which share of them each answer has, question by question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crowdllm_stats._base.shown import cut, one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Questions that are drawn at most, and different answers whose shares are.
DRAWN, LEVELS = 40, 12


def answer_picture(responses: pd.DataFrame) -> Figure:
    """One line per question, the first on top: the shares of its answers, or of many different ones their quartiles.

    Args:
        responses: with the columns problem and response.

    Returns:
        The matplotlib figure.

    Example:
        >>> figure = answer_picture(pd.DataFrame({"problem": ["a", "a", "b"], "response": [1, 2, 2]}))
        >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
        ['a', 'b']
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    problems = responses["problem"].drop_duplicates().tolist()[:DRAWN]
    answers = responses[responses["problem"].isin(problems)]
    figure = Figure(figsize=(7.0, 1.6 + 0.26 * len(problems)), layout="constrained")
    axis = figure.subplots()
    place = np.arange(len(problems), dtype=float)[::-1]
    levels = sorted(answers["response"].unique())
    grouped = answers.groupby("problem", observed=True)["response"]
    if len(levels) <= LEVELS:
        counted = pd.crosstab(answers["problem"], answers["response"], normalize="index")
        shares = counted.loc[problems, levels].to_numpy(dtype=float)
        left = np.zeros(len(problems))
        for number, level in enumerate(levels):
            colour = colormaps["viridis"](number / max(len(levels) - 1, 1))
            axis.barh(place, shares[:, number], left=left, color=colour, label=one_line(str(level)))
            left += shares[:, number]
        axis.set_xlabel("share of the answers")
        figure.legend(loc="outside lower center", ncols=6, frameon=False, fontsize=8)
    else:
        low, first, middle, third, high = (
            grouped.quantile(share).loc[problems].to_numpy(dtype=float) for share in (0.05, 0.25, 0.5, 0.75, 0.95)
        )
        axis.hlines(place, low, high, color="0.6", linewidth=1)
        axis.hlines(place, first, third, color="tab:blue", linewidth=5)
        axis.plot(middle, place, "o", color="black", markersize=4)
        axis.set_xlabel("answer: median, middle half, middle nine tenths")
    names = axis.set_yticks(place, [cut(one_line(str(name)), DRAWN) for name in problems])
    for name in names:
        name.label1.set_parse_math(False)
    axis.set_ylim(-0.7, len(problems) - 0.3)
    every = responses["problem"].nunique()
    more = f", {len(problems)} of {every} questions" if every > len(problems) else ""
    axis.set_title(f"{len(responses):,} answers{more}", fontsize=10)
    return figure
