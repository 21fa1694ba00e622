"""The mean over all problems as one row, people as the independent units."""

from __future__ import annotations

import dataclasses

from crowdllm_stats._base.words import several
from crowdllm_stats.inference.intervals import CROWD_FROM, HUMAN_ONLY, Interval, auto_method
from crowdllm_stats.inference.intervals.dispatch import compute
from crowdllm_stats.inference.intervals.sample import read_sample
from crowdllm_stats.pairing import Pairing
from crowdllm_stats.pooled import Pooled, pool
from crowdllm_stats.survey.intervals import Wanted, joined, saved
from crowdllm_stats.survey.result import Row

#: Beginnings of the methods for one problem at a time: each person answers once.
ONE_PROBLEM = ("betting", "set-", "crowdllm", "cross-fitted")

#: What stands for a method of answers of two values over all problems: people's means over problems have more values.
MORE_VALUES = {"binomial": "classical-small", "exact": "classical-small", "ppi++-binomial": "ppi++-small"}


def overall_row(pairing: Pairing, wanted: Wanted) -> tuple[Row | None, str]:
    """The mean over all problems as a row, and how it was made; or None and the reason why there is none."""
    if wanted.method.startswith(ONE_PROBLEM):
        return None, (
            f"No row over all problems: method {wanted.method!r} knows no people who answered several problems; "
            "auto, classical, ppi, ppi++, ppi-small and ppi++-small do."
        )
    try:
        return _pooled(pairing, wanted)
    except ValueError as reason:
        return None, f"No row over all problems: {reason}"


def _pooled(pairing: Pairing, wanted: Wanted) -> tuple[Row, str]:
    pooled = pool(pairing)
    people = len(set(pooled.people))
    method, why = wanted.method, pooled.why
    if method == "auto":
        crowd = 0 if pooled.crowd is None else len(pooled.crowd)
        method = auto_method(people, crowd, pooled.crowd is not None and wanted.twins, wanted.bounds is not None)
        if crowd and not wanted.twins:
            why = f"{why} Computed from human answers: twins and crowd are of two laws."
        elif crowd and method in HUMAN_ONLY:
            why = (
                f"{why} Computed from human answers: auto wants at least {CROWD_FROM} times as many further digital "
                "people as humans."
            )
    elif method not in HUMAN_ONLY and pooled.crowd is None:
        method = auto_method(people, 0, False, wanted.bounds is not None)
        why = f"{why} So the method is {method}."
    elif method in MORE_VALUES:
        method = MORE_VALUES[method]
        why = f"{why} People's means over problems have more than two values, so the method is {method}."
    answer = _over_people(pooled, wanted, method)
    row: Row = {"problem": "all", **answer.to_frame().to_dict("records")[0]}
    row["saved"] = saved(row)
    wider = "" if wanted.population_size is None else "for the wider population: population_size is not used here"
    row["note"] = joined(row["note"], f"{several(len(pooled.problems), 'problem')}, {people} people", wider)
    return row, f"all: {why}"


def _over_people(pooled: Pooled, wanted: Wanted, method: str) -> Interval:
    """The interval of the pooled answers: centred by problem they may lie off the scale, but not their mean."""
    used = method not in HUMAN_ONLY
    sample = read_sample(
        pooled.human,
        pooled.twin if used else None,
        pooled.crowd if used else None,
        level=wanted.level,
        alternative=wanted.alternative,
        clusters=pooled.people,
        check_law=False,
    )
    return compute(dataclasses.replace(sample, bounds=wanted.bounds), method)
