"""What reviewers wrote, as reference answers of products: read by what other reviews taught, or by an LLM."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.reference import Reference
from crowdllm_stats.data.reviews import SHOWN, ProductRatings
from crowdllm_stats.evaluation.baselines.from_features import on_simplex
from crowdllm_stats.evaluation.case_study.reference_tables import NewQuestions, References

#: Parts of the training products; what describes one part is read by what the reviews of the others taught.
_FOLDS = 5

#: Penalties on squared weights, a text being a vector of length 1.
_PENALTIES = (1.0, 3.0, 10.0)


def questions(evaluations: pd.DataFrame, scale: Any) -> NewQuestions:
    """Evaluations as problems of their own, for an embedder or an LLM; those without words are left out.

    Args:
        evaluations: ``problem``, ``participant``, ``evaluation``, as :class:`ProductRatings` has them.
        scale: of the ratings.

    Returns:
        Problems named "PRODUCT REVIEWER", with the evaluation's first 200 characters on one line as ``text``.

    Example:
        >>> from crowdllm_stats.data.reviews import SCALE
        >>> told = pd.DataFrame({"problem": ["a", "a"], "participant": ["u", "v"], "evaluation": ["so\\nso", " "]})
        >>> questions(told, SCALE).problems.to_dict("list")
        {'problem': ['a u'], 'text': ['so so']}
    """
    words = evaluations["evaluation"].str.split().str.join(" ").str.slice(0, SHOWN)
    table = pd.DataFrame({"problem": evaluations["problem"] + " " + evaluations["participant"], "text": words})
    return NewQuestions(table[words != ""].reset_index(drop=True), scale)


def of_evaluations(said: References, ratings: ProductRatings) -> References:
    """What an LLM says of a product as all the reviewers who describe it: the mean over their evaluations.

    Args:
        said: the LLM's answers to :func:`questions` of ``ratings.describing``, each alone.
        ratings: described, see :meth:`ProductRatings.described`.

    Returns:
        References with ``personas`` alone.

    Raises:
        ValueError: if the LLM was asked nothing about some evaluation, or a product is described without a word.
    """
    asked = questions(ratings.describing, ratings.data.scale).problems["problem"]
    told = said.whole.select(asked).probabilities.mean(axis=1)
    return dataclasses.replace(said, alone=None, personas=_by_product(ratings, asked.str.rsplit(" ", n=1).str[0], told))


@dataclasses.dataclass(frozen=True, eq=False)
class Reader:
    """Reads ratings out of evaluations: penalised regression of a review's rating on its words and pairs of words.

    It learns from the reviews behind the training ratings alone, and reads the evaluations that describe the products.
    Those of a training product are read by what the reviews of other products taught, as those of a new one are, so
    that a generator learns how far to trust the reader. What reviews of held-out products say never enters, but for the
    evaluations that describe them, whose ratings nobody foresees.

    Attributes:
        ratings: described, see :meth:`ProductRatings.described`.

    Source: CrowdLLM, section 5.3 (the evaluation text is part of training); how it enters is this library's.
    """

    ratings: ProductRatings

    def reference(self, train: CrowdData) -> Reference:
        """The mean distribution of stars read from each product's evaluations, P = 1.

        The shares of the A answers are regressed on TF-IDF; of three penalties the one with the least squared error on
        reviews of products left out in turn is taken, and predictions go to the nearest probabilities.

        Args:
            train: answers of the ratings, the part to learn from.

        Raises:
            ValueError: if the training reviews of fewer than two products have words, or a product is described
                without a word.
            ModuleNotFoundError: without scikit-learn.
        """
        keys = ["problem", "participant"]
        rows = train.responses[keys + ["response"]].merge(self.ratings.evaluations, on=keys)
        rows = rows[rows["evaluation"].str.strip() != ""]
        names = list(dict.fromkeys(rows["problem"]))
        if len(names) < 2:
            raise ValueError(
                f"reviews of {len(names)} training product(s) have words; a reader learns from two or more"
            )
        fold = {name: place % _FOLDS for place, name in enumerate(names)}
        told = self.ratings.describing[self.ratings.describing["evaluation"].str.strip() != ""]
        levels = np.asarray(train.scale.levels)
        shares = (rows["response"].to_numpy()[:, None] == levels).astype(np.float64)
        read = _read(
            rows["evaluation"], shares, rows["problem"].map(fold).to_numpy(), told["evaluation"],
            told["problem"].map(fold).fillna(-1).to_numpy(),
        )  # fmt: skip
        return _by_product(self.ratings, told["problem"], on_simplex(read))


def _read(texts: pd.Series, shares: FloatArray, fold: FloatArray, new: pd.Series, of: FloatArray) -> FloatArray:
    """Predicted shares of new texts: those of part k of the products by the fit to the other parts, -1 by all."""
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import Ridge
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "a reader of evaluations needs scikit-learn: pip install 'crowdllm-stats[generator]'", name="sklearn"
        ) from None
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    table = words.fit_transform(texts)
    parts = np.unique(fold)

    def fitted(penalty: float, rows: Any) -> Any:
        return Ridge(penalty, solver="sparse_cg").fit(table[rows], shares[rows])

    def error(penalty: float) -> float:
        left = [fitted(penalty, fold != part).predict(table[fold == part]) - shares[fold == part] for part in parts]
        return float(sum((one**2).sum() for one in left))

    best = min(_PENALTIES, key=error)
    read = fitted(best, slice(None)).predict(words.transform(new))
    for part in parts:
        if (of == part).any():
            read[of == part] = fitted(best, fold != part).predict(words.transform(new[of == part]))
    return np.asarray(read)


def _by_product(ratings: ProductRatings, products: pd.Series, said: FloatArray) -> Reference:
    """The mean over each product's evaluations of a distribution by evaluation."""
    mean = pd.DataFrame(said).groupby(products.to_numpy()).mean()
    names = ratings.data.problems["problem"]
    silent = names[~names.isin(mean.index)]
    if len(silent):
        raise ValueError(
            f"{len(silent)} product(s) are described without a word, for instance {silent.iloc[0]!r}: leave them out, "
            "or let more evaluations describe each"
        )
    shares = mean.loc[names].to_numpy()
    return Reference.from_probabilities(names, ratings.data.scale.levels, shares / shares.sum(axis=1, keepdims=True))
