"""Safe, unsafe or undetermined, from a few human answers and an estimated reference."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from crowdllm_stats.inference.theorem3_safe_decision import safe_decision
from crowdllm_stats.inference.theorem3_safe_interval import safe_interval

EXACT = {"reference_noise_var": 0.0}


def simulate(rng, problems, delta, *, n=6, answers=4, sd=1.0, eta=0.5):
    """Human answers about delta + 3, reference answers about 3."""
    human = 3.0 + np.reshape(delta, (-1, 1)) + sd * rng.normal(size=(problems, n))
    return human, 3.0 + np.sqrt(eta) * rng.normal(size=(problems, answers))


def holding(rng, problems, delta, mu, *, n, answers, eta):
    """The normal case: beliefs are the crowd's answers, of mean mu about the LLM's, less the mean of these answers."""
    human, plain = simulate(rng, problems, delta, n=n, answers=answers, eta=eta)
    beliefs = (3.0 + np.asarray(mu) - plain.mean(axis=1))[:, None] + np.array([-0.5, 0.5])
    return beliefs, human, plain


# --- golden ------------------------------------------------------------------------------------------------------


def test_exact_reference_is_student_t():
    human, _ = simulate(np.random.default_rng(1), 5, 0.4)
    beliefs = np.linspace(0.2, 0.9, 9) * np.ones((5, 1))
    for beliefs_from in ("answers", "generator"):
        r = safe_decision(beliefs, human, np.full((5, 1), 3.0), n_digital=9, eta=0.2, digital_noise_var=0.9,
                          beliefs_from=beliefs_from, **EXACT)  # fmt: skip
        np.testing.assert_allclose(r.threshold, (0.55**2 - 0.1) / (2 * 0.55))
        for i in range(5):
            safe = stats.ttest_1samp(human[i] - 3.0, r.threshold[i], alternative="greater")
            two = stats.ttest_1samp(human[i], 3.0).confidence_interval(0.95)
            assert r.p_safe[i] == pytest.approx(safe.pvalue)
            assert r.p_unsafe[i] == pytest.approx(1 - safe.pvalue)
            assert (r.delta_lower[i] + 3, r.delta_upper[i] + 3) == (pytest.approx(two.low), pytest.approx(two.high))
        np.testing.assert_allclose(r.p_adjusted, stats.false_discovery_control(r.p_value))
    deterministic = safe_decision(beliefs, human, np.full((5, 2), 3.0), n_digital=9, eta=0.0)
    assert deterministic.p_safe == pytest.approx(
        safe_decision(beliefs, human, np.full((5, 1), 3.0), n_digital=9, eta=0).p_safe
    )


def test_interval_of_delta_is_welchs():
    human, answers = simulate(np.random.default_rng(2), 3, 0.4)
    r = safe_decision(np.full((3, 2), 0.5), human, answers, n_digital=2)
    for i in range(3):
        two = stats.ttest_ind(human[i], answers[i], equal_var=False).confidence_interval(0.95)
        assert (r.delta_lower[i], r.delta_upper[i]) == (pytest.approx(two.low), pytest.approx(two.high))


def test_known_belief_mean_convolves_student_t_and_the_reference():
    """beliefs_from="generator", eta known: P(t part + normal part beyond the tie), by numerical integration."""
    human, mu, eta = np.array([3.1, 2.2, 3.9, 3.0, 3.3]), 0.7, 0.3
    r = safe_decision([0.4, 1.0], human, [2.4, 2.9, 2.6], n_digital=2, eta=eta, beliefs_from="generator")
    error, reach = human.std(ddof=1) / np.sqrt(5), np.sqrt(eta / 3)
    short = (r.threshold - r.delta) / error

    def density(z):
        return stats.norm.pdf(z) * stats.t.cdf(short - z * reach / error, 4)

    assert r.threshold == pytest.approx((mu**2 - eta) / (2 * mu))
    assert r.p_safe == pytest.approx(integrate.quad(density, -8, 8)[0], abs=2e-4)
    assert r.p_safe + r.p_unsafe == pytest.approx(1.0)


def test_excess_risk_of_answers_is_the_difference_of_mean_squared_distances():
    """(crowd - human mean)^2 less the mean of (answer - human mean)^2: what L - L' is, without bias, by hand."""
    human, answers, crowd = np.array([2.0, 4.0, 3.0]), np.array([1.0, 2.0, 4.0]), np.array([2.0, 3.5])
    r = safe_decision(crowd - answers.mean(), human, answers, n_digital=2)
    assert r.excess_risk == pytest.approx((2.75 - 3.0) ** 2 - (4.0 + 1.0 + 1.0) / 3)
    assert (r.eta, r.crowd_gap) == (pytest.approx(7 / 3), pytest.approx(-0.25))
    half = stats.t.ppf(0.975, 2) / np.sqrt(3)
    assert (r.gap_lower, r.gap_upper) == (pytest.approx(-0.25 - half), pytest.approx(-0.25 + half))


