"""One check of one statement, and the statement it belongs to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

if TYPE_CHECKING:
    import sympy

#: A simulated quantity is taken to differ from its formula beyond this many Monte Carlo standard errors: two-sided
#: false-alarm rate 6e-5 per check (normal approximation).
LIMIT = 4.0


#: Kinds of checks. "symbolic": an identity that SymPy proves for all values; "exact enumeration": all outcomes of a
#: small case are listed with their probabilities; "numeric": chosen numbers, exactly or to a stated tolerance, which
#: shows these cases alone; "counterexample": exact numbers at which a published claim is false; "simulation": random
#: draws, within LIMIT standard errors unless the check says otherwise.
Kind = Literal["symbolic", "exact enumeration", "numeric", "counterexample", "simulation"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Statement:
    """A published result and what is true of it.

    Attributes:
        name: the folder's name in ``theory/``, for instance "theorem2".
        title: for people, with the paper's numbers (PDF and HTML).
        published: the claim as published, in one line.
        verdict: "holds", "holds under ..." or "fails"; for results of the toolkit itself "holds" or "holds under ...".
        exact: the exact or corrected statement, in one line.
    """

    name: str
    title: str
    published: str
    verdict: str
    exact: str


@dataclass(frozen=True)
class Check:
    """One check and what came out.

    Attributes:
        name: short and unique within its statement.
        kind: one of :data:`KINDS`.
        about: "exact" (the statement must hold) or "published" (as printed; it may be expected to fail).
        says: the formula or sentence that was checked.
        holds: whether it was found to hold.
        expected: whether it should hold; a published formula that is shown to fail has ``expected=False``.
        evidence: what was seen, for people: a residual of 0, a z-score, the numbers of a counterexample.
        z: z-score of a simulation where there is one.

    Raises:
        ValueError: on an unknown kind.
    """

    name: str
    kind: Kind
    about: Literal["exact", "published"]
    says: str
    holds: bool
    expected: bool
    evidence: str
    z: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind of check {self.name!r} must be one of {', '.join(KINDS)}; got {self.kind!r}")

    @property
    def passed(self) -> bool:
        """True where it was found to hold if and only if it should."""
        return self.holds == self.expected


@dataclass(frozen=True)
class Skipped:
    """Checks that could not be made here, in the place of those checks.

    Attributes:
        names: of the checks left out.
        kind: theirs, one of :data:`KINDS`.
        reason: why, and what would mend it.

    Raises:
        ValueError: without a name.

    Example:
        >>> Skipped(("distance", "noise"), "numeric", "POT is not installed")
        Skipped(names=('distance', 'noise'), kind='numeric', reason='POT is not installed')
    """

    names: tuple[str, ...]
    kind: Kind
    reason: str

    def __post_init__(self) -> None:
        if not self.names:
            raise ValueError("names is empty: name the checks that are left out")


def identity(
    name: str,
    left: sympy.Expr,
    right: sympy.Expr,
    says: str,
    *,
    about: Literal["exact", "published"] = "exact",
    expected: bool = True,
) -> Check:
    """Symbolic: ``left - right`` simplifies to 0.

    Example:
        >>> import sympy
        >>> a, b = sympy.symbols("a b")
        >>> identity("square", (a + b) ** 2, a**2 + 2 * a * b + b**2, "(a+b)^2 expands").passed
        True
    """
    import sympy

    difference = sympy.simplify(sympy.expand(left - right))
    holds = difference == 0
    return Check(name, "symbolic", about, says, bool(holds), expected, f"difference {difference}")


def simulation(
    name: str,
    estimate: float,
    standard_error: float,
    formula: float,
    says: str,
    *,
    about: Literal["exact", "published"] = "exact",
    expected: bool = True,
) -> Check:
    """Simulation: the estimate lies within LIMIT standard errors of the formula.

    Raises:
        ValueError: without a positive standard error.

    Example:
        >>> simulation("mean", 0.101, 0.01, 0.1, "the mean is 0.1").passed
        True
    """
    if not standard_error > 0.0:
        raise ValueError(f"standard_error must be positive, got {standard_error}")
    z = (estimate - formula) / standard_error
    evidence = f"simulated {estimate:.5g} (se {standard_error:.2g}), formula {formula:.5g}, z = {z:.2f}"
    return Check(name, "simulation", about, says, abs(z) <= LIMIT, expected, evidence, z)


def counterexample(name: str, claim_holds: Any, says: str, evidence: str) -> Check:
    """Exact rational numbers at which a published claim is false (``claim_holds`` must come out False).

    Example:
        >>> from fractions import Fraction
        >>> counterexample("sum", Fraction(1, 2) >= 1, "one half is at least one", "1/2 < 1").passed
        True
    """
    return Check(name, "counterexample", "published", says, bool(claim_holds), False, evidence)


def numeric(name: str, holds: Any, says: str, evidence: str) -> Check:
    """Chosen numbers, which show these cases alone.

    Example:
        >>> numeric("sum", 1 + 1 == 2, "1 + 1 = 2", "2").passed
        True
    """
    return Check(name, "numeric", "exact", says, bool(holds), True, evidence)


def enumeration(name: str, holds: Any, says: str, evidence: str) -> Check:
    """All outcomes of a small case, listed with their probabilities.

    Example:
        >>> coins = [a + b for a in (0, 1) for b in (0, 1)]
        >>> enumeration("two coins", sum(coins) / 4 == 1, "one of two coins shows 1 on average", "4 outcomes").kind
        'exact enumeration'
    """
    return Check(name, "exact enumeration", "exact", says, bool(holds), True, evidence)


def agree(
    name: str,
    pairs: Iterable[tuple[Any, Any]],
    says: str,
    tolerance: float = 1e-10,
    *,
    kind: Kind = "numeric",
    where: str = "",
) -> Check:
    """Computed numbers equal exact ones, relative to the exact one where that is beyond 1; None equals None alone.

    Args:
        name: of the check.
        pairs: computed and exact, numbers or arrays of one shape each.
        says: the sentence that is checked.
        tolerance: the largest difference allowed.
        kind: "exact enumeration" where the exact numbers come from listing all outcomes.
        where: the case, for the evidence.

    Raises:
        ValueError: without a pair.

    Example:
        >>> agree("half", [(0.5, 1 / 2), ([1.0, 2.0], [1, 2])], "as by hand").evidence
        '3 numbers, largest difference 0.0e+00'
    """
    found = [_difference(computed, exact) for computed, exact in pairs]
    if not found:
        raise ValueError(f"pairs of check {name!r} is empty: nothing is compared")
    count, worst = sum(size for size, _ in found), max(off for _, off in found)
    evidence = f"{where}{': ' if where else ''}{count} numbers, largest difference {worst:.1e}"
    return Check(name, kind, "exact", says, worst <= tolerance, True, evidence)


def fields_agree(
    name: str, computed: Mapping[str, Any], exact: Mapping[str, Any], says: str, *, kind: Kind = "numeric"
) -> Check:
    """Like :func:`agree` for named numbers: each of ``exact`` is among ``computed``; the evidence names the worst.

    Example:
        >>> fields_agree("mean", {"mean": 2.0, "n": 3}, {"mean": 2}, "as by hand").passed
        True
    """
    worst = max(exact, key=lambda field: _difference(computed[field], exact[field])[1])
    pairs = [(computed[field], value) for field, value in exact.items()]
    return agree(name, pairs, says, kind=kind, where=f"largest at {worst}")


def _difference(computed: Any, exact: Any) -> tuple[int, float]:
    """How many numbers, and the largest relative difference; infinite where one is None or not a number."""
    if computed is None or exact is None:
        return 1, 0.0 if computed is exact else math.inf
    got, wanted = np.broadcast_arrays(np.asarray(computed, dtype=np.float64), np.asarray(exact, dtype=np.float64))
    with np.errstate(invalid="ignore"):
        off = np.where(got == wanted, 0.0, np.abs(got - wanted) / np.maximum(1.0, np.abs(wanted)))
    return got.size, float(np.max(np.where(np.isnan(off), np.inf, off), initial=0.0))


def mean_of(name: str, draws: Any, formula: float, says: str) -> Check:
    """Simulation: the mean of independent draws against its formula.

    Example:
        >>> mean_of("coin", np.array([0.0, 1.0, 1.0, 0.0]), 0.5, "a fair coin").z
        0.0
    """
    values = np.asarray(draws, dtype=np.float64)
    return simulation(name, float(values.mean()), float(values.std(ddof=1)) / math.sqrt(values.size), formula, says)


def rate_at_least(name: str, hits: Any, least: float, says: str) -> Check:
    """Simulation: a rate is not below ``least`` by more than LIMIT standard errors.

    Example:
        >>> rate_at_least("always", np.ones(100, dtype=bool), 0.95, "covered").evidence
        '1.0000 (se 0.01), z = 5.0'
    """
    rate, count = float(np.mean(hits)), int(np.size(hits))
    error = math.sqrt(max(rate * (1 - rate), 1.0 / count) / count)
    z = (rate - least) / error
    return Check(name, "simulation", "exact", says, z >= -LIMIT, True, f"{rate:.4f} (se {error:.1g}), z = {z:.1f}", z)
