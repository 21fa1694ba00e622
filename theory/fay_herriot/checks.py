"""Across problems: human means combined with a regression on the digital side, and what the level rests on."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import sympy
from scipy.special import betaln

from crowdllm_stats.inference.fay_herriot.across_problems import _cross_fit, across_problems
from crowdllm_stats.inference.fay_herriot.dispersion import (
    Dispersion,
    VarianceFunction,
    fit_variance_function,
    free_dispersion,
)
from crowdllm_stats.inference.fay_herriot.logit_regression import LogitRegression, fit_logit_regression
from crowdllm_stats.inference.fay_herriot.model import (
    POWERS,
    FayHerriot,
    Prior,
    between_posterior,
    fit_fay_herriot,
    keep_inside,
    least_squares,
    regression_rows,
    restricted,
)
from crowdllm_stats.inference.fay_herriot.predictive import (
    Ahead,
    ends_of_normals,
    predict_bounded,
    predict_free,
    predict_known,
    shortest_of_betas,
)
from crowdllm_stats.verify import Check, Statement, agree, counterexample, identity, mean_of

STATEMENT = Statement(
    name="fay_herriot",
    title="Across problems: Fay-Herriot combination (a result of the toolkit; not in the paper)",
    published="(textbook) BLUP of a problem's mean, with an interval at its level",
    verdict="holds under the model, averaged over problems; estimated variances enter by approximation",
    exact="known variances: the problem's own mean and the regression on the others, weighed by spread/(spread + v/n), "
    "are the BLUP of all problems, of MSE spread (1 - w) = g1 + g2; the level is not a guarantee for one named problem",
)

#: Standard normal and Student t quantiles at 0.975, written out.
Z = 1.959963984540054


def _prior(
    mean: list[float], within: list[float], error: list[float], spread: list[list[float]], weight: list[list[float]]
) -> Prior:
    at, one, relative, spreads, weights = (
        np.array(each, dtype=float) for each in (mean, within, error, spread, weight)
    )
    return Prior(at, one, relative, spreads, weights, spreads[:, 0])


# ------------------------------------------------------------ 1: one problem, known prior
def _one_problem_checks() -> list[Check]:
    b, v, n, m, a, f, mu = sympy.symbols("B v n m a f mu", positive=True)
    s = v / n
    w = b / (b + s)
    mse = a**2 * s + (1 - a) ** 2 * b
    least = w * s + (b + s) * (a - w) ** 2
    says = "E(a ybar + (1-a) mu - theta)^2 = B (1 - w) + (B + v/n)(a - w)^2: least at w = B/(B + v/n)"
    checks = [
        identity("weight", mse, least, says),
        identity("posterior variance", w * s, b * (1 - w), "w v/n = B (1 - w) = B v/n / (B + v/n)"),
    ]
    # target f ybar + (1 - f) rest; predicted f ybar + (1 - f)(mu + w (ybar - mu)); theta = mu + u, ybar = theta + e
    rest = m - n
    error = (1 - f) ** 2 * ((1 - w) ** 2 * b + w**2 * s + v / rest)
    exact = (1 - f) ** 2 * (b * (1 - w) + v / rest)
    says = "finite population: variance of the error = (1 - f)^2 (B (1 - w) + v/(m - n)), f = n/m"
    checks.append(identity("finite population", error, exact, says))
    unknown = sympy.limit(exact.subs(f, n / m), b, sympy.oo)
    says = "nothing known of the problem (B large): v (1/n - 1/m), the finite-population correction"
    checks.append(identity("large B", unknown, v * (1 / n - 1 / m), says))
    known = sympy.limit(exact.subs(f, n / m), b, 0)
    checks.append(identity("B = 0", known, v * (m - n) / m**2, "B = 0: only the rest's own sampling, v (m - n)/m^2"))
    variance = sympy.symbols("V", positive=True)
    effective = 1 / (variance / v + 1 / m)
    says = "effective n solves v (1/n_eff - 1/m) = V"
    return [*checks, identity("effective n", v * (1 / effective - 1 / m), variance, says)]


# ---------------------------------------------------------------------------- 2: the regression is estimated: GLS, BLUP
def _gls(rows: Any, mean: Any, total: Any) -> tuple[Any, Any]:
    """Generalised least squares with variances ``total``: coefficients and their covariance."""
    weight = sympy.diag(*[1 / each for each in total])
    covariance = (rows.T * weight * rows).inv()
    return covariance * rows.T * weight * mean, covariance


def _blup_both_ways(rows: Any, mean: Any, between: list[Any], sampling: list[Any], t: int) -> tuple[Any, ...]:
    """BLUP and its MSE from all problems (Henderson), and the own mean combined with the regression on the others."""
    total = [b + s for b, s in zip(between, sampling, strict=True)]
    beta, covariance = _gls(rows, mean, total)
    share, row = between[t] / total[t], rows[t, :]
    synthetic = (row * beta)[0]
    blup = share * mean[t] + (1 - share) * synthetic
    g1 = between[t] * (1 - share)
    g2 = (1 - share) ** 2 * (row * covariance * row.T)[0]
    others = [i for i in range(rows.rows) if i != t]
    beta, covariance = _gls(
        rows.extract(others, range(rows.cols)), mean.extract(others, [0]), [total[i] for i in others]
    )
    prior, spread = (row * beta)[0], between[t] + (row * covariance * row.T)[0]
    weight = spread / (spread + sampling[t])
    return blup, g1 + g2, prior + weight * (mean[t] - prior), spread * (1 - weight), prior, spread


def _same(name: str, left: Any, right: Any, says: str) -> Check:
    """Equality of two rational functions: the numerator of their difference is 0."""
    return identity(name, sympy.fraction(sympy.together(left - right))[0], sympy.Integer(0), says)


def _blup_checks() -> list[Check]:
    checks = []
    y = sympy.Matrix(sympy.symbols("y1:4"))
    between, sampling = list(sympy.symbols("B1:4", positive=True)), list(sympy.symbols("s1:4", positive=True))
    for t in range(3):
        blup, mse, combined, variance, *_ = _blup_both_ways(sympy.ones(3, 1), y, between, sampling, t)
        says = "leaving the problem out and adding its own mean = BLUP from all problems"
        checks.append(_same(f"leave-out is BLUP, problem {t + 1}", blup, combined, says))
        says = "its variance spread (1 - w) = g1 + g2 (Prasad and Rao's terms for known variances)"
        checks.append(_same(f"g1 + g2, problem {t + 1}", mse, variance, says))
    rows = sympy.Matrix([[1, 0], [1, 2], [1, -1], [1, 5], [1, 3]])
    mean = sympy.Matrix(sympy.symbols("y1:6"))
    b = [sympy.Rational(*pair) for pair in ((1, 2), (3, 4), (1, 3), (2, 1), (1, 5))]
    s = [sympy.Rational(*pair) for pair in ((1, 4), (1, 1), (2, 3), (1, 2), (3, 7))]
    for t in range(5):
        blup, mse, combined, variance, *_ = _blup_both_ways(rows, mean, b, s, t)
        says = "the same with a slope, unequal variances and any human means"
        checks.append(_same(f"with a slope, problem {t + 1}", blup, combined, says))
        checks.append(_same(f"g1 + g2 with a slope, problem {t + 1}", mse, variance, says))
    return [*checks, _calculator_blup(rows, b, s)]


def _calculator_blup(rows: Any, between: list[Any], sampling: list[Any]) -> Check:
    """Least squares, prediction and update of the calculator, against the exact BLUP of all problems."""
    mean = sympy.Matrix([sympy.Rational(*pair) for pair in ((3, 2), (5, 1), (0, 1), (17, 2), (4, 1))])
    pairs: list[tuple[Any, Any]] = []
    design, means = np.array(rows, dtype=float), np.array(mean, dtype=float).ravel()
    for t in range(5):
        blup, mse, _, _, prior, spread = _blup_both_ways(rows, mean, between, sampling, t)
        others = [i for i in range(5) if i != t]
        total = np.array([float(between[i] + sampling[i]) for i in others])
        beta, covariance = least_squares(design[others], means[others], 1.0 / total)
        flat = VarianceFunction(np.array([math.log(2.0), 0.0, 0.0]), np.zeros((3, 3)), 0.0, 1.0, None)
        fit = FayHerriot(beta, covariance, flat, 2.0, np.array([float(between[t])]), np.array([[1.0]]), 0.0, 0.0)
        found = fit.predict(design[[t]])
        one = Prior(
            found.mean,
            found.within,
            found.within_error,
            found.var[:, :1],
            np.ones((1, 1)),
            found.between,
        )
        share = float(one.var[0, 0]) / float(one.var[0, 0] + sampling[t])
        mine = float(found.mean[0]) + share * (means[t] - float(found.mean[0]))
        pairs += [(found.mean[0], prior), (found.var[0, 0], spread), (mine, blup)]
        pairs += [(one.var[0, 0] * (1 - share), mse), (found.within[0], 2)]
    says = "the calculator's leave-one-out prior gives the BLUP and g1 + g2, with unequal known variances"
    return agree("calculator, BLUP", pairs, says, 1e-7)  # the calculator's ridge is 1e-9


def _predict_check() -> Check:
    """Unequal variances of the problems: B_t = A s_t^g over nodes and powers, s_t the variance over its typical one."""
    curve = VarianceFunction(np.array([0.3, 0.5, -0.2]), np.diag([0.01, 0.02, 0.03]), 2.0, 1.5, None)
    beta, covariance = np.array([1.0, 0.5]), np.array([[0.02, 0.01], [0.01, 0.05]])
    nodes, posterior = np.array([0.3, 0.8]), np.array([[0.1, 0.2, 0.05], [0.25, 0.3, 0.1]])
    fit = FayHerriot(beta, covariance, curve, 1.7, nodes, posterior, 0.6, 0.55)
    rows = np.array([[1.0, 3.0], [1.0, -1.0], [1.0, 14.0]])
    got, pairs = fit.predict(rows), []
    for t, (_, x) in enumerate(rows):
        mean = 1.0 + 0.5 * x
        z = max(-3.0, min(3.0, (mean - 2.0) / 1.5))
        line = (1.0, z, (z * z - 1.0) / math.sqrt(2.0))
        within = math.exp(0.3 * line[0] + 0.5 * line[1] - 0.2 * line[2])
        error = 0.01 + 0.02 * line[1] ** 2 + 0.03 * line[2] ** 2
        regression = 0.02 + 2 * 0.01 * x + 0.05 * x * x
        spread = [node * (within / 1.7) ** power + regression for node in (0.3, 0.8) for power in (0.0, 0.5, 1.0)]
        pairs += [(got.mean[t], mean), (got.within[t], within), (got.within_error[t], error)]
        pairs += list(zip(got.var[t], spread, strict=True)) + list(zip(got.weight[t], posterior.ravel(), strict=True))
        pairs += [(got.between[t], 0.6 * (within / 1.7) ** 0.55)]
    pairs += list(zip(POWERS, (0.0, 0.5, 1.0), strict=True))
    return agree("calculator, prior", pairs, "spread = A s^g + x' Cov x for every node A and power g, v from its curve")


# ------------------------------------------------------------ 3: the between-problem variance unknown
def _restricted_check() -> Check:
    """Restricted likelihood against its definition: the density of contrasts that hold no coefficient."""
    rows = sympy.Matrix([[1, 0], [1, 2], [1, -1], [1, 5], [1, 3]])
    y = sympy.Matrix([1, 3, 0, 9, 4])
    s = [sympy.Rational(*pair) for pair in ((1, 4), (1, 1), (2, 3), (1, 2), (3, 7))]
    relative = [1, 2, sympy.Rational(1, 2), 3, 1]
    contrasts = sympy.Matrix.hstack(*rows.T.nullspace())
    nodes = [sympy.Rational(1, 5), sympy.Integer(1), sympy.Rational(7, 2)]
    exact = []
    for node in nodes:
        for power in (0, sympy.Rational(1, 2), 1):
            cov = contrasts.T * sympy.diag(*[node * r**power + v for r, v in zip(relative, s, strict=True)]) * contrasts
            cov = cov.evalf(30)
            square = ((contrasts.T * y).T * cov.inv() * (contrasts.T * y))[0]
            exact.append(float(-sympy.log(cov.det()) / 2 - square / 2))
    got = restricted(
        np.array(rows, dtype=float), np.array(y, dtype=float).ravel(), np.array(s, dtype=float),
        np.array(relative, dtype=float), np.array(nodes, dtype=float),
    ).ravel()  # fmt: skip
    pairs = list(zip(got - got[0], np.array(exact) - exact[0], strict=True))
    says = "log restricted likelihood = log density of the error contrasts, but for a constant, at 3 nodes and 3 powers"
    return agree("restricted likelihood", pairs, says, 1e-6)


def _posterior_check() -> Check:
    """Flat prior in A >= 0: moments of A/(A + 1) over the nodes against integration on a fine grid."""
    rng = np.random.default_rng(5)
    count = 30
    design = np.column_stack([np.ones(count), rng.normal(size=count)])
    sampling, relative = rng.uniform(0.1, 0.6, count), rng.uniform(0.5, 2.0, count)
    mean = design @ [0.0, 1.0] + rng.normal(size=count) * np.sqrt(0.4 * relative + sampling)
    nodes, posterior = between_posterior(design, mean, sampling, relative, 0.9)
    share = (np.arange(40_000) + 0.5) / 40_000
    fine = share / (1.0 - share)  # A, evenly spaced in A/(A + 1)
    density = np.exp(restricted(design, mean, sampling, relative, fine) + 20.0) / (1.0 - share[:, None]) ** 2
    density /= density.sum()
    pairs = [(posterior[:, power].sum(), density[:, power].sum()) for power in range(3)]
    for order in (1, 2):
        moments = [
            float((weight * (at / (at + 1.0))[:, None] ** order).sum())
            for weight, at in ((posterior, nodes), (density, fine))
        ]
        pairs.append((moments[0], moments[1]))
    says = "posterior of A and of the power: restricted likelihood times a prior flat in A (24 nodes against 40,000)"
    return agree("posterior of A", pairs, says, 2e-3)


# ------------------------------------------------------------------------------------------------ 4: a bounded scale
def _bounded_checks() -> list[Check]:
    k, nu, q, n, phi = sympy.symbols("k nu q n phi", positive=True)
    b = q / (k + 1)
    w = nu / (k + nu)
    v = phi * (q - b)
    blup = (b / (b + v / n)).subs(phi, n / nu)
    room_now = q - w**2 * (b + phi * (q - b) / n).subs(phi, n / nu)
    doubt = room_now / (k + nu + 1)
    return [
        identity(
            "trials weight", blup, w, "n/phi trials on a Beta of precision q/B - 1: weight B/(B + v/n), the BLUP's"
        ),
        identity(
            "room",
            room_now,
            q - w * b,
            "E (updated - low)(high - updated) = q - w B, for any answers with these variances",
        ),
        identity(
            "bounded variance", doubt, b * (1 - w), "so the posterior variance is B (1 - w) on average, the BLUP's MSE"
        ),
        identity(
            "bounded within", phi * (room_now - doubt), phi * (q - b), "and the variance of one answer is v on average"
        ),
        *_beta_checks(),
    ]


def _beta_checks() -> list[Check]:
    """One problem on the scale, by numerical integration over its mean."""
    fine = (np.arange(400_000) + 0.5) / 400_000
    pairs: list[tuple[Any, Any]] = []
    for mu, rho, phi, own, n, rest in (
        (0.3, (0.05, 0.1), (1.0, 0.25), 0.75, 4.0, 7.0),
        (0.6, (0.05, 0.2), (0.5, 0.3), 0.4, 10.0, np.inf),
        (0.9, (0.02, 0.03), (1.0, 0.2), 1.0, 3.0, np.inf),
    ):
        node_weight, phi_weight = (0.3, 0.7), (0.4, 0.6)
        mean = second = pull = within = 0.0
        for chance, share in zip(node_weight, rho, strict=True):
            parts = []
            for doubt, spread in zip(phi_weight, phi, strict=True):
                for often, multiple in ((0.4, 0.35), (0.4, 1.0), (0.2, 3.0)):
                    k, trials = 1.0 / (share * multiple) - 1.0, n / spread
                    prior = fine ** (mu * k - 1) * (1 - fine) ** ((1 - mu) * k - 1)
                    likely = fine ** (trials * own) * (1 - fine) ** (trials * (1 - own))
                    # Means between the ends lie closer together the more trials there are.
                    gap = 1.0 if own in (0.0, 1.0) else math.exp(-_log_choose(trials, trials * own)) / trials
                    parts.append((doubt * often, prior, likely / gap, trials, k, spread))
            masses = [one * float((pr * to).mean() / pr.mean()) for one, pr, to, *_ in parts]
            for mass, (_, pr, to, trials, k, spread) in zip(masses, parts, strict=True):
                posterior = pr * to / (pr * to).sum()
                part = chance * mass / sum(masses)
                at, square = float(posterior @ fine), float(posterior @ fine**2)
                mean, pull = mean + part * at, pull + part * trials / (k + trials)
                single = spread * (at - square)
                within, second = within + part * single, second + part * (square + single / rest)
        fit = LogitRegression(np.array([mu]), np.zeros(1), np.array([rho]), np.array(node_weight), 0.0)
        spreads = Dispersion(np.array([phi]), np.array([phi_weight]))
        got = predict_bounded(fit, spreads, np.array([own]), np.array([n]), Ahead(np.array([rest]), 0.95))
        pairs += [(got.mean[0], mean), (got.var[0], second - mean**2), (got.weight[0], pull), (got.within[0], within)]
        pairs += [(got.center[0], mu), (got.between[0], mu * (1 - mu) * (0.3 * rho[0] + 0.7 * rho[1]))]
    says = "posterior mean, predictive variance and weights of the Beta mixture, by integration over theta"
    return [
        agree("calculator, on the scale", pairs, says, 2e-4),
        _doubt_check(),
        _parts_check(),
        _ends_check(),
        *_logit_checks(),
    ]


def _log_choose(trials: float, yes: float) -> float:
    return math.lgamma(trials + 1) - math.lgamma(yes + 1) - math.lgamma(trials - yes + 1)


def _doubt_check() -> Check:
    """The regression's own doubt counts with the squared weight of the regression."""
    one, n = np.ones((1, 1)), np.array([5.0])
    spread, ahead = Dispersion(one, one), Ahead(np.array([np.inf]), 0.95)
    got = [
        predict_bounded(
            LogitRegression(np.array([0.4]), np.array([doubt]), 1e-6 * one, np.ones(1), 0.0), spread, n / 10, n, ahead
        )
        for doubt in (0.0, 0.01)
    ]
    share = 1.0 - float(got[0].weight[0])
    pairs = [(got[1].var[0] - got[0].var[0], share**2 * 0.01), (got[1].mean[0], got[0].mean[0])]
    return agree("calculator, doubt of the regression", pairs, "(1 - w)^2 times its variance is added", 1e-6)