def test_two_valued_answers_have_clopper_and_pearsons_limits():
    """Below 8 answers the scale's end has its full weight: at 0 of 5 the upper end is 1 - 0.025^(1/5)."""
    r = safe_decision([0.1, 0.3], [0.0] * 5, [0.2], n_digital=2, eta=0.0, bounds=(0, 1))
    assert r.gap_lower == pytest.approx(0.4 - (1 - 0.025**0.2), abs=0.01)
    assert r.gap_upper == pytest.approx(0.4, abs=1e-9)


def test_agrees_with_the_exact_interval_when_people_are_many():
    rng = np.random.default_rng(2)
    delta = np.array([-0.6, 0.1, 0.2, 0.3, 0.8])
    human = 3.0 + delta[:, None] + 1e-4 * rng.normal(size=(5, 7))
    for sign in (1.0, -1.0):
        beliefs = sign * np.linspace(0.1, 0.7, 4) * np.ones((5, 1))
        r = safe_decision(beliefs, human, np.full((5, 1), 3.0), n_digital=4, eta=0.1, **EXACT)
        truth = safe_interval(sign * 0.4, 1.0, delta, 1.0, 4, eta=0.1).inside_exact
        assert list(r.decision) == ["safe" if yes else "unsafe" for yes in truth]
        assert len(set(r.decision)) == 2


# --- statistical: beliefs that hold the estimated reference --------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "answers", "eta", "delta", "mu"),
    [
        (50, 10, 0.1, 2.0, 2.0 - np.sqrt(4.1)),  # 0.49 and 0.49 when the belief mean was taken as known
        (20, 2, 0.25, 0.5, 0.5 - np.sqrt(0.5)),  # 0.24 and 0.17
        (8, 5, 1.0, 0.5, 0.5 - np.sqrt(1.25)),  # 0.24 and 0.06
        (20, 30, 0.1, 0.5, 0.5 - np.sqrt(0.35)),  # 0.28 and 0.10
        (5, 2, 1.0, 2.0, 2.0 - np.sqrt(5.0)),  # 0.41 and 0.24
        (50, 2, 0.25, 0.0, 0.5),  # 0.08 and 0.08: eta taken as known
        (50, 30, 0.25, -2.0, -2.0 - np.sqrt(4.25)),
    ],
)
def test_ties_are_seldom_decided_when_the_reference_is_estimated(n, answers, eta, delta, mu):
    """L = L' exactly, so both decisions are wrong: at most 0.06 each, and 4 standard errors of 1,500 problems.

    False-alarm rate below 1e-4 a case.
    """
    r = safe_decision(*holding(np.random.default_rng(3), 1_500, delta, mu, n=n, answers=answers, eta=eta), n_digital=2)
    most = 0.06 + 4 * np.sqrt(0.06 * 0.94 / 1_500)
    assert np.mean(r.decision == "safe") < most
    assert np.mean(r.decision == "unsafe") < most


@pytest.mark.parametrize(("answers", "least"), [(1, 0.5), (2, 0.3), (10, 0.9)])
def test_a_clear_case_is_decided(answers, least):
    """Delta 2, eta 0.25, 20 people: the perfect belief is called safe, its opposite unsafe, and never the reverse.

    With one answer (eta given) L - L' = -4.25 has a standard error of 2.2, with two eta has one degree of freedom.
    """
    options = {"eta": 0.25} if answers == 1 else {}
    for mu, verdict in ((2.0, "safe"), (-2.0, "unsafe")):
        case = holding(np.random.default_rng(4), 300, 2.0, mu, n=20, answers=answers, eta=0.25)
        r = safe_decision(*case, n_digital=2, **options)
        assert np.mean(r.decision == verdict) > least
        assert np.mean((r.decision != verdict) & (r.decision != "undetermined")) == 0.0


