"""The blender's four families against SciPy, against themselves and at the edges of single precision."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

jax = pytest.importorskip("jax")

import jax.numpy as jnp

from crowdllm_stats import approval, categorical, continuous, ordinal
from crowdllm_stats.generator.blender import Blender

LEVELS = (1.0, 2.0, 4.0, 7.0)
RATED = Blender.of_scale(ordinal(LEVELS))
WORDED = Blender.of_scale(categorical(["bus", "rail", "walk"]))
INSIDE = Blender.of_scale(continuous(1.0, 5.0))
OPEN = Blender.of_scale(continuous())
MOMENTS = jax.jit(INSIDE.moments)
#: n = 5 answers, M + 1 = 2 mixing draws.
REFERENCE, MEAN, SD = np.array([2.0, 3.5, 1.2, 6.0, 4.1]), np.linspace(-1.2, 1.6, 10).reshape(2, 5), 0.3
SIGMA, NOISE = 0.8, np.linspace(-1.5, 1.3, 10).reshape(2, 5)


def column(values):
    return jnp.asarray(np.asarray(values, dtype=np.float32)[..., None])


def params_of(blender, sigma=SIGMA):
    start = blender.initial(sigma)
    if "spacing" in start:
        start["spacing"] = start["spacing"] + jnp.array([0.4, -0.3])
    return start


def log_prob(blender, answer, sigma=SIGMA, sd=SD):
    given = (column(REFERENCE), column(MEAN), jnp.full((2, 5, 1), sd), column(NOISE))
    return np.asarray(jax.jit(blender.log_prob)(params_of(blender, sigma), jnp.asarray(answer), *given))


def test_normal_is_scipys_with_the_belief_integrated_out():
    answer = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    law = stats.norm(REFERENCE + MEAN, np.hypot(SD, SIGMA))
    np.testing.assert_allclose(log_prob(OPEN, answer), law.logpdf(answer), rtol=1e-5)


def test_truncated_is_scipys_given_the_belief():
    answer = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    centre = REFERENCE + MEAN + SD * NOISE
    law = stats.truncnorm((1 - centre) / SIGMA, (5 - centre) / SIGMA, centre, SIGMA)
    np.testing.assert_allclose(log_prob(INSIDE, answer), law.logpdf(answer), rtol=1e-4)


def test_ordinal_is_the_cumulative_link_by_hand():
    params = params_of(RATED)
    cuts = np.asarray(RATED.cuts(params))
    share = np.cumsum(np.exp(params["spacing"]) / np.exp(params["spacing"]).sum())
    np.testing.assert_allclose(cuts, [1.5, *(1.5 + share * 4.0)], rtol=1e-6)
    assert cuts[-1] == pytest.approx(5.5)
    edges = np.array([-np.inf, *cuts, np.inf])
    for place in range(4):
        upper, lower = (
            stats.norm.cdf((edges[at] - REFERENCE - MEAN) / np.hypot(SD, SIGMA)) for at in (place + 1, place)
        )
        np.testing.assert_allclose(np.exp(log_prob(RATED, np.full(5, place))), upper - lower, rtol=2e-5, atol=1e-9)


def test_two_levels_are_a_probit_with_its_cut_half_way():
    """Yes-no answers: no cut is left to learn."""
    yes_no = Blender.of_scale(ordinal([0, 1]))
    start = yes_no.initial(SIGMA)
    np.testing.assert_allclose(yes_no.cuts(start), [0.5])
    sure = stats.norm.sf((0.5 - REFERENCE - MEAN) / np.hypot(SD, SIGMA))
    given = (column(REFERENCE), column(MEAN), jnp.full((2, 5, 1), SD), column(NOISE))
    shares, log_prob_of = jax.jit(yes_no.probabilities)(start, *given), jax.jit(yes_no.log_prob)
    np.testing.assert_allclose(shares[..., 1], sure, rtol=1e-5, atol=1e-7)
    each = [np.exp(log_prob_of(start, jnp.full(5, place), *given)) for place in (0, 1)]
    np.testing.assert_allclose(each[1], sure, rtol=2e-5)
    np.testing.assert_allclose(each[0] + each[1], 1.0, rtol=1e-5)
    slope = jax.grad(lambda told: yes_no.log_prob(told, jnp.array([0, 1, 1, 0, 1]), *given).sum())(start)
    assert np.isfinite(slope["log_sigma"])
    drawn = yes_no.draw(start, column(REFERENCE), column(MEAN), jnp.full((2, 5), 0.5))
    np.testing.assert_array_equal(drawn, REFERENCE + MEAN > 0.5)


def worded_arguments():
    """Reference (5, 3), belief means and noise (2, 5, 3)."""
    reference = np.log(np.array([[0.2, 0.3, 0.5]] * 4 + [[0.7, 0.2, 0.1]])).astype(np.float32)
    mean = np.linspace(-1, 1, 30, dtype=np.float32).reshape(2, 5, 3)
    return reference, mean, mean[..., ::-1].copy()


def test_categorical_is_a_softmax_over_log_reference_and_belief():
    reference, mean, noise = worded_arguments()
    logits = (reference + mean + SD * noise) / SIGMA
    expected = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    given = (params_of(WORDED), reference, mean, jnp.full((2, 5, 3), SD), noise)
    np.testing.assert_allclose(np.asarray(jax.jit(WORDED.probabilities)(*given)), expected, rtol=1e-5)
    answer = np.array([0, 1, 2, 1, 0])
    found = jax.jit(WORDED.log_prob)(given[0], jnp.asarray(answer), *given[1:])
    np.testing.assert_allclose(np.asarray(found), np.log(expected[:, np.arange(5), answer]), rtol=1e-4)


@pytest.mark.parametrize("blender", [OPEN, INSIDE])
def test_densities_integrate_to_one(blender):
    grid = np.linspace(1, 5, 4001) if blender is INSIDE else np.linspace(-12, 20, 4001)
    given = (column([2.2]), column([[0.5], [-3.0]]), jnp.full((2, 1, 1), SD), column([[0.1], [-0.7]]))
    each = jax.jit(jax.vmap(lambda one: blender.log_prob(params_of(blender), one[None], *given)))(jnp.asarray(grid))
    np.testing.assert_allclose(np.trapezoid(np.exp(np.asarray(each))[..., 0], grid, axis=0), 1.0, rtol=2e-4)


@pytest.mark.parametrize("blender", [RATED, WORDED])
def test_probabilities_sum_to_one_and_are_those_of_log_prob(blender):
    reference, mean, noise = worded_arguments()
    if blender is RATED:
        reference, mean, noise = column(REFERENCE), column(MEAN), column(NOISE)
    given = (params_of(blender), reference, mean, jnp.full(mean.shape, SD), noise)
    shares = np.asarray(jax.jit(blender.probabilities)(*given))
    log_probs = jax.jit(blender.log_prob)
    assert shares.shape == (2, 5, len(blender.answers))
    np.testing.assert_allclose(shares.sum(axis=-1), 1.0, rtol=1e-5)
    for place in range(len(blender.answers)):
        each = np.exp(np.asarray(log_probs(given[0], jnp.full(5, place), *given[1:])))
        np.testing.assert_allclose(each, shares[..., place], atol=2e-6)


@pytest.mark.parametrize("blender", [OPEN, RATED])
def test_the_closed_marginal_is_monte_carlo_over_the_belief(blender):
    """5 standard errors for each of 5 answers, two families: false-alarm rate 6e-6."""
    answer = np.array([1.0, 2.0, 3.0, 4.0, 5.0]) if blender is OPEN else np.array([0, 1, 2, 3, 2])
    draws = np.random.default_rng(3).normal(size=(40_000, 1))
    given = params_of(blender), jnp.asarray(answer), column(REFERENCE)
    log_probs = jax.jit(blender.log_prob)
    sure = np.exp(np.asarray(log_probs(*given, column(MEAN[0] + 0.9 * draws), jnp.zeros(1), jnp.zeros(1))))
    marginal = np.exp(np.asarray(log_probs(*given, column(MEAN[0]), jnp.full((5, 1), 0.9), jnp.zeros(1))))
    assert sure.shape == (40_000, 5)
    assert (np.abs(sure.mean(axis=0) - marginal) < 5 * sure.std(axis=0) / 200).all()


def uniforms(n):
    return jnp.asarray((np.random.default_rng(8).permutation(n) + 0.5) / n, dtype=jnp.float32)


@pytest.mark.parametrize("blender", [RATED, WORDED])
def test_draws_come_as_often_as_their_probability_says(blender):
    """Uniforms on an even grid of 8,000: every count within 2 of its expectation, no chance involved."""
    n = 8_000
    reference = jnp.array([[3.1]]) if blender is RATED else jnp.log(jnp.array([[0.2, 0.3, 0.5]]))
    belief = jnp.array([[0.4]]) if blender is RATED else jnp.array([[0.5, 0.0, -1.0]])
    params = params_of(blender)
    drawn = np.asarray(
        jax.jit(blender.draw)(params, reference, jnp.broadcast_to(belief, (n, belief.shape[1])), uniforms(n))
    )
    expected = np.asarray(jax.jit(blender.probabilities)(params, reference, belief, belief * 0, belief * 0))[0]
    assert np.abs(np.bincount(drawn, minlength=expected.size) - n * expected).max() <= 2


def test_truncated_draws_follow_scipys_quantiles_far_outside_the_ends_too():
    n = 4_000
    given, draw = uniforms(n), jax.jit(INSIDE.draw)
    for centre in (3.0, 0.4, -2.0, -4.5, 6.0, 10.5):
        drawn = np.asarray(draw(params_of(INSIDE), jnp.full((n, 1), centre), jnp.zeros((n, 1)), given))
        law = stats.truncnorm((1 - centre) / SIGMA, (5 - centre) / SIGMA, centre, SIGMA)
        np.testing.assert_allclose(drawn, law.ppf(np.asarray(given, dtype=np.float64)), atol=2e-3)
        assert drawn.std() > 0.02


@pytest.mark.parametrize("ends", [(0.1, 0.3), (-0.3, -0.1), (0.0, 1e7 / 3)])
def test_draws_lie_on_the_scale_in_double_precision(ends):
    blender = Blender.of_scale(continuous(*ends))
    centre = jnp.array([[-50.0], [50.0], [0.2], [1e9]])
    drawn = np.asarray(jax.jit(blender.draw)(params_of(blender), centre, centre * 0, jnp.array([1e-7, 0.5, 0.9, 0.4])))
    assert continuous(*ends).admits(drawn.astype(np.float64)).all()


@pytest.mark.parametrize("sigma", [0.05, 0.8, 30.0])
def test_moments_of_the_truncated_are_the_integrals(sigma):
    centres = [3.0, 1.0, 0.4, -1.0, 5.3, 8.0]
    zero = jnp.zeros((6, 1))
    mean, variance = MOMENTS(params_of(INSIDE, sigma), column(centres), zero, zero, zero)
    for row, centre in enumerate(centres):
        mode = np.clip(centre, 1, 5)
        reach = 12 * sigma * min(1.0, 3 * sigma / max(abs(mode - centre), 1e-9))
        ends = max(1.0, mode - reach), min(5.0, mode + reach)

        def density(value, power, centre=centre, mode=mode, about=0.0):
            return (value - about) ** power * np.exp(-0.5 * (value - mode) * (value + mode - 2 * centre) / sigma**2)

        def integral(power, about=0.0, ends=ends, density=density, mode=mode):
            told = {"args": (power,), "points": [mode], "epsrel": 1e-10, "limit": 400}
            return quad(lambda value, power: density(value, power, about=about), *ends, **told)[0]

        exact = integral(1) / integral(0)
        assert float(mean[row]) == pytest.approx(exact, rel=1e-5)
        assert float(variance[row]) == pytest.approx(integral(2, exact) / integral(0), rel=5e-3)


def test_moments_where_the_closed_form_divides_nothing_by_nothing():
    """Centres a hundred and a million standard deviations outside: an exponential at the end."""
    zero = jnp.zeros((2, 1))
    for sigma, rel in ((0.01, 1e-3), (1e-6, 1e-3)):
        mean, variance = MOMENTS(params_of(INSIDE, sigma), column([0.0, 6.0]), zero, zero, zero)
        np.testing.assert_allclose(np.asarray(mean), [1 + sigma**2, 5 - sigma**2], atol=1e-6)
        np.testing.assert_allclose(np.asarray(variance), sigma**4, rtol=2e-3 + rel)


def test_moments_of_the_normal_include_the_belief():
    given = (column(REFERENCE), column(MEAN), jnp.full((2, 5, 1), SD), column(NOISE))
    mean, variance = OPEN.moments(params_of(OPEN), *given)
    np.testing.assert_allclose(np.asarray(mean), REFERENCE + MEAN, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(variance), SD**2 + SIGMA**2, rtol=1e-5)


@pytest.mark.parametrize("blender", [RATED, WORDED, INSIDE, OPEN])
def test_values_and_gradients_stay_finite_at_extremes(blender):
    k = blender.belief_dim
    answer = jnp.asarray([0, 2, 1]) if blender.answers else jnp.array([1.0, 5.0, 3.0])

    def total(mean, log_sigma, sd):
        params = {**params_of(blender), "log_sigma": log_sigma}
        return blender.log_prob(params, answer, jnp.zeros((3, k)), mean, sd, jnp.full((3, k), 2.0)).sum()

    slope = jax.jit(jax.value_and_grad(total, argnums=(0, 1, 2)))
    for mean in (-300.0, -3.0, 0.0, 3.0, 300.0):
        for sigma in (1e-2, 1.0, 1e3):
            found = slope(jnp.full((3, k), mean), jnp.log(sigma), jnp.full((3, k), 1e-2))
            assert all(bool(jnp.isfinite(one).all()) for one in jax.tree.leaves(found)), (mean, sigma)


def test_levels_beyond_ten_thousand_have_open_ends_too():
    """Incomes: the highest level takes all that lies above its cut."""
    blender = Blender.of_scale(ordinal([0, 20_000, 90_000]))
    zero = jnp.zeros((3, 1))
    reference = jnp.array([[0.0], [90_000.0], [400_000.0]])
    params = blender.initial(5_000.0)
    shares = np.exp(
        np.asarray(jax.jit(blender.log_prob)(params, jnp.array([0, 2, 2]), reference, zero, zero + 1.0, zero))
    )
    np.testing.assert_allclose(shares, [stats.norm.cdf(2.0), stats.norm.cdf(7.0), 1.0], rtol=1e-5)


@pytest.mark.parametrize(
    ("scale", "family", "told"),
    [
        (approval(["a", "b"]), None, "ballots"),
        (ordinal([1, 2]), "categorical", "does not fit a ordinal scale"),
        (categorical(["a", "b"]), "ordinal", "does not fit a categorical scale"),
        (continuous(), "truncated", "use normal"),
        (continuous(0, 1), "gamma", "family must be one of"),
    ],
)
def test_families_a_scale_does_not_allow_are_refused(scale, family, told):
    with pytest.raises(ValueError, match=told):
        Blender.of_scale(scale, family)


def test_a_truncated_blender_without_ends_is_refused():
    with pytest.raises(ValueError, match="ends of the scale"):
        Blender("truncated").draw({"log_sigma": 0.0}, jnp.zeros((1, 1)), jnp.zeros((1, 1)), jnp.array([0.5]))


def test_encode_gives_places_or_numbers():
    assert RATED.encode([7.0, 1.0, 4.0]).tolist() == [3, 0, 2]
    assert WORDED.encode(["walk", "bus"]).tolist() == [2, 0]
    assert INSIDE.encode([1.5, 2.25, 5]).tolist() == [1.5, 2.25, 5.0]


def test_scale_of_drawn_answers():
    rating = ordinal([1, 2, 3])
    assert Blender.of_scale(rating).answer_scale(rating) is rating
    assert Blender.of_scale(rating, "normal").answer_scale(rating) == continuous()
    assert Blender.of_scale(rating, "truncated").answer_scale(rating) == continuous(1, 3)


# -- answers put on the ends -------------------------------------------------------------------------------------------

HEAPED = Blender.of_scale(continuous(1.0, 5.0), "censored")


@pytest.mark.parametrize("sigma", [0.05, 0.8, 6.0])
def test_censored_masses_and_density_sum_to_one_and_have_the_moments(sigma):
    """The ends' probabilities and the integral inside, for ten centres from inside to far beyond the ends."""
    given = (column(REFERENCE), column(3.0 * MEAN), jnp.full((2, 5, 1), SD), column(NOISE))

    def density(answer):
        filled = jnp.full(5, answer, dtype=jnp.float32)
        return np.exp(np.asarray(HEAPED.log_prob(params_of(HEAPED, sigma), filled, *given), dtype=np.float64))

    inner = np.linspace(1.0, 5.0, 8001)[1:-1]
    inside = np.stack([density(value) for value in inner[::8]]) if sigma > 0.5 else None
    low, high = density(1.0), density(5.0)
    mean, variance = (np.asarray(one, np.float64) for one in HEAPED.moments(params_of(HEAPED, sigma), *given))
    rng = np.random.default_rng(2)
    drawn = REFERENCE + 3.0 * MEAN + np.hypot(SD, sigma) * rng.standard_normal((40_000, 2, 5))
    drawn = np.clip(drawn, 1.0, 5.0)
    np.testing.assert_allclose(low, (drawn == 1.0).mean(axis=0), atol=0.012)  # 4.8 standard errors
    np.testing.assert_allclose(high, (drawn == 5.0).mean(axis=0), atol=0.012)
    np.testing.assert_allclose(mean, drawn.mean(axis=0), atol=0.05)
    np.testing.assert_allclose(np.sqrt(variance), drawn.std(axis=0), atol=0.05)
    if inside is not None:
        total = low + high + np.trapezoid(inside, inner[::8], axis=0)
        np.testing.assert_allclose(total, 1.0, atol=0.01)


def test_censored_draws_lie_on_the_scale_and_on_its_ends():
    uniform = jnp.linspace(0.001, 0.999, 999)
    found = np.asarray(HEAPED.draw(params_of(HEAPED), jnp.full((999, 1), 4.6), jnp.zeros((999, 1)), uniform))
    assert found.max() == 5.0
    assert np.mean(found == 5.0) == pytest.approx(stats.norm(4.6, SIGMA).sf(5.0), abs=0.002)
    assert found.min() == pytest.approx(stats.norm(4.6, SIGMA).ppf(0.001), abs=0.01)
    with pytest.raises(ValueError, match="a censored blender needs the ends of the scale"):
        Blender("censored").draw({"log_sigma": 0.0}, jnp.zeros((1, 1)), jnp.zeros((1, 1)), jnp.array([0.5]))