def _parts_check() -> Check:
    """Every part of the mixture from the written formulas, with a doubt that is small, large and cut."""
    pairs: list[tuple[Any, Any]] = []
    for mu, doubt, rho, phi, own, n, rest in (
        (0.4, 0.01, 0.1, 0.5, 0.3, 5.0, 7.0), (0.7, 0.06, 0.2, 1.0, 0.9, 2.0, np.inf),
        (0.2, 0.9, 0.15, 0.7, 0.4, 3.0, 4.0),
    ):  # fmt: skip
        trials, parts = n / phi, []
        for often, multiple in ((0.4, 0.35), (0.4, 1.0), (0.2, 3.0)):
            k = 1.0 / (rho * multiple) - 1.0
            at = (mu * k + trials * own, (1.0 - mu) * k + trials * (1.0 - own))
            pull = trials / (k + trials)
            center = mu + pull * (own - mu)
            room = center * (1.0 - center)
            off = min(room / (k + trials + 1.0) + (1.0 - pull) ** 2 * doubt, 0.98 * room)
            parts.append(
                (often * math.exp(betaln(*at) - betaln(mu * k, (1.0 - mu) * k)), center, off, phi * (room - off))
            )
        mass, center, off, within = np.array(parts).T
        mass = mass / mass.sum()
        mean = float(mass @ center)
        one, fit = (
            np.ones((1, 1)),
            LogitRegression(np.array([mu]), np.array([doubt]), np.array([[rho]]), np.ones(1), 0.0),
        )
        ahead = Ahead(np.array([rest]), 0.95)
        got = predict_bounded(fit, Dispersion(phi * one, one), np.array([own]), np.array([n]), ahead)
        wanted = mass @ (off + within / rest + (center - mean) ** 2)
        pairs += [(got.mean[0], mean), (got.var[0], wanted), (got.within[0], mass @ within)]
    says = "mean, variance and the variance of one answer, part by part; the regression's doubt small, large and cut"
    return agree("calculator, parts", pairs, says, 1e-10)