def test_ties_of_a_known_belief_mean_are_seldom_decided():
    """beliefs_from="generator", eta estimated from 2 answers: 0.11 without the handicap; 1,500 problems, as above."""
    human, plain = simulate(np.random.default_rng(12), 1_500, 0.5, n=50, answers=2, eta=0.1)
    mu = 0.5 - np.sqrt(0.35)
    r = safe_decision(np.full((1_500, 2), mu), human, plain, n_digital=2, beliefs_from="generator")
    most = 0.06 + 4 * np.sqrt(0.06 * 0.94 / 1_500)
    assert np.mean(r.decision == "safe") < most
    assert np.mean(r.decision == "unsafe") < most


def test_excess_risk_is_without_bias():
    """6,000 problems: within 4.5 standard errors of L - L' (7e-6), for beliefs of answers and of a generator."""
    rng = np.random.default_rng(5)
    delta, mu, eta = 0.5, 0.9, 1.0
    beliefs, human, plain = holding(rng, 6_000, delta, mu, n=3, answers=2, eta=eta)
    truth = mu * (mu - 2 * delta) - eta
    for given, options in ((beliefs, {}), (np.full((6_000, 2), mu), {"beliefs_from": "generator"})):
        found = [safe_decision(given[i : i + 3000], human[i : i + 3000], plain[i : i + 3000], n_digital=2, **options)
                 .excess_risk for i in range(0, 6_000, 3000)]  # fmt: skip
        error = np.concatenate(found) - truth
        assert abs(error.mean()) < 4.5 * error.std() / np.sqrt(6_000)
    shared = safe_decision(beliefs[:10], human[:10], plain[:10], n_digital=2, reference="shared", k=4)
    plainly = safe_decision(beliefs[:10], human[:10], plain[:10], n_digital=2)
    np.testing.assert_allclose(shared.excess_risk - plainly.excess_risk, plainly.eta / 4)


def test_200_problems_that_are_all_unsafe_are_not_called_safe():
    """L 5.29, L' 5.00 (Delta 2, eta 1, mu -0.3), n 20, R 10: 63 of 200 were called safe after Benjamini-Hochberg.

    In 5 such studies together at most 5 are: each study has one with probability 0.05 at most.
    """
    rng, called = np.random.default_rng(6), 0
    for _ in range(5):
        case = holding(rng, 200, 2.0, -0.3, n=20, answers=10, eta=1.0)
        called += int(np.sum(safe_decision(*case, n_digital=100, belief_mean_var=0.0).decision_adjusted == "safe"))
    assert called <= 5


def test_adjusted_decisions_keep_the_share_of_wrong_ones():
    """A tenth of 200 problems clearly safe, others a hair unsafe; 20 studies: mean false share under 0.05 + 3 se."""
    rng, shares, made = np.random.default_rng(7), [], 0
    delta = np.full(200, 1.5)
    mu = np.where(np.arange(200) < 20, 1.5, 1.5 - np.sqrt(2.5) - 1e-6)
    truth = np.where(mu * (mu - 2 * delta) <= 0.25, "safe", "unsafe")
    for _ in range(20):
        r = safe_decision(*holding(rng, 200, delta, mu, n=50, answers=10, eta=0.25), n_digital=2)
        decided = r.decision_adjusted != "undetermined"
        made += int(decided.sum())
        shares.append(np.sum(decided & (r.decision_adjusted != truth)) / max(1, decided.sum()))
    assert made > 50
    assert np.mean(shares) < 0.05 + 3 * np.std(shares) / np.sqrt(20)


@pytest.mark.parametrize("side", [-1e-9, 1e-9])
def test_wrong_decisions_are_as_rare_as_promised_at_the_tie_of_an_exact_reference(side):
    """Delta at the threshold itself, 20,000 problems, n = 6: wrong at rate 0.05.

    Exact t (known expectation), normal answers; the count within 4.5 standard errors: false-alarm rate 7e-6 a side.
    """
    threshold = (0.5**2 - 0.1) / (2 * 0.5)
    human, _ = simulate(np.random.default_rng(3), 20_000, threshold + side)
    r = safe_decision(np.full((20_000, 2), 0.5), human, np.full((20_000, 1), 3.0), n_digital=2, eta=0.1, **EXACT)
    wrong = "unsafe" if side > 0 else "safe"
    assert abs(np.mean(r.decision == wrong) - 0.05) < 4.5 * np.sqrt(0.05 * 0.95 / 20_000)
    assert np.mean(r.decision == "undetermined") == pytest.approx(0.9, abs=0.02)


