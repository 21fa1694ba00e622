"""What a fit is worth on problems that it has not seen, beside the bare LLM and one guess for every problem."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.evaluation.scores import FEW, PairedDifference, Scores, paired_difference
from crowdllm_stats.generator.crowdllm import CrowdLLM


@dataclass(frozen=True)
class HeldOutError:
    """Mean errors on held-out problems: of a problem's mean answer or, on a scale of words, of its shares.

    Attributes:
        what: the error.
        n_problems: held-out problems.
        n_answers: human answers to them.
        crowd: error of the generator fitted without them.
        llm: error of the reference answers alone.
        constant: error of the mean (the shares) of all other answers, for every problem.
        less_llm: ``crowd`` less ``llm``, paired by problem; None for a single problem.
    """

    what: str
    n_problems: int
    n_answers: int
    crowd: float
    llm: float
    constant: float
    less_llm: PairedDifference | None

    def __str__(self) -> str:
        found, paired = self.less_llm, ""
        if found is not None and self.n_problems < FEW:
            paired = f"; CrowdLLM is nearer than the LLM on {found.n_better} of {self.n_problems}"
        elif found is not None:
            ends = f"(0.95 interval {found.lower:+.3g} to {found.upper:+.3g})"
            paired = f"; CrowdLLM less the LLM {found.difference:+.3g} {ends}"
        return (
            f"{self.what.capitalize()} on {self.n_problems} held-out problems ({self.n_answers} answers): CrowdLLM "
            f"{self.crowd:.3g}, the bare LLM {self.llm:.3g}, one constant {self.constant:.3g}{paired}. Penalties or "
            "steps were chosen on these problems too; evaluate takes others."
        )


def held_out_error(model: CrowdLLM, data: CrowdData) -> HeldOutError | None:
    """The errors of a fit on the problems that it held out; None where it held out none.

    The generator without their answers predicts them at the median effect of a new problem. Errors are absolute ones of
    the mean, or half the sum of absolute differences of the shares on a scale of words.

    Args:
        model: just fitted.
        data: the answers it was fitted to.

    Example:
        >>> from crowdllm_stats import load_example
        >>> from crowdllm_stats.backbones import RecordedBackbone
        >>> example = load_example()
        >>> reference = RecordedBackbone(example.reference).reference(example.human.problems)
        >>> model = CrowdLLM(steps=20, ridge=10, ridge_network=40).fit(example.human, reference)
        >>> found = held_out_error(model, example.human)
        >>> print(found.what, found.n_problems, found.n_answers)
        mean absolute error of a problem's mean 2 16
    """
    if model.apart is None:
        return None
    aside, names = model.apart.model, list(model.apart.problems)
    rows = data.responses
    left = rows["problem"].isin(names)
    predicted = aside.predict(names, effect="typical", seed=aside.fitted.seed)
    told = aside.fitted.decision[aside.fitted.rows(names)]
    if predicted.mean is None:
        options = list(data.scale.options)
        given = pd.crosstab(rows["problem"], rows["response"]).reindex(columns=options, fill_value=0)
        truth = given.div(given.sum(axis=1), axis=0).loc[names].to_numpy()
        usual = rows.loc[~left, "response"].value_counts(normalize=True).reindex(options, fill_value=0.0).to_numpy()
        made = (np.asarray(predicted.probabilities), np.exp(told), usual[None])
        crowd, llm, constant = (0.5 * np.abs(one - truth).sum(axis=1) for one in made)
        what = "mean total variation distance of a problem's shares"
    else:
        means = rows.groupby("problem", sort=False)["response"].mean().loc[names].to_numpy(dtype=np.float64)
        usual = float(rows.loc[~left, "response"].mean())
        crowd, llm, constant = (np.abs(one - means) for one in (predicted.mean, told[:, 0], usual))
        what = "mean absolute error of a problem's mean"
    return HeldOutError(
        what=what,
        n_problems=len(names),
        n_answers=int(left.sum()),
        crowd=float(crowd.mean()),
        llm=float(llm.mean()),
        constant=float(constant.mean()),
        less_llm=None if len(names) < 2 else paired_difference(_scores(names, crowd), _scores(names, llm)),
    )


def _scores(names: list[str], errors: FloatArray) -> Scores:
    return Scores(pd.DataFrame({"problem": names, "split": 0, "error_mean": errors}), "exact")