def _ends_check() -> Check:
    """Shortest intervals of Beta mixtures and equal tails of normal ones, by integration."""
    fine = (np.arange(400_000) + 0.5) / 400_000
    pairs: list[tuple[Any, Any]] = []
    for first, second in (((2.0, 30.0), (5.0, 60.0)), ((0.3, 8.0), (1.2, 9.0)), ((40.0, 3.0), (12.0, 2.0))):
        mass = np.zeros_like(fine)
        for part, (a, b) in zip((0.3, 0.7), (first, second), strict=True):
            mass += part * np.exp((a - 1) * np.log(fine) + (b - 1) * np.log1p(-fine) - betaln(a, b))
        below = np.cumsum(mass) / mass.sum()
        ends = [
            (
                float(np.interp(p, below, fine)) * (p > 0),
                1.0 if p + 0.9 >= 1 else float(np.interp(p + 0.9, below, fine)),
            )
            for p in 0.1 * np.arange(21) / 20
        ]
        best = min(ends, key=lambda pair: pair[1] - pair[0])
        table = np.array([first, second])
        lower, upper = shortest_of_betas(table[None, :, 0], table[None, :, 1], np.array([[0.3, 0.7]]), 0.9)
        held = float(np.interp(upper[0], fine, below) - np.interp(lower[0], fine, below) * (lower[0] > 0))
        pairs += [(upper[0] - lower[0], best[1] - best[0]), (held, 0.9)]
    means, variances, weights = np.array([[1.0, 2.0]]), np.array([[1.0, 4.0]]), np.array([[0.25, 0.75]])
    for side, at in enumerate(end[0] for end in ends_of_normals(means, variances, weights, 0.95)):
        tail = 0.25 * 0.5 * math.erfc((1.0 - at) / math.sqrt(2)) + 0.75 * 0.5 * math.erfc((2.0 - at) / math.sqrt(8))
        pairs.append((tail, (0.025, 0.975)[side]))
    pairs.append((Ahead(np.ones(45), 0.9).held, 1 - 0.75 * 0.1 * 45 / 50))
    says = "shortest of 21 intervals of a Beta mixture; equal tails of a normal one; 1 - 0.75 (1 - level) T / (T + 5)"
    return agree("calculator, ends", pairs, says, 4e-3)


