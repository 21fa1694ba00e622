"""Safe, unsafe or undetermined, from a few human answers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import stdtrit

from crowdllm_stats.inference.intervals.bounded import bounded_ends, floored_variance
from crowdllm_stats.inference.intervals.sample import read_sample
from crowdllm_stats.inference.safe_decision import safe_decision
from crowdllm_stats.inference.safe_interval import safe_interval


def simulate(rng, problems, delta, *, n=6, answers=4, sd=1.0, eta=0.5):
    """Human answers about delta + 3, reference answers about 3."""
    human = 3.0 + np.reshape(delta, (-1, 1)) + sd * rng.normal(size=(problems, n))
    return human, 3.0 + np.sqrt(eta) * rng.normal(size=(problems, answers))


# --- golden ------------------------------------------------------------------------------------------------------


def test_welch_p_value_and_interval_are_scipys():
    human, answers = simulate(np.random.default_rng(1), 5, 0.4)
    beliefs = np.linspace(0.2, 0.9, 9) * np.ones((5, 1))
    mu = 0.55
    r = safe_decision(beliefs, human, answers, n_digital=9, eta=0.2, digital_noise_var=0.9)
    margin = 0.2 - 0.1
    np.testing.assert_allclose(r.threshold, (mu**2 - margin) / (2 * mu))
    for i in range(5):
        shifted = human[i] - r.threshold[i]
        safe = stats.ttest_ind(shifted, answers[i], equal_var=False, alternative="greater")
        two = stats.ttest_ind(human[i], answers[i], equal_var=False).confidence_interval(0.95)
        assert r.p_safe[i] == pytest.approx(safe.pvalue)
        assert r.p_unsafe[i] == pytest.approx(1 - safe.pvalue)
        assert (r.delta_lower[i], r.delta_upper[i]) == (pytest.approx(two.low), pytest.approx(two.high))
    np.testing.assert_allclose(r.p_adjusted, stats.false_discovery_control(r.p_value))


def test_one_number_is_the_known_expectation_unless_its_variance_is_given():
    human = np.array([3.1, 2.2, 3.9, 3.0, 3.3])
    exact = safe_decision([0.4, 0.6], human, [2.4], n_digital=2)
    one_sample = stats.ttest_1samp(human - 2.4, exact.threshold, alternative="greater")
    assert exact.p_safe == pytest.approx(one_sample.pvalue)
    assert "known expectation" in exact.why
    noisy = safe_decision([0.4, 0.6], human, [2.4], n_digital=2, reference_noise_var=0.3)
    assert noisy.p_safe > exact.p_safe
    assert "whose error is counted" in noisy.why
    a, b = human.var(ddof=1) / 5, 0.3
    freedom = (a + b) ** 2 / (a**2 / 4)
    assert noisy.delta_upper - noisy.delta == pytest.approx(stats.t.ppf(0.975, freedom) * np.sqrt(a + b))
    many = safe_decision([0.4, 0.6], human, [2.3, 2.5, 2.4], n_digital=2, reference_noise_var=0.0)
    assert many.p_safe == pytest.approx(exact.p_safe)


def test_agrees_with_the_exact_interval_when_people_are_many():
    rng = np.random.default_rng(2)
    delta = np.array([-0.6, 0.1, 0.2, 0.3, 0.8])
    human = 3.0 + delta[:, None] + 1e-4 * rng.normal(size=(5, 7))
    for sign in (1.0, -1.0):
        beliefs = sign * np.linspace(0.1, 0.7, 4) * np.ones((5, 1))
        r = safe_decision(beliefs, human, np.full((5, 1), 3.0), n_digital=4, eta=0.1)
        truth = safe_interval(sign * 0.4, 1.0, delta, 1.0, 4, eta=0.1).inside_exact
        assert list(r.decision) == ["safe" if yes else "unsafe" for yes in truth]
        assert len(set(r.decision)) == 2


# --- statistical -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [-1e-9, 1e-9])
def test_wrong_decisions_are_as_rare_as_promised_at_the_tie(side):
    """Delta at the threshold itself, 20,000 problems, n = 6: wrong at rate 0.05.

    Exact t (known expectation), normal answers; the count within 4.5 standard errors: false-alarm rate 7e-6 a side.
    """
    threshold = (0.5**2 - 0.1) / (2 * 0.5)
    human, _ = simulate(np.random.default_rng(3), 20_000, threshold + side)
    r = safe_decision(np.full((20_000, 2), 0.5), human, np.full((20_000, 1), 3.0), n_digital=2, eta=0.1)
    wrong = "unsafe" if side > 0 else "safe"
    rate = np.mean(r.decision == wrong)
    assert abs(rate - 0.05) < 4.5 * np.sqrt(0.05 * 0.95 / 20_000)
    assert np.mean(r.decision == "undetermined") == pytest.approx(0.9, abs=0.02)


def test_interval_of_delta_covers_with_an_estimated_reference():
    """10,000 problems, Welch with n = 6 and 4 answers: coverage in (0.93, 0.97), 9 standard errors wide each way."""
    human, answers = simulate(np.random.default_rng(4), 10_000, 0.3)
    r = safe_decision(np.full((10_000, 3), 0.5), human, answers, n_digital=3)
    assert 0.93 < np.mean((r.delta_lower <= 0.3) & (r.delta_upper >= 0.3)) < 0.97


def test_adjusted_decisions_keep_the_share_of_wrong_ones():
    """20 of 200 problems safe by 1 sd, the other 180 barely unsafe; 200 studies.

    The mean share of wrong adjusted decisions stays below 0.05 by 3 standard errors; unadjusted it exceeds 0.05
    in a population of near ties, which is why the adjustment exists.
    """
    rng = np.random.default_rng(5)
    tie = 0.25
    delta = np.where(np.arange(200) < 20, tie + 1.0, tie - 1e-6)
    wrong, plain = [], []
    for _ in range(200):
        human, _ = simulate(rng, 200, delta)
        r = safe_decision(np.full((200, 2), 0.5), human, np.full((200, 1), 3.0), n_digital=2)
        truth = np.where(delta >= tie, "safe", "unsafe")
        for decision, shares in ((r.decision_adjusted, wrong), (r.decision, plain)):
            made = decision != "undetermined"
            shares.append(np.sum(made & (decision != truth)) / max(1, made.sum()))
    assert np.mean(wrong) < 0.05 + 3 * np.std(wrong) / np.sqrt(200)
    assert np.mean(plain) > 0.1


def test_adjustment_holds_when_every_problem_is_a_tie():
    """50 problems within 1e-9 of the tie, half on either side, 2,000 studies: the worst case, a share of 0.05.

    The mean share of wrong decisions within 4 standard errors of it: false-alarm rate 6e-5.
    """
    rng = np.random.default_rng(6)
    delta = 0.25 + np.where(np.arange(50) % 2, 1e-9, -1e-9)
    truth = np.where(delta >= 0.25, "safe", "unsafe")
    shares = []
    for _ in range(2_000):
        human, _ = simulate(rng, 50, delta)
        r = safe_decision(np.full((50, 2), 0.5), human, np.full((50, 1), 3.0), n_digital=2)
        made = r.decision_adjusted != "undetermined"
        shares.append(np.sum(made & (r.decision_adjusted != truth)) / max(1, made.sum()))
    assert abs(np.mean(shares) - 0.05) < 4 * np.std(shares) / np.sqrt(2_000)


SKEWED = {"offensive": [0.577, 0.168, 0.122, 0.080, 0.053], "steep": [0.80, 0.10, 0.05, 0.03, 0.02]}


def wrong_at_the_tie(shares, n, bounds, seed, mirror=False):
    """Share of 20,000 problems decided wrongly; ratings 1-5, Delta at the tie, a little on the side that t fails at."""
    ratings = np.arange(1.0, 6.0)[:: -1 if mirror else 1]
    human = np.random.default_rng(seed).choice(ratings, p=np.array(shares) / np.sum(shares), size=(20_000, n))
    mean = float(ratings @ shares) / np.sum(shares)
    side = -1e-9 if mirror else 1e-9  # at the tie Delta is mu / 2 = 0.25: just safe, or mirrored just unsafe
    reference = np.full((20_000, 1), mean - 0.25 - side)
    r = safe_decision(np.full((20_000, 2), 0.5), human, reference, n_digital=2, bounds=bounds)
    return float(np.mean(r.decision == ("safe" if mirror else "unsafe")))


@pytest.mark.parametrize(
    ("name", "n", "plain", "bent"),
    [
        ("offensive", 5, 0.096, 0.000),
        ("offensive", 8, 0.101, 0.074),
        ("offensive", 10, 0.109, 0.076),
        ("offensive", 20, 0.084, 0.067),
        ("steep", 8, 0.169, 0.000),
        ("steep", 20, 0.153, 0.107),
    ],
)
def test_wrong_decisions_on_skewed_ratings_are_as_the_docstring_says(name, n, plain, bent):
    """The rates that the docstring quotes, of Student's t and with bounds; both directions by mirrored ratings.

    20,000 problems each, rates within 0.012 (4.5 standard errors or more): false-alarm rate below 1e-4 a case.
    """
    assert wrong_at_the_tie(SKEWED[name], n, None, 7) == pytest.approx(plain, abs=0.012)
    assert wrong_at_the_tie(SKEWED[name], n, (1, 5), 8) == pytest.approx(bent, abs=0.012)
    assert wrong_at_the_tie(SKEWED[name], n, (1, 5), 9, mirror=True) == pytest.approx(bent, abs=0.012)


@pytest.mark.parametrize("shares", [[0.1, 0.2, 0.4, 0.2, 0.1], [0.4, 0.05, 0.1, 0.05, 0.4]])
@pytest.mark.parametrize("n", [5, 8, 20])
def test_bounds_keep_the_level_for_even_ratings(shares, n):
    """At most 0.05 + 4 standard errors of 20,000 decisions at the tie: false-alarm rate below 4e-5."""
    assert wrong_at_the_tie(shares, n, (1, 5), 10) < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 20_000)


def arcsine(human, alternative):
    """Student t on the arcsine scale of answers 1 to 5: lower and upper end."""
    sample = read_sample(
        human, None, None, level=0.95, alternative=alternative, weights=None, clusters=None, bounds=(1, 5), step=None,
        folds=None, population_size=None, census=False, beliefs=None, eta=0.0, seed=None,
    )  # fmt: skip
    quantile = stdtrit(sample.units - 1.0, sample.tail)
    variance = floored_variance(sample, sample.human_variance, 1.0 / sample.units)
    return bounded_ends(sample, sample.human_mean, variance, quantile, 1.0 / sample.units)[1:3]


def test_bounded_test_is_the_end_of_the_bounded_interval():
    human = np.random.default_rng(11).choice([1.0, 2.0, 3.0, 5.0], size=(9, 7))
    lower, upper = arcsine(human, "two-sided")
    larger, _ = arcsine(human, "larger")
    for side in (1.0, -1.0):
        r = safe_decision(np.full((9, 2), side), human, np.full((9, 1), 2.0), n_digital=2, bounds=(1, 5))
        np.testing.assert_allclose([r.delta_lower, r.delta_upper], [lower - 2, upper - 2], rtol=1e-12)
    # the tie put at the lower end of the one-sided interval: p is 1 - level
    at_end = safe_decision(np.full((9, 2), 0.5), human, larger[:, None] - 0.25, n_digital=2, bounds=(1, 5))
    np.testing.assert_allclose(at_end.p_safe, 0.05, rtol=1e-6)
    noisy = safe_decision(
        np.full((9, 2), 0.5), human, np.full((9, 1), 2.0), n_digital=2, bounds=(1, 5), reference_noise_var=0.4
    )
    assert np.all(noisy.delta_upper - noisy.delta_lower > upper - lower)
    assert "arcsine" in noisy.why


# --- edges -------------------------------------------------------------------------------------------------------


def test_belief_mean_zero_needs_no_people():
    human, answers = simulate(np.random.default_rng(6), 3, 0.4)
    beliefs = np.array([[-0.5, 0.5], [-1.0, 1.0], [0.1, 0.3]])
    safe = safe_decision(beliefs, human, answers, n_digital=2, eta=0.2)
    assert list(safe.decision[:2]) == ["safe", "safe"]
    assert list(safe.p_value[:2]) == [0.0, 0.0]
    assert list(safe.threshold[:2]) == [-np.inf, -np.inf]
    assert safe.p_adjusted[2] == safe.p_value[2]  # the two certain ones stay out of the adjustment
    unsafe = safe_decision(beliefs, human, answers, n_digital=2, digital_noise_var=0.2)
    assert list(unsafe.decision_adjusted[:2]) == ["unsafe", "unsafe"]
    assert "decided by c alone" in unsafe.to_frame()["note"].iloc[0]


def test_equal_human_answers_decide_nothing():
    r = safe_decision([[0.5, 0.5], [0.5, 0.5]], [[4.1] * 3, [4.0, 4.1, 4.2]], [[3.0], [3.0]], n_digital=2)
    assert list(r.decision) == ["undetermined", "safe"]
    assert (r.delta_lower[0], r.delta_upper[0]) == (-np.inf, np.inf)
    assert r.p_value[0] == 1.0
    assert r.p_adjusted[1] == r.p_value[1]
    assert "all human answers are equal" in r.to_frame()["note"].iloc[0]


def test_beliefs_of_another_crowd_are_flagged():
    r = safe_decision([0.4, 0.6], [3.0, 3.2, 3.5], [2.4], n_digital=50)
    assert "n_digital is not the number of beliefs" in str(r)
    told = safe_decision([0.4, 0.6], [3.0, 3.2, 3.5], [2.4], n_digital=50, belief_mean_var=0.001)
    assert "n_digital is not" not in str(told)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([0.1, 0.2], [3.0], [2.0]), {}, "needs at least 2"),
        (([0.1, 0.2], [3.0, 4.0], [[2.0]]), {}, "batch shape"),
        (([0.1, 0.2], [3.0, 4.0], [2.0]), {"n_digital": 1}, "n_digital must be at least 2"),
        (([0.1, 0.2], [3.0, 4.0], [2.0]), {"reference_noise_var": -1.0}, "must not be negative"),
        (([0.1, 0.2], [3.0, 4.0], [2.0]), {"reference_noise_var": [1.0, 2.0]}, "does not broadcast"),
        (([0.1, 0.2], [3.0, 4.0], [2.0]), {"eta": [1.0, 2.0]}, "does not broadcast"),
        (([0.1, 0.2], [3.0, 4.0], [2.0]), {"reference": "shared"}, "needs k"),
        (([0.1, 0.2], [3.0, np.nan], [2.0]), {}, "human holds 1 value"),
        (([0.1, 0.2], [3.0, 4.0], [2.0]), {"level": 0}, "level must lie"),
        (([0.1, 0.2], [3.0, 6.0], [2.0]), {"bounds": (1, 5)}, "human holds"),
        (([0.1, 0.2], [3.0, 4.0], [2.0]), {"step": 1.0}, "used with bounds only"),
    ],
)
def test_bad_input_is_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        safe_decision(*arguments, **{"n_digital": 2, **options})
