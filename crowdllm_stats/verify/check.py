"""One check of one statement, and the statement it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sympy

#: A simulated quantity is taken to differ from its formula beyond this many Monte Carlo standard errors: two-sided
#: false-alarm rate 6e-5 a check (normal approximation).
LIMIT = 4.0


#: Kinds of checks. "symbolic": an identity that SymPy proves for all values; "numeric": chosen numbers, or all outcomes
#: of a small case, in exact fractions or to a stated tolerance; it shows these cases alone; "counterexample": exact
#: numbers at which a published claim is false; "monte carlo": a simulation within LIMIT standard errors.
KINDS = ("symbolic", "numeric", "counterexample", "monte carlo")


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
    """The outcome of one check.

    Attributes:
        name: short and unique within its statement.
        kind: one of :data:`KINDS`.
        about: "exact" (the statement must hold) or "published" (as printed; it may be expected to fail).
        says: the formula or sentence that was checked.
        holds: whether it was found to hold.
        expected: whether it should hold; a published formula that is shown to fail has ``expected=False``.
        evidence: what was seen, for people: a residual of 0, a z-score, the numbers of a counterexample.
        z: Monte Carlo z-score where there is one.

    Raises:
        ValueError: on an unknown kind.
    """

    name: str
    kind: str
    about: str
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
        """True when the outcome is the expected one."""
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
    kind: str
    reason: str

    def __post_init__(self) -> None:
        if not self.names:
            raise ValueError("names is empty: name the checks that are left out")


def identity(
    name: str, left: sympy.Expr, right: sympy.Expr, says: str, *, about: str = "exact", expected: bool = True
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
    about: str = "exact",
    expected: bool = True,
) -> Check:
    """Monte Carlo: the estimate lies within LIMIT standard errors of the formula.

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
    return Check(name, "monte carlo", about, says, abs(z) <= LIMIT, expected, evidence, z)


def counterexample(name: str, claim_holds: Any, says: str, evidence: str) -> Check:
    """Exact rational numbers at which a published claim is false (``claim_holds`` must come out False).

    Example:
        >>> from fractions import Fraction
        >>> counterexample("sum", Fraction(1, 2) >= 1, "one half is at least one", "1/2 < 1").passed
        True
    """
    return Check(name, "counterexample", "published", says, bool(claim_holds), False, evidence)
