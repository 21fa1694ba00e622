"""Theorem 3: where the mean belief may lie for the crowd to be no worse than the bare LLM, as published and exact."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from crowdllm_stats._base.checks import FloatArray, check_array, check_choice
from crowdllm_stats._base.result import Result, unbatch

Reference = Literal["expected", "shared", "individual"]
REFERENCES: tuple[Reference, ...] = get_args(Reference)


def check_whole(name: str, values: ArrayLike, least: int) -> FloatArray:
    """Return whole numbers of at least ``least`` as a float array.

    Raises:
        ValueError: naming the argument and the smallest or the first broken value.

    Example:
        >>> check_whole("n_digital", [5, 20], 2)
        array([ 5., 20.])
    """
    array = check_array(name, values)
    if np.any(array < least):
        raise ValueError(f"{name} must be at least {least}; smallest value is {float(array.min()):g}")
    broken = array[array != np.floor(array)]
    if broken.size:
        raise ValueError(f"{name} must be a whole number; got {float(broken.flat[0]):g}")
    return array


def reference_share(n_digital: FloatArray, reference: Reference, k: ArrayLike | None) -> FloatArray:
    """The share of eta that the crowd does not carry itself, ``1 - eta_ref/eta``.

    ``eta_ref``, the variance with which the reference enters the crowd's mean, is 0 for ``reference="expected"``
    (``y_ref = E Phi``), ``eta / k`` for ``"shared"`` (one mean of k answers, the same for all twins) and
    ``eta / (N k)`` for ``"individual"`` (each twin has its own k answers, one unless said).

    Raises:
        ValueError: on an unknown ``reference``, or a ``k`` that does not go with it.

    Example:
        >>> float(reference_share(np.array(20.0), "shared", 5))
        0.8
    """
    check_choice("reference", reference, REFERENCES)
    if reference == "expected":
        if k is not None:
            raise ValueError(
                f'k={k!r} has no place with reference="expected", which is free of sampling error; '
                'leave k out, or choose reference="shared"'
            )
        return np.ones_like(n_digital)
    if reference == "shared":
        if k is None:
            raise ValueError('reference="shared" needs k, the number of answers averaged; pass k=1 for a single one')
        return np.asarray(1.0 - 1.0 / check_whole("k", k, 1))
    return np.asarray(1.0 - 1.0 / (n_digital * (1.0 if k is None else check_whole("k", k, 1))))


def crowd_noise(n_digital: FloatArray, digital_noise_var: ArrayLike, belief_mean_var: ArrayLike) -> FloatArray:
    """The crowd's own noise, ``etat^2 / N + Var(belief mean)``.

    Raises:
        ValueError: on negative variances.

    Example:
        >>> float(crowd_noise(np.array(20.0), 0.2, 0.01))
        0.02
    """
    noise = check_array("digital_noise_var", digital_noise_var, nonnegative=True)
    wobble = check_array("belief_mean_var", belief_mean_var, nonnegative=True)
    return np.asarray(noise / n_digital + wobble)


def safety_margin(
    n_digital: FloatArray,
    eta: ArrayLike,
    digital_noise_var: ArrayLike,
    belief_mean_var: ArrayLike,
    reference: Reference,
    k: ArrayLike | None,
) -> FloatArray:
    """``c = eta - eta_ref - etat^2 / N - Var(belief mean)``: what the crowd gains by averaging out, less its own noise.

    ``eta_ref`` is the variance with which the reference enters the crowd's mean, see :func:`reference_share`.

    Args:
        n_digital: N, the number of twins.
        eta: variance of one answer of the LLM.
        digital_noise_var: mean noise variance of the twins, etat^2.
        belief_mean_var: variance of the belief mean; 0 for fixed beliefs.
        reference: one of "expected", "shared", "individual".
        k: answers per reference; needed for "shared", refused for "expected".

    Returns:
        c, of the arguments' common shape.

    Raises:
        ValueError: on negative variances, an unknown ``reference``, or a ``k`` that does not go with it.

    Source: exact form of CrowdLLM, Theorem 3 (4.4).

    Example:
        >>> float(safety_margin(np.array(20.0), 0.5, 0.2, 0.0, "shared", 5))
        0.39
    """
    one = check_array("eta", eta, nonnegative=True)
    share = reference_share(n_digital, reference, k)
    return np.asarray(share * one - crowd_noise(n_digital, digital_noise_var, belief_mean_var))


def margin_in_words(reference: Reference, k: ArrayLike | None) -> str:
    """How the reference enters the crowd's mean, as a sentence.

    Example:
        >>> margin_in_words("expected", None)
        'The twins share the exact expectation of the LLM.'
    """
    if reference == "expected":
        return "The twins share the exact expectation of the LLM."
    answers = "one answer" if k is None or np.all(np.asarray(k) == 1) else f"the mean of k = {k} answers"
    if reference == "shared":
        return f"The twins share {answers} of the LLM, whose noise does not average out."
    return f"Each twin has {answers} of the LLM for itself, whose noise averages out over twins."


@dataclasses.dataclass(frozen=True, eq=False)
class BeliefRange:
    """An interval of belief means about Delta.

    Where it is empty, a single problem has None in all three fields; a batch has the usual ends of an empty set,
    ``lower = inf`` and ``upper = half_width = -inf``, at that problem.
    """

    lower: Any
    upper: Any
    half_width: Any


@dataclasses.dataclass(frozen=True, eq=False)
class SafeInterval(Result):
    """The interval of safe belief means, ``published`` and ``exact``, and what it says of the given belief mean.

    ``margin`` is the constant c of the exact condition, ``excess_risk`` is ``L - L'`` (negative: the crowd is
    better). ``uniform_radius`` is the radius about Delta that is safe for every ``|Delta| <= kappa``, and
    ``uniform_belief`` the largest ``|belief mean|`` that is; empty as in :class:`BeliefRange`.
    """

    columns: ClassVar[tuple[str, ...]] = (
        "belief_mean",
        "delta",
        "kappa",
        "published_lower",
        "published_upper",
        "inside_published",
        "exact_lower",
        "exact_upper",
        "inside_exact",
        "excess_risk",
        "margin",
        "uniform_radius",
        "uniform_belief",
    )
    absent: ClassVar[str] = "none"

    published: BeliefRange
    exact: BeliefRange
    belief_mean: Any
    delta: Any
    kappa: Any
    margin: Any
    uniform_radius: Any
    uniform_belief: Any
    inside_published: Any
    inside_exact: Any
    excess_risk: Any

    @property
    def published_lower(self) -> Any:
        """Lower end of the published interval."""
        return self.published.lower

    @property
    def published_upper(self) -> Any:
        """Upper end of the published interval."""
        return self.published.upper

    @property
    def exact_lower(self) -> Any:
        """Lower end of the exact interval."""
        return self.exact.lower

    @property
    def exact_upper(self) -> Any:
        """Upper end of the exact interval."""
        return self.exact.upper

    def plot(self) -> Any:
        """Number line of the belief mean: published and exact interval, Delta, and where the belief mean lies.

        Returns:
            The matplotlib figure.

        Raises:
            ValueError: for more than one problem.
        """
        if np.ndim(self.belief_mean):
            raise ValueError(f"plot shows one problem; this result holds {np.shape(self.belief_mean)}")
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7.0, 2.4), layout="constrained")
        axis = figure.subplots()
        for height, name, part in ((1.0, "published", self.published), (0.0, "exact", self.exact)):
            if part.half_width is None:
                axis.text(self.delta, height, "no safe belief mean", ha="center", va="center")
            else:
                axis.plot([part.lower, part.upper], [height, height], linewidth=6, solid_capstyle="butt", label=name)
        axis.axvline(self.delta, color="grey", linestyle=":", label="Delta")
        axis.axvline(self.belief_mean, color="black", label="belief mean")
        axis.set_yticks([0.0, 1.0], ["exact", "published"])
        axis.set_ylim(-0.6, 1.6)
        axis.set_xlabel("belief mean (answer units)")
        axis.set_title(
            f"excess risk of the crowd {self.excess_risk:.3g}: {'safe' if self.inside_exact else 'not safe'}"
        )
        axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        return figure


def safe_interval(
    belief_mean: ArrayLike,
    belief_second_moment: ArrayLike,
    delta: ArrayLike,
    kappa: ArrayLike,
    n_digital: ArrayLike,
    *,
    eta: ArrayLike = 0.0,
    digital_noise_var: ArrayLike = 0.0,
    belief_mean_var: ArrayLike = 0.0,
    reference: Reference = "expected",
    k: ArrayLike | None = None,
) -> SafeInterval:
    """Is the crowd's risk L at most the bare LLM's (one answer), ``L'``, at this belief mean?

    Exact: ``L - L' = mu (mu - 2 Delta) - c``, so safe iff ``|mu - Delta| <= sqrt(Delta^2 + c)``, with
    ``c = eta - eta_ref - etat^2/N - Var(belief mean)`` (``eta_ref``: see
    :func:`safety_margin`). For every ``|Delta| <= kappa`` at once: radius
    ``sqrt(c)`` about Delta, or ``|mu| <= sqrt(kappa^2 + c) - kappa``; both only if ``c >= 0``.
    Published: ``|mu - Delta| <= h``, with ``S = (N-2) eps2 + N eta``, ``D0 = (N-2)/N sqrt(S/2)`` and
    ``h = (sqrt(N^2 kappa^2 + 2(N-1) S) - (N-2) kappa) / (2(N-1))`` if ``D0 >= kappa``, else ``sqrt(2 S)/N``.
    Inside it the crowd can still be worse, since it credits the crowd with its own diversity.

    All arguments broadcast against each other, one entry per problem.

    Args:
        belief_mean: mu, mean of the twins' beliefs (its expectation where beliefs are random).
        belief_second_moment: eps2, mean of their squares; the published interval alone uses it.
        delta: Delta = y** - y_ref.
        kappa: bound on ``|Delta|``.
        n_digital: N, at least 2.
        eta: variance of one answer of the LLM.
        digital_noise_var: mean noise variance of the twins.
        belief_mean_var: variance of the belief mean; 0 for fixed beliefs. (All is for given people. Averaged over
            profiles, c gains ``2 Cov(belief mean, y**)``, which is of order 1/N and not computed here.)
        reference: how the LLM's answer enters: "expected", "shared" (k answers) or "individual".
        k: answers per reference.

    Returns:
        SafeInterval; scalars for one problem, else arrays of the common shape.

    Raises:
        ValueError: for N < 2, negative variances or kappa, a second moment below ``mu^2 + Var(belief mean)``, shapes
            that do not broadcast, or a ``k`` that does not go with ``reference``.

    Source: CrowdLLM, Theorem 3 (4.4) and its exact form.

    Example:
        >>> result = safe_interval(0.5, 1.0, delta=0.1, kappa=0.5, n_digital=100)
        >>> result.inside_published, result.inside_exact, round(result.excess_risk, 2)
        (True, False, 0.15)
    """
    mu, eps2 = check_array("belief_mean", belief_mean), check_array("belief_second_moment", belief_second_moment)
    gap, bound = check_array("delta", delta), check_array("kappa", kappa, nonnegative=True)
    count = check_whole("n_digital", n_digital, 2)
    margin = _together(lambda: safety_margin(count, eta, digital_noise_var, belief_mean_var, reference, k))
    one = check_array("eta", eta, nonnegative=True)
    wobble = check_array("belief_mean_var", belief_mean_var, nonnegative=True)
    mu, eps2, gap, bound, count, margin, one, wobble = _together(
        lambda: np.broadcast_arrays(mu, eps2, gap, bound, count, margin, one, wobble)
    )
    _check_moments(mu, eps2, wobble)
    half = published_half_width(eps2, one, bound, count)
    squared = gap * gap + margin
    excess = mu * (mu - 2 * gap) - margin
    flags = {"|Delta| exceeds kappa: the published interval does not apply": np.abs(gap) > bound,
             "no belief mean is safe here (Delta^2 + c < 0)": squared < 0}  # fmt: skip
    root = np.sqrt(np.maximum(margin, 0.0))
    reach = np.sqrt(bound * bound + np.maximum(margin, 0.0)) - bound
    return SafeInterval(
        why=_why(reference, k, bool(np.any(wobble > 0))),
        flags={sentence: mask for sentence, mask in flags.items() if np.any(mask)},
        published=_range(gap, half, np.ones_like(gap, dtype=bool)),
        exact=_range(gap, np.sqrt(np.maximum(squared, 0.0)), squared >= 0),
        belief_mean=unbatch(mu),
        delta=unbatch(gap),
        kappa=unbatch(bound),
        margin=unbatch(margin),
        uniform_radius=_or_none(root, margin >= 0, -np.inf),
        uniform_belief=_or_none(reach, margin >= 0, -np.inf),
        inside_published=unbatch(np.abs(mu - gap) <= half),
        inside_exact=unbatch(excess <= 0),
        excess_risk=unbatch(excess),
    )


def published_half_width(
    belief_second_moment: FloatArray, eta: FloatArray, kappa: FloatArray, n_digital: FloatArray
) -> FloatArray:
    """``h`` of the published interval: h1 where ``D0 >= kappa``, else h2.

    Args:
        belief_second_moment: eps2.
        eta: variance of one answer of the LLM.
        kappa: bound on ``|Delta|``.
        n_digital: N, at least 2.

    Returns:
        h, of the common shape.

    Source: CrowdLLM, Theorem 3 (4.4).

    Example:
        >>> round(float(published_half_width(*map(np.asarray, (1.0, 0.0, 0.5, 100.0)))), 4)
        0.5
    """
    n = n_digital
    total = (n - 2) * belief_second_moment + n * eta
    turning = (n - 2) / n * np.sqrt(total / 2)
    large = (np.sqrt((n * kappa) ** 2 + 2 * (n - 1) * total) - (n - 2) * kappa) / (2 * (n - 1))
    return np.where(turning >= kappa, large, np.sqrt(2 * total) / n)


def _together(compute: Any) -> Any:
    """Run a computation that broadcasts; shapes that do not fit get a message that says so."""
    try:
        return compute()
    except ValueError as error:
        if "broadcast" in str(error):
            raise ValueError(
                f"the arguments' shapes do not fit together, one entry per problem is needed: {error}"
            ) from None
        raise


def _check_moments(mu: FloatArray, eps2: FloatArray, wobble: FloatArray) -> None:
    least = mu * mu + wobble
    short = eps2 < least * (1 - 1e-9)
    if np.any(short):
        raise ValueError(
            f"belief_second_moment must be at least belief_mean^2 + belief_mean_var, which no set of beliefs can"
            f" undercut; got {float(eps2[short].flat[0]):g} below {float(least[short].flat[0]):g}"
        )


def _or_none(values: FloatArray, exists: Any, empty: float) -> Any:
    if values.ndim == 0:
        return values.item() if exists else None
    return np.where(exists, values, empty)


def _range(centre: FloatArray, half: FloatArray, exists: Any) -> BeliefRange:
    return BeliefRange(
        lower=_or_none(centre - half, exists, np.inf),
        upper=_or_none(centre + half, exists, -np.inf),
        half_width=_or_none(half, exists, -np.inf),
    )


def _why(reference: Reference, k: ArrayLike | None, random_beliefs: bool) -> str:
    beliefs = (
        "random, with the variance of their mean given" if random_beliefs else "fixed (their mean has no variance)"
    )
    return (
        f"The LLM's risk is that of one answer. {margin_in_words(reference, k)} Beliefs are {beliefs}. The exact parts"
        " need Delta, eta and the twins' noise as given, and noises that are independent; the uniform ones need kappa"
        " to bound |Delta|. The published interval needs kappa and is not a guarantee: it credits the crowd's mean with"
        " the crowd's diversity."
    )