def _logit_checks() -> list[Check]:
    """The logit regression: every share and its mirror image, and no digital side: the evidence by integration."""
    rng = np.random.default_rng(8)
    rows = np.column_stack([np.ones(40), rng.normal(size=40)])
    share, trials, phi = rng.binomial(20, 0.05, 40) / 20, np.full(40, 20.0), np.linspace(0.4, 1.0, 40)
    one, other = (fit_logit_regression(rows, each, trials, phi) for each in (share, 1.0 - share))
    pairs = [*zip(one.mean, 1.0 - other.mean, strict=True), *zip(one.doubt, other.doubt, strict=True)]
    pairs.append((one.evidence, other.evidence))
    checks = [agree("calculator, mirror image", pairs, "a share's mirror image has the mirrored regression", 1e-4)]
    share = rng.binomial(20, rng.beta(6, 14, 300)) / 20
    fit = fit_logit_regression(np.ones((300, 1)), share, np.full(300, 20.0), np.ones(300))
    found = float(fit.weight @ fit.share[0])
    pairs = [(fit.mean[0], 0.3), (found, 1 / 21)]
    says = "300 problems of Beta(6, 14) shares and 20 answers: mean 0.3 and rho 1/21 are found"
    return [*checks, agree("calculator, Beta-binomial fit", pairs, says, 0.03)]


def _free_check() -> Check:
    """predict_free against integration over the problem's mean, two values of B and of v, three multiples."""
    mu, own, n, rest = 2.0, 3.2, 4.0, 6.0
    fine = np.linspace(-14.0, 18.0, 64_001)
    parts, masses = [], []
    for p, b in ((0.4, 1 / 3), (0.6, 1.25)):
        for q, v in ((0.7, 1.5), (0.3, 4.0)):
            for often, multiple in ((0.4, 0.35), (0.4, 1.0), (0.2, 3.0)):
                density = np.exp(-0.5 * (fine - mu) ** 2 / (b * multiple)) / math.sqrt(b * multiple)
                density = density * np.exp(-0.5 * (own - fine) ** 2 / (v / n)) / math.sqrt(v / n)
                masses.append(p * q * often * density.sum())
                parts.append((density / density.sum(), v, b * multiple / (b * multiple + v / n)))
    chance = np.array(masses) / np.sum(masses)
    mean = sum(c * float(d @ fine) for c, (d, _, _) in zip(chance, parts, strict=True))
    square = sum(c * (float(d @ fine**2) + v / rest) for c, (d, v, _) in zip(chance, parts, strict=True))
    prior = _prior([mu], [1.5], [0.04], [[1 / 3, 1.25]], [[0.4, 0.6]])
    spread = Dispersion(np.array([[1.5, 4.0]]), np.array([[0.7, 0.3]]))
    got = predict_free(prior, spread, np.array([own]), np.array([n]), Ahead(np.array([rest]), 0.95))
    pairs = [(got.mean[0], mean), (got.var[0], square - mean**2), (got.center[0], mu), (got.between[0], 1 / 3)]
    pairs += [(got.weight[0], sum(c * w for c, (_, _, w) in zip(chance, parts, strict=True)))]
    pairs += [(got.within[0], sum(c * v for c, (_, v, _) in zip(chance, parts, strict=True)))]
    says = "posterior mean, predictive variance and weights of the normal mixture, by integration over theta"
    return agree("calculator, without bounds", pairs, says, 1e-6)


