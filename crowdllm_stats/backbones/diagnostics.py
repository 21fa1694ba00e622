"""Does a backbone read the question? Reverse the scale, turn the options round, change the person, and look."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from crowdllm_stats._base.checks import FloatArray, check_level
from crowdllm_stats._base.messages import BadInput
from crowdllm_stats.data.reference import Reference

if TYPE_CHECKING:
    from crowdllm_stats.backbones.transformers_backbone import TransformersBackbone

#: Fewest problems for a correlation with an interval.
LEAST_PROBLEMS = 4


@dataclass(frozen=True)
class Correlation:
    """Pearson's r over problems with Fisher's interval ``tanh(artanh r -+ z / sqrt(n - 3))``; None where undefined."""

    r: float | None
    lower: float | None
    upper: float | None


@dataclass(frozen=True)
class BackboneCheck:
    """What three changes of the prompt do to a backbone's ratings.

    Attributes:
        reversal: mean ratings with the normal scale against those with the labels reversed, over the problems. A
            backbone that reads the scale gives a clearly negative one, near -1.
        order: mean ratings with the options listed forwards against backwards; near 1 if the listing does not matter.
        order_shift: mean absolute change of the rating from the listing, in units of the scale.
        persona_sd: spread of the mean rating between profiles within a problem, root mean square; None without them.
        answer_sd: mean standard deviation of one answer, to compare ``persona_sd`` and ``order_shift`` with.
        admissible_mass: median over the problems, None where it is not known.
        n_problems: problems asked.
        n_profiles: profiles asked, 0 without.
        level: confidence of the intervals.
        template: name of the prompt's template; empty where references were compared.
        why: what could not be computed, and why.
    """

    reversal: Correlation
    order: Correlation
    order_shift: float
    persona_sd: float | None
    answer_sd: float
    admissible_mass: float | None
    n_problems: int
    n_profiles: int
    level: float
    template: str = ""
    why: str = ""

    @property
    def reads_scale(self) -> bool | None:
        """True if the reversed scale turns the ratings round (interval below 0), False if above 0, None if unclear."""
        if self.reversal.lower is None or self.reversal.upper is None:
            return None
        return True if self.reversal.upper < 0.0 else False if self.reversal.lower > 0.0 else None

    def to_frame(self) -> pd.DataFrame:
        """One row per check: ``check``, ``value``, ``lower``, ``upper``, ``competent`` (what to hope for)."""
        rows: list[tuple[str, float | None, float | None, float | None, str]] = [
            ("scale reversal, correlation", self.reversal.r, self.reversal.lower, self.reversal.upper, "near -1"),
            ("option order, correlation", self.order.r, self.order.lower, self.order.upper, "near 1"),
            ("option order, mean shift", self.order_shift, None, None, "near 0"),
            ("persona, sd within a problem", self.persona_sd, None, None, "as between people"),
            ("one answer, sd", self.answer_sd, None, None, "as within people"),
            ("admissible mass, median", self.admissible_mass, None, None, "near 1"),
        ]
        frame = pd.DataFrame(rows, columns=["check", "value", "lower", "upper", "competent"])
        numbers = ["value", "lower", "upper"]
        return frame.astype(dict.fromkeys(numbers, float))

    def __str__(self) -> str:
        asked = f", asked by the template {self.template!r}" if self.template else ""
        lines = [f"Check of a backbone on {self.n_problems} problems, {self.n_profiles} profiles{asked}"]
        for name, value, lower, upper, hoped in self.to_frame().itertuples(index=False, name=None):
            if not np.isnan(value):
                ends = "" if np.isnan(lower) else f" [{lower:.2f}, {upper:.2f}]"
                lines.append(f"  {name}: {value:.3f}{ends} (competent: {hoped})")
        verdict = {
            True: "it reads the scale: reversed labels turn its ratings round",
            False: "it does NOT read the scale: reversed labels leave its ratings as they were; use it as a weak "
            "predictor at most",
            None: "whether it reads the scale is not settled by these problems",
        }[self.reads_scale]
        return "\n".join([*lines, f"  verdict: {verdict}", *([f"  {self.why}"] if self.why else [])])


def compare_references(
    normal: Reference,
    reversed_meaning: Reference,
    reversed_order: Reference,
    personas: Reference | None = None,
    *,
    level: float = 0.95,
) -> BackboneCheck:
    """The check from references that were made already.

    Args:
        normal: T problems, one profile.
        reversed_meaning: the same problems with the labels the other way round.
        reversed_order: the same with the options listed the other way round.
        personas: the same problems seen by P profiles.
        level: confidence of the intervals.

    Raises:
        ValueError: on references of other problems or answers, and on answers that are words.

    Example:
        >>> table = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7], [0.3, 0.4, 0.3], [0.5, 0.3, 0.2]])
        >>> make = lambda rows: Reference.from_probabilities("abcd", [1, 2, 3], rows)
        >>> compare_references(make(table), make(table[:, ::-1]), make(table)).reads_scale
        True
    """
    check_level(level)
    for name, other in (("reversed_meaning", reversed_meaning), ("reversed_order", reversed_order),
                        ("personas", personas)):  # fmt: skip
        if other is not None and (other.problems != normal.problems or other.answers != normal.answers):
            raise ValueError(f"{name} has other problems or answers than normal; ask all of them alike")
    forward, turned, listed = (one.mean.mean(axis=1) for one in (normal, reversed_meaning, reversed_order))
    reasons = []
    if len(forward) < LEAST_PROBLEMS:
        reasons.append(f"{len(forward)} problems are too few for a correlation with an interval")
    elif min(np.ptp(forward), np.ptp(turned), np.ptp(listed)) <= 1e-12:
        reasons.append("a rating is the same for every problem, so a correlation with it is not defined")
    return BackboneCheck(
        reversal=_correlation(forward, turned, level),
        order=_correlation(forward, listed, level),
        order_shift=float(np.mean(np.abs(listed - forward))),
        persona_sd=None
        if personas is None or len(personas.profiles) < 2
        else float(np.sqrt(np.mean(np.var(personas.mean, axis=1, ddof=1)))),
        answer_sd=float(np.mean(normal.sd)),
        admissible_mass=None if normal.admissible_mass is None else float(np.median(normal.admissible_mass)),
        n_problems=len(forward),
        n_profiles=0 if personas is None else len(personas.profiles),
        level=level,
        why="; ".join(reasons),
    )


def check_backbone(
    backbone: TransformersBackbone,
    problems: pd.DataFrame,
    profiles: pd.DataFrame | None = None,
    *,
    persona_template: Any = None,
    level: float = 0.95,
) -> BackboneCheck:
    """Ask a backbone everything three times, and with profiles once for each, and compare.

    Args:
        backbone: with labelled answers (``options``), and a template without ``{persona}``.
        problems: as for ``backbone.reference``.
        profiles: a row per person; at least two.
        persona_template: template with ``{persona}``, needed with profiles.
        level: confidence of the intervals.

    Raises:
        ValueError: on answers without labels, profiles without a persona template, and as ``backbone.reference``.
    """
    if (profiles is None) != (persona_template is None):
        raise BadInput(
            "profiles and a template that has {persona} go together",
            python="pass profiles= and persona_template=, or neither",
            command="give --profiles FILE and --persona-template NAME, or neither",
        )
    check_level(level)
    scale = backbone.options
    normal = backbone.reference(problems)
    meaning = backbone.with_options(scale.reversed_meaning()).reference(problems)
    order = backbone.with_options(scale.reversed_order()).reference(problems)
    people = None if profiles is None else backbone.with_template(persona_template).reference(problems, profiles)
    found = compare_references(normal, meaning, order, people, level=level)
    return dataclasses.replace(found, template=backbone.template.name)


def _correlation(one: FloatArray, other: FloatArray, level: float) -> Correlation:
    if len(one) < LEAST_PROBLEMS or min(np.ptp(one), np.ptp(other)) <= 1e-12:
        return Correlation(None, None, None)
    r = float(np.corrcoef(one, other)[0, 1])
    bounded = min(max(r, -1.0 + 1e-15), 1.0 - 1e-15)  # artanh of exactly 1 is infinite
    half = float(stats.norm.ppf(0.5 + level / 2) / np.sqrt(len(one) - 3))
    centre = float(np.arctanh(bounded))
    return Correlation(r, float(np.tanh(centre - half)), float(np.tanh(centre + half)))
