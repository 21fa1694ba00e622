"""The sources that a methods paragraph cites, and the sentence on each interval method."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: Key -> reference.
SOURCES = {
    "crowdllm": "Lin RF, Tian K, Zheng H, Zhang C, Zeng L, Huang S. CrowdLLM: Building LLM-Based Digital Populations "
    "Augmented with Generative Models.",
    "ppi": "Angelopoulos AN, Bates S, Fannjiang C, Jordan MI, Zrnic T (2023). Prediction-powered inference. Science "
    "382(6671), 669-674.",
    "ppi++": "Angelopoulos AN, Duchi JC, Zrnic T (2023). PPI++: Efficient prediction-powered inference. "
    "arXiv:2311.01453.",
    "rubin": "Rubin DB (1981). The Bayesian bootstrap. Annals of Statistics 9(1), 130-134.",
    "student": "Student (1908). The probable error of a mean. Biometrika 6(1), 1-25.",
    "cochran": "Cochran WG (1977). Sampling Techniques, 3rd edition, section 12.6. Wiley.",
    "blaker": "Blaker H (2000). Confidence curves and improved exact confidence intervals for discrete distributions. "
    "Canadian Journal of Statistics 28(4), 783-798.",
    "clopper": "Clopper CJ, Pearson ES (1934). The use of confidence or fiducial limits illustrated in the case of the "
    "binomial. Biometrika 26(4), 404-413.",
    "korn": "Korn EL, Graubard BI (1998). Confidence intervals for proportions with small expected number of positive "
    "counts estimated from survey data. Survey Methodology 24(2), 193-201.",
    "bounded": "Learned-Miller E, Thomas PS (2019). A new confidence interval for the mean of a bounded random "
    "variable. arXiv:1905.06208.",
    "hoeffding": "Hoeffding W (1963). Probability inequalities for sums of bounded random variables. Journal of the "
    "American Statistical Association 58(301), 13-30.",
    "betting": "Waudby-Smith I, Ramdas A (2024). Estimating means of bounded random variables by betting. Journal of "
    "the Royal Statistical Society, Series B 86(1), 1-27.",
    "fay": "Fay RE, Herriot RA (1979). Estimates of income for small places: an application of James-Stein procedures "
    "to census data. Journal of the American Statistical Association 74(366), 269-277.",
    "liang": "Liang KY, Zeger SL (1986). Longitudinal data analysis using generalized linear models. Biometrika "
    "73(1), 13-22.",
    "conformal": "Lei J, G'Sell M, Rinaldo A, Tibshirani RJ, Wasserman L (2018). Distribution-free predictive "
    "inference for regression. Journal of the American Statistical Association 113(523), 1094-1111.",
    "bh": "Benjamini Y, Hochberg Y (1995). Controlling the false discovery rate: a practical and powerful approach to "
    "multiple testing. Journal of the Royal Statistical Society, Series B 57(1), 289-300.",
    "irpino": "Irpino A, Romano E (2007). Optimal histogram representation of large data sets: Fisher vs piecewise "
    "linear approximation. Revue des Nouvelles Technologies de l'Information E-9, 99-110.",
    "energy": "Szekely GJ, Rizzo ML (2013). Energy statistics: a class of statistics based on distances. Journal of "
    "Statistical Planning and Inference 143(8), 1249-1272.",
    "ademp": "Morris TP, White IR, Crowther MJ (2019). Using simulation studies to evaluate statistical methods. "
    "Statistics in Medicine 38(11), 2074-2102.",
}

#: Interval method -> how a paper says it, with keys of its sources.
METHODS = {
    "classical": "Student's t interval of the human answers [student]",
    "classical-small": "a Beta interval about the mean of the human answers",
    "binomial": "a binomial interval of the human answers [blaker]",
    "exact": "an exact binomial interval of the human answers [blaker]",
    "betting": "a betting interval of the human answers on a bounded scale [betting]",
    "crowdllm": "the interval of CrowdLLM's Theorem 5, as published [crowdllm]",
    "ppi": "prediction-powered inference [ppi]",
    "ppi++": "prediction-powered inference with a tuned weight on the digital answers [ppi, ppi++]",
    "ppi-small": "prediction-powered inference with Student's t for small samples [ppi, student]",
    "ppi++-small": "prediction-powered inference with a tuned weight, computed for small samples as a two-phase "
    "regression of the human answers on those of their digital twins with n - 2 degrees of freedom [ppi, ppi++, "
    "cochran]",
    "ppi++-binomial": "prediction-powered inference with a tuned weight and binomial ends [ppi, ppi++, korn]",
    "set-clt": "the prediction-powered confidence set of CrowdLLM's Theorem 4 with normal sets [crowdllm, ppi]",
    "set-hoeffding": "the prediction-powered confidence set of CrowdLLM's Theorem 4 with Hoeffding sets [crowdllm, "
    "ppi, hoeffding]",
    "set-bernstein": "the prediction-powered confidence set of CrowdLLM's Theorem 4 with empirical Bernstein sets "
    "[crowdllm, ppi, betting]",
    "set-betting": "the prediction-powered confidence set of CrowdLLM's Theorem 4 with betting sets [crowdllm, ppi, "
    "betting]",
}

#: Methods that on a bounded scale take their ends from half an unseen answer.
_HALF = ("classical-small", "ppi-small", "ppi++-small")
_SHAPE = (
    "being a quantile of the Beta distribution that has the moments of that estimate with half an unseen answer added "
    "at that end of the scale [rubin, bounded]"
)

#: Methods whose one-sided limit is another formula's.
_ONE_SIDED = dict.fromkeys(
    ("binomial", "exact"), "Clopper and Pearson's exact binomial limit of the human answers [clopper]"
)


def method_said(name: str, *, one_sided: bool, bounded: bool) -> str:
    """An interval method as a paper says it, with keys of its sources.

    Args:
        name: of the method.
        one_sided: whether its intervals have one end alone.
        bounded: whether the scale of the answers has known ends.

    Example:
        >>> method_said("binomial", one_sided=True, bounded=True)
        "Clopper and Pearson's exact binomial limit of the human answers [clopper]"
    """
    sentence = _ONE_SIDED.get(name, METHODS[name]) if one_sided else METHODS[name]
    return f"{sentence}, {'the' if one_sided else 'each'} end {_SHAPE}" if bounded and name in _HALF else sentence


_KEYS = re.compile(r" ?\[([a-z+, ]+)\]")


def numbered(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """The texts with numbers in the place of keys, and the references in that order.

    Example:
        >>> texts, references = numbered(["By PPI [ppi].", "By both [ppi++, ppi]."])
        >>> texts, len(references)
        (['By PPI [1].', 'By both [1, 2].'], 2)
    """
    order: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        keys = found[1].split(", ")
        numbers = sorted(order.setdefault(key, len(order) + 1) for key in keys)
        return f" [{', '.join(map(str, numbers))}]"

    made = [_KEYS.sub(number, text) for text in texts]
    return made, [SOURCES[key] for key in order]