def _known_check() -> Check:
    """REML: the restricted likelihood is flat at the variance that is found; the estimates are the BLUPs there."""
    rng = np.random.default_rng(21)
    rows = np.column_stack([np.ones(25), rng.normal(size=25)])
    sampling = rng.uniform(0.2, 1.0, 25)
    mean = rows @ [1.0, 0.5] + rng.normal(size=25) * np.sqrt(0.5 + sampling)
    got = predict_known(rows, mean, sampling, Ahead(np.full(25, np.inf), 0.95))
    found = float(got.between[0])
    around = restricted(rows, mean, sampling, np.ones(25), found + np.array([-1e-4, 0.0, 1e-4]))[:, 0]
    total = found + sampling
    beta = np.linalg.solve((rows / total[:, None]).T @ rows, rows.T @ (mean / total))
    pairs = [((around[2] - around[0]) / 2e-4, 0.0), (float(around[1] >= max(around[0], around[2])), 1.0)]
    blups = rows @ beta + found / total * (mean - rows @ beta)
    pairs += [*zip(got.mean, blups, strict=True), *zip(got.within, sampling, strict=True)]
    return agree("calculator, known variances", pairs, "REML and its EBLUPs from all problems", 1e-5)


# ------------------------------------------------------------ 5: the variance of an answer
def _variance_checks() -> list[Check]:
    z, v, nu = sympy.symbols("z v nu", positive=True)
    normal = sympy.exp(-(sympy.Symbol("x", real=True) ** 2) / 2) / sympy.sqrt(2 * sympy.pi)
    x = sympy.Symbol("x", real=True)
    curve = (x**2 - 1) / sympy.sqrt(2)
    products = [
        sympy.integrate(one * two * normal, (x, -sympy.oo, sympy.oo))
        for one, two in ((x, curve), (curve, curve), (1, curve))
    ]
    checks = [
        identity(
            "orthonormal curve",
            products[0] * z + products[1] * v + products[2] * nu,
            v,
            "1, z, (z^2 - 1)/sqrt 2 are orthonormal",
        ),
        identity(
            "variance of s^2", (v / nu) ** 2 * 2 * nu, 2 * v**2 / nu, "Var s^2 = 2 v^2/nu, as v chi-square(nu)/nu has"
        ),
    ]
    rng = np.random.default_rng(2)
    for name, bounds in (("free scale", None), ("bounded scale", (1.0, 10.0))):
        mean, degrees = rng.uniform(2.0, 8.0, 40), rng.integers(0, 6, 40).astype(float)
        variance = np.exp(0.2 * mean) * rng.chisquare(np.maximum(degrees, 1.0)) / np.maximum(degrees, 1.0)
        fit = fit_variance_function(mean, variance, degrees, bounds)
        at = np.clip((mean - mean.mean()) / mean.std(), -3.0, 3.0)
        design = np.stack([np.ones(40), at, (at * at - 1.0) / math.sqrt(2.0)], axis=1)
        shape = np.ones(40) if bounds is None else (mean - 1.0) * (10.0 - mean)
        half, used = degrees / 2, degrees > 0
        extra = 0.0 if bounds is None else half @ shape / half.sum()  # two degrees of freedom of answers at the ends
        pooled = math.log((half @ variance + extra) / (half @ shape + extra))
        plain = variance / (shape * math.exp(pooled))
        first = max(1.0, float(np.mean(half[used] * (plain[used] - 1.0) ** 2)))
        apart = fit.coefficients - np.array([pooled, 0.0, 0.0])
        left = plain * np.exp(-(design @ apart))
        penalty = np.diag([1e-3, 4.0, 4.0])
        score = design.T @ (half / first * (left - 1.0)) - penalty @ apart
        last = max(1.0, float(np.mean(half[used] * (left[used] - 1.0) ** 2)))
        information = design.T @ (design * (half / last)[:, None]) + penalty
        reach = math.log(10.0 if bounds is None else 3.0)
        highest = pooled + reach if bounds is None else min(pooled + reach, 0.0)
        held = np.clip(design @ fit.coefficients, pooled - reach, highest)
        pairs = [(fit.pooled, pooled), *((value, 0.0) for value in score)]
        pairs += list(zip(fit.covariance.ravel(), np.linalg.inv(information).ravel(), strict=True))
        pairs += list(zip(fit.value(mean), shape * np.exp(held), strict=True))
        pairs += list(zip(fit.relative_variance(mean), np.diag(design @ fit.covariance @ design.T), strict=True))
        says = "penalised score is 0, covariance is the inverse information, the curve held near the pooled level"
        checks.append(agree(f"calculator, variance function, {name}", pairs, says, 1e-6))
    return checks


def _held_checks() -> list[Check]:
    """The curve's limits by hand: a factor 10 about the pooled level, or 3 and below answers at the two ends."""
    checks = []
    for name, bounds, pooled in (
        ("free", None, 0.3),
        ("bounded", (0.0, 10.0), -2.0),
        ("near the ends", (0.0, 10.0), -0.4),
    ):
        curve = VarianceFunction(np.array([pooled, 2.0, 0.5]), np.zeros((3, 3)), 5.0, 1.5, bounds, pooled)
        reach = math.log(10.0) if bounds is None else math.log(3.0)
        most = pooled + reach if bounds is None else min(pooled + reach, 0.0)
        means = np.array([0.8, 2.5, 4.6, 5.0, 5.3, 6.1, 9.4])
        pairs: list[tuple[Any, Any]] = []
        for mean, value, low in zip(means, curve.value(means), curve.held(means), strict=True):
            z = max(-3.0, min(3.0, (mean - 5.0) / 1.5))
            line = pooled + 2.0 * z + 0.5 * (z * z - 1.0) / math.sqrt(2.0)
            shape = 1.0 if bounds is None else mean * (10.0 - mean)
            pairs += [
                (value, shape * math.exp(min(max(line, pooled - reach), most))),
                (low, int(line < pooled - reach)),
            ]
        checks.append(agree(f"calculator, held curve, {name}", pairs, "held near the pooled level, and said where"))
    return checks