def test_interval_of_delta_covers_with_an_estimated_reference():
    """1,500 problems, Welch with n = 6 and 4 answers: coverage in (0.92, 0.98), 5 standard errors wide each way."""
    human, answers = simulate(np.random.default_rng(4), 1_500, 0.3)
    r = safe_decision(np.full((1_500, 3), 0.5), human, answers, n_digital=3)
    assert 0.92 < np.mean((r.delta_lower <= 0.3) & (r.delta_upper >= 0.3)) < 0.98


# --- skewed ratings ----------------------------------------------------------------------------------------------


def wrong_at_the_tie(shares, n, bounds, seed, mirror=False):
    """Share of 2,000 problems decided wrongly; ratings 1-5, exact reference, Delta at the tie, where t fails."""
    ratings = np.arange(1.0, 6.0)[:: -1 if mirror else 1]
    human = np.random.default_rng(seed).choice(ratings, p=np.array(shares) / np.sum(shares), size=(2_000, n))
    mean = float(ratings @ shares) / np.sum(shares)
    side = -1e-9 if mirror else 1e-9  # at the tie Delta is mu / 2 = 0.25: just safe, or mirrored just unsafe
    r = safe_decision(np.full((2_000, 2), 0.5), human, np.full((2_000, 1), mean - 0.25 - side), n_digital=2, eta=0.0,
                      bounds=bounds)  # fmt: skip
    return float(np.mean(r.decision == ("safe" if mirror else "unsafe")))


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("n", [5, 8, 10, 20])
@pytest.mark.parametrize(
    "shares",
    [
        (0.2, 0.7, 0.0, 0.0, 0.1),  # at n = 10 0.32 on the arcsine scale
        (0.577, 0.168, 0.122, 0.080, 0.053),
        (0.80, 0.10, 0.05, 0.03, 0.02),
        (0.90, 0.02, 0.02, 0.02, 0.04),
        (0.8, 0.0, 0.0, 0.0, 0.2),
        (0.1, 0.2, 0.4, 0.2, 0.1),
    ],
)
def test_skewed_ratings_with_bounds_are_decided_wrongly_in_a_tenth_of_ties_at_most(shares, n, mirror):
    """0.10 and 4 standard errors of 2,000 problems: false-alarm rate below 4e-5; below 8 answers 0.05 likewise."""
    most = 0.05 if n < 8 else 0.10
    assert wrong_at_the_tie(shares, n, (1, 5), 7, mirror) < most + 4 * np.sqrt(most * (1 - most) / 2_000)


def test_without_bounds_whole_numbers_come_with_a_warning():
    assert wrong_at_the_tie((0.2, 0.7, 0.0, 0.0, 0.1), 10, None, 8) > 0.25
    told = safe_decision([0.4, 0.6], [1, 2, 2, 1], [2.0], n_digital=2, eta=0.0)
    assert "give bounds" in told.notices[0]
    assert str(told).startswith(told.notices[0])
    assert safe_decision([0.4, 0.6], [1, 2, 2, 1], [2.0], n_digital=2, eta=0.0, bounds=(1, 5)).notices == ()
    assert safe_decision([0.4, 0.6], [1.5, 2, 2, 1], [2.0], n_digital=2, eta=0.0).notices == ()


def test_an_llm_of_whole_numbers_that_all_agree_is_not_taken_as_exact():
    """9 in 10 of the LLM's answers are 3, the others 4: 5 of them agree in 0.59 of the draws, and hide eta and Delta.

    Both ties, 800 problems of 20 people each: wrong at most 0.06 and 4 standard errors (false-alarm rate 4e-5).
    """
    rng, gap, eta = np.random.default_rng(9), 0.5, 0.09
    for mu in (gap + np.sqrt(gap**2 + eta), gap - np.sqrt(gap**2 + eta)):
        plain = 3.0 + (rng.random((800, 5)) < 0.1)
        human = rng.choice(np.arange(1.0, 6.0), p=[0.06, 0.14, 0.25, 0.24, 0.31], size=(800, 20))  # mean 3.6
        beliefs = np.repeat((3.1 + mu - plain.mean(axis=1))[:, None], 2, axis=1)
        r = safe_decision(beliefs, human, plain, n_digital=2, bounds=(1, 5))
        for wrong in ("safe", "unsafe"):
            assert np.mean(r.decision == wrong) < 0.06 + 4 * np.sqrt(0.06 * 0.94 / 800)
        assert "those not given yet" in " ".join(r.flags)


