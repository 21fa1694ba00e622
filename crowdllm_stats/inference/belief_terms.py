"""What the safe interval and the safe decision share: the constant ``c`` of the exact condition."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from crowdllm_stats._base.checks import FloatArray, check_array, check_choice

REFERENCES = ("expected", "shared", "individual")


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


def reference_share(n_digital: FloatArray, reference: str, k: ArrayLike | None) -> FloatArray:
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
    reference: str,
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


def margin_in_words(reference: str, k: ArrayLike | None) -> str:
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