def _minimum_checks() -> list[Check]:
    """The penalised deviance at its minimum where Newton's full steps overshoot, and where one coefficient is 0."""
    at = np.linspace(-2.0, 2.0, 41)
    steep = np.where(np.arange(41) % 41 == 40, 900.0, 1e-4)  # one problem holds nearly all spread
    even = 0.2 + at**2  # symmetric: the slope is 0 at every step
    checks = []
    for name, variance, degrees in (("overshooting", steep, 40.0), ("symmetric", even, 6.0)):
        fit = fit_variance_function(at, variance, np.full(41, degrees), None)
        z = (at - at.mean()) / at.std()
        design = np.stack([np.ones(41), z, (z * z - 1.0) / math.sqrt(2.0)], axis=1)
        plain = variance / variance.mean()
        first = max(1.0, degrees / 2 * float(np.mean((plain - 1.0) ** 2)))
        apart = fit.coefficients - np.array([math.log(variance.mean()), 0.0, 0.0])
        left = plain * np.exp(-(design @ apart))
        score = design.T @ (degrees / 2 / first * (left - 1.0)) - np.array([1e-3, 4.0, 4.0]) * apart
        says = "the penalised score is 0"
        checks.append(agree(f"calculator, least deviance, {name}", [(each, 0.0) for each in score], says, 1e-7))
    return checks


# ------------------------------------------------------------ 6: the whole calculator
def _people(rng: np.random.Generator, problems: int) -> tuple[Any, ...]:
    count = rng.integers(2, 7, problems).astype(float)
    digital = rng.normal(size=problems)
    truth = 3.0 + 0.8 * digital + 0.5 * rng.normal(size=problems)
    mean = truth + rng.normal(size=problems) / np.sqrt(count)
    var = rng.chisquare(count - 1) / (count - 1)
    return digital, mean, var, count, truth


def _whole_checks() -> list[Check]:
    """Without bounds: every problem left out on its own, its own variance shrunk; the finite population."""
    rng = np.random.default_rng(12)
    digital, mean, var, count, _ = _people(rng, 20)
    people = count + rng.integers(0, 9, 20)
    got = across_problems(mean, var, count, digital, population_size=people)
    design, _ = regression_rows(digital[:, None])
    priors = [
        fit_fay_herriot(design[others], mean[others], var[others], count[others]).predict(design[[t]])
        for t, others in enumerate(~np.eye(20, dtype=bool))
    ]
    prior = Prior(
        **{name: np.concatenate([getattr(one, name) for one in priors]) for name in Prior.__dataclass_fields__}
    )
    rest = np.where(people == count, 1.0, people - count)
    spread = free_dispersion(prior.within, prior.within_error, var, count - 1.0)
    ahead = predict_free(prior, spread, mean, count, Ahead(rest, 0.95))
    pairs: list[tuple[Any, Any]] = []
    for t in range(20):
        seen = count[t] / people[t]
        estimate = seen * mean[t] + (1 - seen) * ahead.mean[t]
        lower, upper = (seen * mean[t] + (1 - seen) * end for end in (ahead.lower[t], ahead.upper[t]))
        pairs += [(got.estimate[t], estimate), (got.lower[t], lower), (got.upper[t], upper)]
        pairs += [(got.half_width[t], (upper - lower) / 2), (got.synthetic[t], prior.mean[t])]
        pairs += [(got.weight[t], seen + (1 - seen) * ahead.weight[t]), (got.between_var[t], prior.between[t])]
        variance = (1 - seen) ** 2 * ahead.var[t]
        pairs += [(ahead.within[t] * (1 / got.effective_n[t] - 1 / people[t]), variance)]
        pairs += [(got.saved[t], got.effective_n[t] - count[t]), (got.within_var[t], ahead.within[t])]
    says = "each problem left out on its own; target f ybar + (1 - f) rest; effective n"
    return [agree("calculator, whole", pairs, says), _scale_check(), *_fit_checks()]


def _scale_check() -> Check:
    """With bounds: the same answers on another scale, and ends moved to attainable means."""
    rng = np.random.default_rng(13)
    answers = rng.integers(1, 6, (30, 4)).astype(float)
    mean, var, digital = answers.mean(1), answers.var(1, ddof=1), rng.uniform(1, 5, 30)
    got = across_problems(mean, var, 4, digital, bounds=(1, 5))
    moved = across_problems(10 + 3 * mean, 9 * var, 4, 10 + 3 * digital, bounds=(13, 25))
    pairs: list[tuple[Any, Any]] = []
    for name in ("estimate", "lower", "upper", "synthetic"):
        pairs += list(zip(getattr(moved, name), 10 + 3 * getattr(got, name), strict=True))
    for name in ("between_var", "within_var"):
        pairs += list(zip(getattr(moved, name), 9 * getattr(got, name), strict=True))
    finite = across_problems(mean, var, 4, digital, bounds=(1, 5), population_size=9)
    pairs += [(9 * end, round(9 * end)) for end in (*finite.lower, *finite.upper)]
    fine = across_problems(mean, var, 4, digital, bounds=(1, 5), population_size=9, step=0.001)
    pairs += [  # half a step of the five others, and half a thousandth of one
        (max(float(np.max(np.abs(getattr(finite, end) - getattr(fine, end)))), 0.5005 / 9), 0.5005 / 9)
        for end in ("lower", "upper")
    ]
    return agree("calculator, scale", pairs, "units do not matter; ends are means of nine whole answers", 1e-6)


