"""What digital twins know of their humans: correlation within problems and the intervals' widths, on POPQUORN.

    make reports NAME=generator/twins    # the report; a look at it under out/: python benchmarks/twins.py

Twins by people (generators without the person: their profile alone) and by problems (generators without the problem: the
person is known from their answers to other problems), both from the shipped population's problem vectors.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from crowdllm_stats import interval
from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.data import popquorn
from crowdllm_stats.generator.shipped import load_population
from crowdllm_stats.generator.twins import cross_fitted_twins, twins_by_problem
from crowdllm_stats.survey.pairing import pair
from reports import command_line, typed

BOUNDS = (1.0, 5.0)


def row(name, human, digital):
    """Correlation within problems, and mean half-widths with and without the digital answers."""
    both = human.responses.merge(digital.responses, on=["problem", "participant"], suffixes=("", "_twin"))
    columns = ["response", "response_twin"]
    within = both[columns] - both.groupby("problem")[columns].transform("mean")
    problems = [one for _, one in both.groupby("problem")]
    draws = np.random.default_rng(1).integers(len(problems), size=(200, len(problems)))
    sums = np.array([[(part[columns[0]] - part[columns[0]].mean()) @ (part[columns[1]] - part[columns[1]].mean()),
                      part[columns[0]].var(ddof=0) * len(part), part[columns[1]].var(ddof=0) * len(part)]
                     for part in problems])  # fmt: skip
    spread = [(lambda s: s[0] / np.sqrt(s[1] * s[2]))(sums[rows].sum(axis=0)) for rows in draws]
    widths, alone, lambdas = [], [], []
    for block in pair(human, digital).blocks(paired=True):
        if block.human.shape[-1] < 8:
            continue
        found = interval(block.human, block.twin, block.crowd, bounds=BOUNDS)
        widths.append(np.ravel(found.half_width))
        lambdas.append(np.ravel(found.lam))
        alone.append(np.ravel(interval(block.human, method="classical-small", bounds=BOUNDS).half_width))
    width, without = np.concatenate(widths), np.concatenate(alone)
    return {
        "twins": name,
        "correlation within problems": within.corr().iloc[0, 1],
        "standard error": float(np.std(spread, ddof=1)),
        "problems with 8 answers or more": len(width),
        "mean half-width": width.mean(),
        "humans alone": without.mean(),
        "ratio": width.mean() / without.mean(),
        "lambda 0 in": int(np.sum(np.concatenate(lambdas) == 0.0)),
    }


def main():
    out = command_line(__doc__, "generator").parse_args().out
    human = popquorn("offensiveness")
    model = load_population("offensiveness")
    rows = [
        row("by people (profile alone)", human, cross_fitted_twins(model, human, 250, seed=1).digital),
        row("by problems (person known)", human, twins_by_problem(model, human, seed=1).digital),
    ]
    text = "\n".join(
        [
            "# What digital twins know of their humans",
            "",
            made_by(typed()),
            "",
            "POPQUORN's offensiveness ratings, SmolLM2 references and 32 components of MiniLM; five folds; intervals by",
            "`auto` against `classical-small`, for problems with at least 8 answers. Standard errors: bootstrap over problems.",
            "",
            markdown_table(pd.DataFrame(rows)),
            "",
            "Twins by people follow the profile alone, which says almost nothing here. Twins by problems know the person from",
            "other problems; what they save is limited by n - 2 degrees of freedom at 8 to 10 answers and by many nearly",
            "unanimous problems, where no twin can show who deviates.",
        ]
    )
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "twins.md", text + "\n")
    print(text)


if __name__ == "__main__":
    main()