def test_a_mirrored_scale_mirrors_the_decision():
    rng = np.random.default_rng(10)
    human = rng.choice([1.0, 2.0, 3.0, 5.0], size=(5, 9))
    plain = rng.choice([2.0, 3.0], size=(5, 3))
    beliefs = rng.normal(0.5, 0.3, size=(5, 4))
    one = safe_decision(beliefs, human, plain, n_digital=4, bounds=(1, 5))
    other = safe_decision(-beliefs, 6 - human, 6 - plain, n_digital=4, bounds=(1, 5))
    np.testing.assert_allclose(one.p_safe, other.p_safe, rtol=1e-6)
    np.testing.assert_allclose(one.p_unsafe, other.p_unsafe, rtol=1e-6)
    np.testing.assert_allclose([one.gap_lower, one.delta_upper], [-other.gap_upper, -other.delta_lower], rtol=1e-6)


# --- edges -------------------------------------------------------------------------------------------------------


def test_one_reference_answer_needs_eta():
    with pytest.raises(ValueError, match="one reference answer does not say.*give eta"):
        safe_decision([0.4, 0.6], [3.1, 2.2, 3.9], [2.4], n_digital=2)
    human = [3.1, 2.2, 3.9, 3.0, 3.3, 2.8]
    noisy = safe_decision([0.4, 0.6], human, [2.4], n_digital=2, eta=0.3)
    exact = safe_decision([0.4, 0.6], human, [2.4], n_digital=2, eta=0.3, **EXACT)
    assert noisy.delta_upper > exact.delta_upper
    assert noisy.excess_risk == pytest.approx(exact.excess_risk + 0.3)  # the answer's own error is taken off
    assert "whose error is counted" in noisy.why
    assert "exact expectation" in exact.why


def test_eta_plugged_in_counts_as_estimated():
    beliefs, human, plain = holding(np.random.default_rng(11), 4, 0.5, 0.3, n=5, answers=3, eta=0.5)
    left_out = safe_decision(beliefs, human, plain, n_digital=2)
    for ddof in (0, 1):
        given = safe_decision(beliefs, human, plain, n_digital=2, eta=plain.var(axis=1, ddof=ddof))
        np.testing.assert_array_equal(given.p_value, left_out.p_value)
        assert "counts as estimated" in given.notices[0]
    known = safe_decision(beliefs, human, plain, n_digital=2, eta=0.5)
    assert not np.allclose(known.p_value, left_out.p_value)
    told = safe_decision(beliefs, human, plain, n_digital=2, eta=0.0)
    assert "the reference answers differ, although eta is 0" in told.to_frame()["note"].iloc[0]


def test_belief_mean_zero_needs_no_people_where_c_is_known():
    human, answers = simulate(np.random.default_rng(6), 3, 0.4)
    beliefs = np.array([[-0.5, 0.5], [-1.0, 1.0], [0.1, 0.3]])
    options = {"n_digital": 2, "beliefs_from": "generator"}
    safe = safe_decision(beliefs, human, answers, eta=0.2, **options)
    assert list(safe.decision[:2]) == ["safe", "safe"]
    assert list(safe.p_value[:2]) == [0.0, 0.0]
    assert list(safe.threshold[:2]) == [-np.inf, -np.inf]
    assert safe.p_adjusted[2] == safe.p_value[2]  # the two certain ones stay out of the adjustment
    assert list(safe.tested) == [False, False, True]
    assert list(safe_decision(beliefs, human, answers, **options).decision[:2]) == ["safe", "safe"]  # whatever eta is
    unsafe = safe_decision(beliefs, human, answers, eta=0.0, digital_noise_var=0.2, **options)
    assert list(unsafe.decision_adjusted[:2]) == ["unsafe", "unsafe"]
    assert "decided by c alone" in unsafe.to_frame()["note"].iloc[0]
    tested = safe_decision(beliefs, human, answers, **{**options, "digital_noise_var": 0.2})  # eta against 0.1
    variance = answers[0].var(ddof=1)
    assert tested.p_unsafe[0] == pytest.approx(stats.chi2.cdf(3 * variance / 0.1, 3), abs=0.06)
    assert list(tested.tested) == [True] * 3
    held = safe_decision(beliefs, human, answers, n_digital=2, eta=0.2)  # answers: mu itself is estimated
    assert list(held.tested) == [True] * 3