def _fit_checks() -> list[Check]:
    """The fit's two passes again: regression, variance function, posterior, generalised least squares."""
    digital, mean, var, count, _ = _people(np.random.default_rng(3), 50)
    design, lost = regression_rows(digital[:, None], np.ones((50, 1)))
    fit = fit_fay_herriot(design, mean, var, count)
    shift = mean.mean()
    beta, _ = least_squares(design, mean - shift, count)
    for _ in range(2):
        fitted = design @ beta + shift
        curve = fit_variance_function(fitted, var, count - 1.0, None)
        within = curve.value(fitted)
        typical = math.exp(np.mean(np.log(within)))
        scatter = float(np.mean((mean - shift - design @ beta) ** 2))
        nodes, posterior = between_posterior(design, mean - shift, within / count, within / typical, scatter)
        median = nodes[np.searchsorted(np.cumsum(posterior.sum(axis=1)), 0.5)]
        power = float((posterior.sum(axis=0) * [0.0, 0.5, 1.0]).sum())
        variances = median * (within / typical) ** power + within / count
        information = design.T @ (design / variances[:, None])
        beta = np.linalg.solve(information, design.T @ ((mean - shift) / variances))
    wanted = beta + np.array([shift, 0.0])
    pairs = [(fit.median, median), (fit.power, power), (fit.within_typical, typical), (lost, 1)]
    pairs += list(zip(fit.coefficients, wanted, strict=True))
    pairs += list(zip(fit.covariance.ravel(), np.linalg.inv(information).ravel(), strict=True))
    checks = [
        agree("calculator, fit", pairs, "two passes of regression, variance function, posterior median, GLS", 1e-6)
    ]
    folded = _people(np.random.default_rng(4), 45)
    design, _ = regression_rows(folded[0][:, None])
    prior = _cross_fit(design, folded[1], folded[2], folded[3])
    pairs = []
    for t in (0, 7, 44):
        others = np.arange(45) % 20 != t % 20
        part = fit_fay_herriot(design[others], folded[1][others], folded[2][others], folded[3][others])
        pairs += [
            (prior.mean[t], part.predict(design[[t]]).mean[0]),
            (prior.between[t], part.predict(design[[t]]).between[0]),
        ]
    checks.append(agree("calculator, folds", pairs, "beyond 40 problems, every 20th problem is left out together"))
    checks += [_median_check(), _one_fold_check()]
    edge = keep_inside(np.array([0.0, 3.0, 9.0]), (1.0, 5.0))
    checks.append(agree("calculator, margin", list(zip(edge, (1.2, 3.0, 4.8), strict=True)), "5% inside the scale"))
    return checks


def _median_check() -> Check:
    """The median of A over its nodes, read off the fitted posterior, for posteriors of many shapes."""
    pairs = []
    for seed in range(10):  # three problems tell so little that the last node alone holds half of the posterior
        digital, mean, var, count, _ = _people(np.random.default_rng(100 + seed), 14 + 3 * seed if seed else 3)
        design, _ = regression_rows(digital[:, None])
        fit = fit_fay_herriot(design, mean, var, count)
        reached = itertools.accumulate(float(mass) for mass in fit.posterior.sum(axis=1))
        pairs.append((fit.median, next(node for node, below in zip(fit.nodes, reached, strict=True) if below >= 0.5)))
    return agree("calculator, median", pairs, "the first node at which half of the posterior is reached")


def _one_fold_check() -> Check:
    """Answers that differ in one fold only: there the others take the pooled variance; small ones are their own."""
    digital, mean, var, count, _ = _people(np.random.default_rng(9), 45)
    design, _ = regression_rows(digital[:, None])
    alone = np.where(np.arange(45) % 20 == 3, var + 0.5, 0.0)
    small = 0.02 + 0.01 * (np.arange(45) % 7)
    pairs: list[tuple[Any, Any]] = []
    for spread in (alone, small):
        prior = _cross_fit(design, mean, spread, count)
        for t in (3, 23, 43, 5):
            others = np.arange(45) % 20 != t % 20
            given = spread[others]
            if given.max() == 0.0:
                degrees = count - 1
                given = np.full(others.sum(), (degrees * spread).sum() / degrees.sum())
            part = fit_fay_herriot(design[others], mean[others], given, count[others]).predict(design[[t]])
            pairs += [(prior.mean[t], part.mean[0]), (prior.within[t], part.within[0])]
            pairs += [(prior.between[t], part.between[0]), *zip(prior.var[t], part.var[0], strict=True)]
    return agree("calculator, one fold", pairs, "where no other problem shows spread, the pooled variance stands in")


# ------------------------------------------------------------------------------------------------------- 7: the level
def _coverage_given(shift: float, ratio: float) -> float:
    """Coverage given theta = mu + shift sqrt(B), with v/n = ratio B, at 0.95."""
    w = 1.0 / (1.0 + ratio)
    half, bias, sd = Z * math.sqrt(1.0 - w), -(1.0 - w) * shift, w * math.sqrt(ratio)
    return 0.5 * (math.erf((half - bias) / sd / math.sqrt(2)) - math.erf((-half - bias) / sd / math.sqrt(2)))


def _level_checks() -> list[Check]:
    checks = []
    for ratio in (0.5, 1.0, 4.0):
        coarse = (np.arange(-2000, 2000) + 0.5) * 0.004
        density = np.exp(-(coarse**2) / 2) / math.sqrt(2 * math.pi) * 0.004
        average = float(np.sum(density * [_coverage_given(float(shift), ratio) for shift in coarse]))
        says = "coverage given theta, averaged over theta ~ N(mu, B), is the level (known variances)"
        checks.append(agree(f"level on average, v/n = {ratio:g} B", [(average, 0.95)], says, 1e-6))
    far = _coverage_given(3.0, 1.0)
    evidence = f"v/n = B, theta three sqrt(B) from its regression: covered with probability {far:.3f} at level 0.95"
    checks.append(counterexample("one named problem", far >= 0.95, "the level holds for each named problem", evidence))
    return checks


def symbolic() -> list[Check]:
    """BLUP, its MSE, the finite population, the bounded scale, the widening and the calculators, exactly."""
    return [
        *_one_problem_checks(),
        *_blup_checks(),
        _predict_check(),
        _restricted_check(),
        _posterior_check(),
        _free_check(),
        _known_check(),
        *_bounded_checks(),
        *_variance_checks(),
        *_held_checks(),
        *_minimum_checks(),
        *_whole_checks(),
        *_level_checks(),
    ]


# ---------------------------------------------------------------------------------------------------------- simulated


