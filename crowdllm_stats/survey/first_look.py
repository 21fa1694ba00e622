"""What must be known of two tables before any number: who is paired, what repeats, whether twins run backwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats._base.messages import BadInput, Message
from crowdllm_stats._base.words import several
from crowdllm_stats.data.ids import written_otherwise
from crowdllm_stats.survey.pairing import Pairing
from crowdllm_stats.survey.tables import two_ids, two_scales

if TYPE_CHECKING:
    from crowdllm_stats.data.crowd import CrowdData

#: Correlation below which twins are asked about, and the false alarms of each of three tests that it lies below zero.
REVERSED, ALARM = -0.3, 0.001
#: Fewest problems, people, and people of one problem that can show it.
PROBLEMS, PEOPLE, MANY = 6, 8, 20
#: Share of human answers with a twin below which ids are taken to be written in two ways.
LITTLE = 0.1


def refuse_strangers(pairing: Pairing, digital: CrowdData, *, alone: bool = True) -> None:
    """Refuse two tables of which (almost) nobody is paired.

    Args:
        pairing: of the two tables.
        digital: the digital table.
        alone: whether human answers alone would do.

    Raises:
        ValueError: with two ids of each side and the remedies.
    """
    has_twin = _has_twin(pairing)
    if has_twin.mean() >= LITTLE:
        return
    answers = pairing.answers["participant"]
    lacking = pd.unique(answers[~has_twin])
    others = pd.unique(digital.responses["participant"])
    others = others[~np.isin(others.astype(str), pd.unique(answers).astype(str))]
    people = int(answers[has_twin].nunique())
    who = "no person has" if not people else f"only {people} of {pairing.counts['people']} people have"
    how = "" if not pairing.match else f" by {' and '.join(pairing.match)}"
    reason = written_otherwise(lacking.astype(str), others.astype(str))
    why = f"; {reason}" if reason else ""
    first, middle = ("write the ids alike in both tables", "to build twins from profiles")
    raise BadInput(
        f"{who} a digital twin{how}: ids of people such as {two_ids(lacking)}, ids of digital people such as "
        f"{two_ids(others)}{why}",
        python=f"{first}, give match=[...] {middle}, or unpaired=True to use the human answers alone"
        if alone
        else f"{first}, or give match=[...] {middle}",
        command=f"{first}, give --match COLUMNS {middle}, or --unpaired to use the human answers alone"
        if alone
        else f"{first}, or give --match COLUMNS {middle}",
    )


def first_look(pairing: Pairing, human: CrowdData, digital: CrowdData, *, paired: bool = True) -> list[str]:
    """Sentences for the first lines: who is paired by what, repeated answers, two scales, a scale that runs backwards.

    Args:
        pairing: of the two tables.
        human: the human table.
        digital: the digital table.
        paired: whether the numbers rest on who is paired with whom.

    Example:
        >>> from crowdllm_stats import load_example
        >>> from crowdllm_stats.survey.pairing import pair
        >>> example = load_example()
        >>> first_look(pair(example.human, example.digital), example.human, example.digital)
        ['60 of 60 people have a digital twin, by participant id; 200 other digital people.']
    """
    sentences = [_who(pairing, digital, paired), _repeated(pairing), *two_scales(human, digital), backwards(pairing)]
    return [sentence for sentence in sentences if sentence]


def _who(pairing: Pairing, digital: CrowdData, needed: bool) -> str:
    answers = pairing.answers["participant"]
    paired = pd.unique(answers[_has_twin(pairing)]).astype(str)
    people = pairing.counts["people"]
    if pairing.match:
        return f"{len(paired)} of {people} people have a digital twin, by {' and '.join(pairing.match)}."
    others = pairing.counts["digital_people"] - len(paired)
    if not len(paired):
        return f"No person has a digital twin, by participant id; {others} digital people." if others else ""
    text = f"{len(paired)} of {people} people have a digital twin, by participant id; {others} other digital people."
    ids = pd.unique(digital.responses["participant"]).astype(str)
    reason = written_otherwise(sorted(set(answers.astype(str)) - set(paired)), sorted(set(ids) - set(paired)))
    if reason:
        text += f" Some ids without a twin look like ids of the other table: {reason}; write them alike."
    numbers = sorted(int(name) for name in ids if name.isdecimal())
    if needed and len(numbers) == len(ids) and others and numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        return Message.filled(
            "{} Ids are running numbers on both sides: if person {} is not digital person {}, say {}.",
            text, paired[0], paired[0], Message("unpaired=True", "--unpaired"),
        )  # fmt: skip
    return text


def _repeated(pairing: Pairing) -> str:
    parts = [
        f"{several(pairing.counts[f'{side}_averaged'], f'{side} answer')}"
        for side in ("human", "digital")
        if pairing.counts[f"{side}_averaged"]
    ]
    if not parts:
        return ""
    return (
        f"Rows repeat a problem and participant already answered: {' and '.join(parts)} "
        f"{'is' if parts[0].startswith('1 ') and len(parts) == 1 else 'are'} the mean of several rows."
    )


def _has_twin(pairing: Pairing) -> NDArray[np.bool_]:
    return np.asarray(pairing.answers["twin"].notna() | pairing.answers["stand_in"].notna())


def backwards(pairing: Pairing) -> str:
    """A question where twins fall as humans rise; empty where they do not.

    Three tests, each with 1 false alarm in 1,000 at most where twins have nothing to do with their humans: of the
    problems' means (Fisher's z); of the answers within all problems together, people as the independent units
    (Student's t of their sums of products); and of each problem with many people (Fisher's z, corrected for the number
    of problems). The correlation must lie below -0.3, too.

    Args:
        pairing: human answers with their twins.

    Example:
        >>> from crowdllm_stats import load_example
        >>> from crowdllm_stats.survey.pairing import pair
        >>> example = load_example()
        >>> backwards(pair(example.human, example.digital))
        ''
    """
    both = pairing.answers[~pairing.answers["twin"].isna()]
    if both.empty:
        return ""
    grouped = both.groupby("problem", observed=True, sort=False)[["human", "twin"]]
    means = grouped.mean()
    apart = both[["human", "twin"]] - grouped.transform("mean")
    products = pd.DataFrame({
        "xy": apart["human"] * apart["twin"], "xx": apart["human"] ** 2, "yy": apart["twin"] ** 2,
        "problem": both["problem"], "participant": both["participant"].astype(str),
    })  # fmt: skip
    over = _correlation(*(means[name].to_numpy(dtype=float) for name in ("human", "twin")))
    if len(means) >= PROBLEMS and over < REVERSED and _z(over, len(means)) < ndtri(ALARM):
        return f"Twins fall as humans rise (correlation {over:.2f} over problems): is one of the two scales reversed?"
    within = _ratio(products[["xy", "xx", "yy"]].sum().to_numpy(dtype=float))
    sums = products.groupby("participant", sort=False)["xy"].sum().to_numpy(dtype=float)
    if len(sums) >= PEOPLE and within < REVERSED and _chance_below(sums) < ALARM:
        return (
            f"Twins fall as humans rise (correlation {within:.2f} within problems): is one of the two scales reversed?"
        )
    return _single(products)


def _single(products: pd.DataFrame) -> str:
    """The question about single problems."""
    grouped = products.groupby("problem", observed=True, sort=False)[["xy", "xx", "yy"]]
    sizes = grouped.size().to_numpy()
    each = np.array([_ratio(row) for row in grouped.sum().to_numpy(dtype=float)])
    tested = sizes >= MANY
    if not tested.any():
        return ""
    bad = tested & (each < REVERSED) & (_z(each, np.maximum(sizes, MANY)) < ndtri(ALARM / int(tested.sum())))
    if not bad.any():
        return ""
    names = list(grouped.groups)
    worst = int(np.argmin(np.where(bad, each, 1.0)))
    return (
        f"Twins fall as humans rise in {several(int(bad.sum()), 'problem')} (correlation {each[worst]:.2f} in "
        f"{names[worst]!r}): is the scale reversed there?"
    )


def _correlation(first: FloatArray, second: FloatArray) -> float:
    x, y = first - first.mean(), second - second.mean()
    return _ratio(np.array([np.sum(x * y), np.sum(x * x), np.sum(y * y)]))


def _ratio(sums: FloatArray) -> float:
    """The correlation from sums of products; 0 where one side never varies."""
    scale = float(np.sqrt(sums[1] * sums[2]))
    return float(sums[0]) / scale if scale > 0.0 else 0.0


def _z(value: float | FloatArray, n: int | FloatArray) -> FloatArray:
    """Fisher's z of a correlation of n pairs, in standard errors."""
    return np.asarray(np.arctanh(np.clip(value, -1.0 + 1e-12, 1.0 - 1e-12)) * np.sqrt(np.asarray(n) - 3.0))


def _chance_below(sums: FloatArray) -> float:
    """One-sided p-value of Student's t for people's sums of products being zero on average."""
    error = float(np.std(sums, ddof=1)) / np.sqrt(len(sums))
    return float(stdtr(len(sums) - 1, sums.mean() / error)) if error > 0.0 else 1.0