def test_equal_human_answers_decide_nothing_without_bounds():
    r = safe_decision([[0.5, 0.5], [0.5, 0.5]], [[4.1] * 3, [4.0, 4.1, 4.2]], [[3.0], [3.0]], n_digital=2, eta=0.0)
    assert list(r.decision) == ["undetermined", "safe"]
    assert (r.delta_lower[0], r.delta_upper[0], r.gap_upper[0]) == (-np.inf, np.inf, np.inf)
    assert r.p_value[0] == 1.0
    assert r.p_adjusted[1] == r.p_value[1]
    assert "all human answers are equal" in r.to_frame()["note"].iloc[0]
    bounded = safe_decision([0.5, 0.5], [4.0] * 20, [1.0], n_digital=2, eta=0.0, bounds=(1, 5))
    assert bounded.decision == "safe"
    assert np.isfinite(bounded.delta_upper)


def test_beliefs_of_another_crowd_are_flagged():
    r = safe_decision([0.4, 0.6], [3.0, 3.2, 3.5], [2.4], n_digital=50, eta=0.0)
    assert "n_digital is not the number of beliefs" in str(r)
    told = safe_decision([0.4, 0.6], [3.0, 3.2, 3.5], [2.4], n_digital=50, eta=0.0, belief_mean_var=0.001)
    assert "n_digital is not" not in str(told)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([0.1, 0.2], [3.0], [2.0]), {}, "needs at least 2"),
        (([0.1, 0.2], [3.0, 4.0], [[2.0]]), {}, "batch shape"),
        (([0.1, 0.2], [3.0, 4.0], [2.0]), {"n_digital": 1}, "n_digital must be at least 2"),
        (([0.1, 0.2], [3.0, 4.0], [2.0]), {"reference_noise_var": -1.0}, "must not be negative"),
        (([0.1, 0.2], [3.0, 4.0], [2.0]), {"reference_noise_var": [1.0, 2.0]}, "does not broadcast"),
        (([0.1, 0.2], [3.0, 4.0], [2.0]), {"reference_noise_var": 0.1, "eta": None}, "give eta, the variance"),
        (([0.1, 0.2], [3.0, 4.0], [2.0]), {"eta": [1.0, 2.0]}, "does not broadcast"),
        (([0.1, 0.2], [3.0, 4.0], [2.0]), {"reference": "shared"}, "needs k"),
        (([0.1, 0.2], [3.0, 4.0], [2.0]), {"k": 2}, "has no place"),
        (([0.1, 0.2], [3.0, 4.0], [2.0]), {"beliefs_from": "twins"}, "beliefs_from must be"),
        (([0.1, 0.2], [3.0, np.nan], [2.0]), {}, "human holds 1 value"),
        (([0.1, 0.2], [3.0, 4.0], [2.0]), {"level": 0}, "level must lie"),
        (([0.1, 0.2], [3.0, 6.0], [2.0]), {"bounds": (1, 5)}, "human holds"),
        (([0.1, 0.2], [3.0, 4.0], [2.0]), {"step": 1.0}, "used with bounds only"),
    ],
)
def test_bad_input_is_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        safe_decision(*arguments, **{"n_digital": 2, "eta": 0.1, **options})


# --- an LLM that gives nearly always one answer ---------------------------------------------------------------------


def tie_of_a_rare_answer(shares, side, n, answers, times, seed):
    """A crowd exactly as good as an LLM of these shares of 1 to 5; people of mean 3."""
    rng, scale = np.random.default_rng(seed), np.arange(1.0, 6.0)
    crowd = 3.0 + side * np.sqrt(np.array(shares) @ (scale - 3.0) ** 2)
    human = rng.choice(scale, p=(0.1, 0.2, 0.4, 0.2, 0.1), size=(times, n))
    plain = rng.choice(scale, p=shares, size=(times, answers))
    return np.repeat((crowd - plain.mean(axis=1))[:, None], 2, axis=1), human, plain