def simulated(seed: int = 20261122) -> list[Check]:
    """Known variances exactly; the calculator with everything estimated: its level and its stated variance."""
    rng = np.random.default_rng(seed)
    checks = []
    size = 60_000
    ones = np.ones((size, 1))
    for between, within, count, people in ((0.5, 1.0, 4, 12), (0.1, 2.0, 3, 40)):
        multiple = rng.choice([0.35, 1.0, 3.0], size, p=[0.4, 0.4, 0.2])
        theta = 2.0 + np.sqrt(between * multiple) * rng.normal(size=size)
        own = theta + math.sqrt(within / count) * rng.normal(size=size)
        rest = theta + math.sqrt(within / (people - count)) * rng.normal(size=size)
        flat = ones[:, 0]
        prior = Prior(2.0 * flat, within * flat, 0.0 * flat, between * ones, ones, between * flat)
        ahead = Ahead((people - count) * flat, 0.95)
        got = predict_free(prior, Dispersion(within * ones, ones), own, count * flat, ahead)
        case = f"n = {count} of {people}"
        says = "squared errors of the rest over the stated variance average to 1"
        checks.append(mean_of(f"finite population, {case}", (got.mean - rest) ** 2 / got.var, 1.0, says))
        held = ((got.lower <= rest) & (rest <= got.upper)).astype(float)
        checks.append(mean_of(f"level with known variances, {case}", held, ahead.held, "covered at the level held"))
    checks += [*_end_of_scale(rng), *_polarised(rng)]
    share, ratio = _estimated(rng)
    se = float(share.std() / math.sqrt(len(share)))
    z = (float(share.mean()) - 0.95) / se
    says = "everything estimated, 30 problems of 2 to 6 answers: coverage over problems is not below the level"
    evidence = f"coverage {share.mean():.4f} (se {se:.4f}), level 0.95, z = {z:.2f}"
    checks.append(Check("level, estimated", "simulation", "exact", says, z >= -4.0, True, evidence, z))
    says = "its stated variance is within 10% of its mean squared error (over that of the model, averaged)"
    spread = f"ratio {ratio.mean():.3f} (se {ratio.std() / math.sqrt(len(ratio)):.3f})"
    checks.append(Check("stated variance", "simulation", "exact", says, abs(ratio.mean() - 1) < 0.1, True, spread))
    return checks


def _end_of_scale(rng: np.random.Generator, sets: int = 20) -> list[Check]:
    """Shares of 2% and of 98%: a line that is held 5% inside the scale covers 0.3 of these."""
    checks = []
    for truth in (0.02, 0.98):
        held = np.empty(sets)
        for number in range(sets):
            digital, mean = rng.normal(size=40), rng.binomial(50, truth, 40) / 50
            got = across_problems(mean, mean * (1 - mean) * 50 / 49, 50, digital, bounds=(0, 1))
            held[number] = np.mean((got.lower <= truth) & (truth <= got.upper))
        checks.append(_at_least(f"end of the scale, {truth:g}", held, 0.95, "40 yes/no problems of 50 answers"))
    return checks


def _polarised(rng: np.random.Generator, sets: int = 20) -> list[Check]:
    """One item in ten is answered 1 or 5 only, the others about their mean: their own variance must count."""
    held, stated, squared = np.empty(sets), np.empty(sets), np.empty(sets)
    for number in range(sets):
        apart, share = np.arange(60) % 10 == 0, rng.uniform(0.3, 0.7, 60)
        digital = rng.uniform(2.5, 3.5, 60)
        center = digital + 0.3 * rng.normal(size=60)
        normal = np.clip(np.round(center[:, None] + 0.8 * rng.normal(size=(60, 10))), 1, 5)
        answers = np.where(apart[:, None], np.where(rng.random((60, 10)) < share[:, None], 5.0, 1.0), normal)
        got = across_problems(answers.mean(1), answers.var(1, ddof=1), 10, digital, bounds=(1, 5))
        truth = 1 + 4 * share
        held[number] = np.mean(((got.lower <= truth) & (truth <= got.upper))[apart])
        stated[number] = np.mean((got.within_var / got.effective_n)[apart])
        squared[number] = np.mean((got.estimate - truth)[apart] ** 2)
    ratio = float(stated.mean() / squared.mean())
    says = "answers of polarised items: the stated variance is at least half of the squared error"
    honest = Check("polarised items, variance", "simulation", "exact", says, ratio > 0.5, True, f"ratio {ratio:.2f}")
    return [_at_least("polarised items", held, 0.93, "one item in ten answered 1 or 5 only"), honest]


def _at_least(name: str, held: np.ndarray[Any, Any], level: float, says: str) -> Check:
    se = float(held.std() / math.sqrt(len(held))) + 1e-3
    z = (float(held.mean()) - level) / se
    evidence = f"coverage {held.mean():.3f} (se {se:.3f}), at least {level:g} wanted"
    return Check(name, "simulation", "exact", f"{says}: coverage at least {level:g}", z >= -4.0, True, evidence, z)


def _estimated(rng: np.random.Generator, sets: int = 120) -> tuple[Any, Any]:
    share, squared, stated = np.empty(sets), np.empty(sets), np.empty(sets)
    for number in range(sets):
        digital, mean, var, count, truth = _people(rng, 30)
        got = across_problems(mean, var, count, digital)
        share[number] = np.mean((got.lower <= truth) & (truth <= got.upper))
        squared[number] = np.mean((got.estimate - truth) ** 2)
        stated[number] = np.mean(got.within_var / got.effective_n)
    return share, stated / squared.mean()


def picture(ax: Any) -> None:
    """Mean squared error against the number of answers: own mean alone, regression alone, and both."""
    between, within = 0.25, 1.0
    counts = np.arange(1, 21)
    weight = between / (between + within / counts)
    ax.plot(counts, within / counts, color="#8172B2", label="own human mean: v/n")
    ax.axhline(between, color="#55A868", label="regression on the digital side: B")
    ax.plot(counts, between * (1 - weight), color="#4C72B0", label="both: B (1 - w) (exact, known variances)")
    rng = np.random.default_rng(1)
    for count in (2, 4, 8, 16):
        errors = []
        for _ in range(15):
            digital = rng.normal(size=35)
            truth = 3.0 + 0.8 * digital + 0.5 * rng.normal(size=35)
            mean = truth + rng.normal(size=35) / math.sqrt(count)
            var = rng.chisquare(count - 1, 35) / (count - 1)
            errors.append(np.mean((across_problems(mean, var, count, digital).estimate - truth) ** 2))
        bar = 2 * np.std(errors) / math.sqrt(len(errors))
        ax.errorbar(count, np.mean(errors), yerr=bar, fmt="o", color="#4C72B0", markersize=4)
    ax.plot([], [], "o", color="#4C72B0", label="calculator, everything estimated from 35 problems")
    ax.set_ylim(0.0, 0.6)
    ax.set_xlabel("human answers per problem")
    ax.set_ylabel("mean squared error of the estimate")
    ax.legend(frameon=False, fontsize=8)


if __name__ == "__main__":
    from crowdllm_stats.verify import main

    raise SystemExit(main(STATEMENT, symbolic))