@pytest.mark.parametrize(
    ("shares", "side", "n", "answers"),
    [
        ((0.03, 0.04, 0.93, 0, 0), -1, 50, 10),  # 0.17 safe with normal theory
        ((0.05, 0, 0.85, 0.1, 0), -1, 50, 5),  # 0.12 safe
        ((0, 0, 0.8, 0, 0.2), 1, 50, 10),  # 0.09 safe
        ((0, 0, 0.95, 0, 0.05), 1, 50, 30),  # 0.10 unsafe
    ],
)
def test_ties_with_a_nearly_constant_model_are_seldom_decided(shares, side, n, answers):
    """At most 0.06 each way and 4 standard errors of 400 problems: false-alarm rate 4e-5 a side."""
    r = safe_decision(*tie_of_a_rare_answer(shares, side, n, answers, 400, 13), n_digital=2, bounds=(1, 5))
    for wrong in ("safe", "unsafe"):
        assert np.mean(r.decision == wrong) < 0.06 + 4 * np.sqrt(0.06 * 0.94 / 400)


@pytest.mark.parametrize("source", ["answers", "generator"])
def test_a_constant_model_is_still_decided_where_the_crowd_is_clearly_better_or_worse(source):
    rng = np.random.default_rng(14)
    human = rng.choice([2.0, 3.0, 4.0], p=(0.2, 0.6, 0.2), size=40)
    options = {"n_digital": 20, "bounds": (1, 5), "beliefs_from": source}
    better = safe_decision(np.full(20, 1.4), human, np.full(20, 1.6), **options)
    worse = safe_decision(np.full(20, 1.8), human, np.full(20, 3.0), **options)
    assert (better.decision, worse.decision) == ("safe", "unsafe")
    assert "those not given yet" in " ".join(worse.flags)
    near = safe_decision(np.full(20, 0.6), human, np.full(20, 3.0), **options)  # one far answer in eleven is as bad
    assert near.decision == "undetermined"
    assert safe_decision(np.full(20, 0.6), human, np.full(20, 3.0), eta=0.0, **options).decision == "unsafe"


def test_all_answers_alike_count_the_bound_of_the_rare_ones():
    """Humans that are known: p of "unsafe" is the chance (1 - q)^R that R answers hide a share q at the farther end."""
    human = np.repeat([2.0 - 1e-9, 2.0 + 1e-9], 2_000)
    for crowd, answers in ((3.5, 5), (3.2, 12)):
        r = safe_decision(np.full(9, crowd - 2.0), human, np.full(answers, 2.0), n_digital=9, bounds=(-1, 5))
        assert r.p_unsafe == pytest.approx((1 - (crowd - 2.0) ** 2 / 9) ** answers, rel=0.05)


def test_a_nearly_constant_model_on_an_unknown_scale_is_never_called_better():
    """Its rare answers may lie anywhere; "safe" needs no ends, and what is shared with the crowd does not matter."""
    human = np.random.default_rng(15).normal(3.0, 0.5, size=40)
    better = safe_decision(np.full(20, 1.5), human, np.full(10, 1.5), n_digital=20)
    worse = safe_decision(np.full(20, 9.0), human, np.full(10, 3.0), n_digital=20)
    assert (better.decision, worse.decision, worse.p_unsafe) == ("safe", "undetermined", 1.0)
    assert any("nearly always gives one answer" in notice for notice in worse.notices)
    assert safe_decision(np.full(20, 9.0), human, np.full(10, 3.0), n_digital=20, eta=0.0).decision == "unsafe"
    one = safe_decision(np.full(20, 1.5), human, np.full(10, 1.5), n_digital=20, reference="shared", k=1)
    assert one.decision == "undetermined"  # the crowd shares the LLM's one answer, whose place is unknown


def test_where_answers_count_as_alike():
    human, beliefs = [3.0, 2.0, 4.0, 3.0, 5.0, 1.0, 3.0, 3.0], np.full(20, -0.4)
    options = {"n_digital": 20, "bounds": (1, 5)}
    assert "answer not given yet" in safe_decision(beliefs, human, [3.0] * 9 + [1.0], **options).why
    assert "answer not given yet" in safe_decision(beliefs, human, [3.0, 3.1, 2.9, 3.05, 5.0], **options).why
    assert "answer not given yet" not in safe_decision(beliefs, human, [3.0, 2.0, 4.0, 3.0, 2.0], **options).why
    assert "answer not given yet" not in safe_decision(beliefs, human, [3.0] * 10, eta=0.0, **options).why
