"""The LLM by itself as a crowd: temperatures, personas, and the exact law of a majority vote."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crowdllm_stats import CrowdData, load_example, ordinal
from crowdllm_stats.data.reference import Reference
from crowdllm_stats.evaluation.baselines import MultiPersona, SelfConsistency, ZeroShot
from crowdllm_stats.evaluation.baselines.llm import majority_distribution

HUMAN = load_example().human
ALONE = Reference.from_probabilities(
    ["q02", "q01"], range(1, 6), [[0.1, 0.2, 0.4, 0.2, 0.1], [0.6, 0.1, 0.1, 0.1, 0.1]]
)
PEOPLE = Reference.from_probabilities(
    ["q01", "q02"], range(1, 6), np.random.default_rng(0).dirichlet(np.ones(5), size=(2, 3)), profiles=("u", "v", "w")
)


def test_a_crowd_of_personas_keeps_who_is_whom():
    """Personas of one answer each: a person's answers tell the persona; 300 draws, false-alarm rate 1e-4."""
    people = ["ann", "bob", "cyd", "dan"]
    certain = np.broadcast_to(np.eye(5)[[0, 2, 4]], (2, 3, 5))
    personas = ("u", people[1], "w")  # one of them is a real person's id
    reference = Reference.from_probabilities(["q01", "q02"], range(1, 6), certain, profiles=personas)
    rows = [(problem, name, 1.0) for problem in ("q02", "q01") for name in people]
    data = CrowdData.from_frame(pd.DataFrame(rows, columns=["problem", "participant", "response"]), scale=HUMAN.scale)
    asked = data.responses
    drawn = MultiPersona(reference).replicates(data, 300, seed=2)
    assert drawn.shape == (300, len(asked))
    for name in people:
        own = drawn[:, (asked["participant"] == name).to_numpy()]
        assert (np.ptp(own, axis=1) == 0.0).all()
        counts = [int((own[:, 0] == answer).sum()) for answer in (1.0, 3.0, 5.0)]
        assert counts == [0, 300, 0] if name == people[1] else stats.chisquare(counts).pvalue > 1e-4 / 3
    np.testing.assert_array_equal(MultiPersona(reference).replicates(data, 2, seed=2), drawn[:2])
    with pytest.raises(ValueError, match="1 problem\\(s\\) have no reference, for instance 'q03'"):
        MultiPersona(reference).replicates(HUMAN.select(problems=["q01", "q03"]), 2)
    other = CrowdData.from_frame(data.responses, scale=ordinal([1, 2, 3]))
    with pytest.raises(ValueError, match="answers"):
        MultiPersona(reference).replicates(other, 2)


def test_replicates_draw_from_each_personas_distribution():
    """2,000 draws of one person who is a persona; chi-square, false-alarm rate 1e-4."""
    name, problem = HUMAN.responses[["participant", "problem"]].iloc[0]
    reference = Reference.from_probabilities([problem], range(1, 6), [[[0.1, 0.2, 0.4, 0.3, 0.0]]], profiles=(name,))
    data = HUMAN.select(problems=[problem], participants=[name])
    drawn = MultiPersona(reference).replicates(data, 2000, seed=3)[:, 0]
    counts = [int((drawn == answer).sum()) for answer in range(1, 6)]
    assert counts[4] == 0
    assert stats.chisquare(counts[:4], 2000 * np.array([0.1, 0.2, 0.4, 0.3])).pvalue > 1e-4


def test_majority_distribution_is_that_of_all_sequences():
    chances = np.array([[0.5, 0.2, 0.3], [0.1, 0.1, 0.8]])
    expected = np.zeros((2, 3))
    for votes in product(range(3), repeat=4):
        winner = int(np.argmax(np.bincount(votes, minlength=3)))  # the first of the tied
        expected[:, winner] += np.prod(chances[:, list(votes)], axis=1)
    np.testing.assert_allclose(majority_distribution(chances, 4), expected, atol=1e-12)
    np.testing.assert_allclose(majority_distribution(chances, 1), chances, atol=1e-12)


def test_majority_distribution_is_that_of_the_references_own_votes():
    """20,000 decisions by majority of 8 draws; chi-square, false-alarm rate 1e-4."""
    names = [f"p{number}" for number in range(20_000)]
    law = [0.1, 0.2, 0.4, 0.2, 0.1]
    votes = Reference.from_probabilities(names, range(1, 6), np.tile(law, (20_000, 1))).decision(
        "majority", k=8, seed=1
    )
    counts = np.bincount(votes[:, 0].astype(int), minlength=6)[1:]
    assert stats.chisquare(counts, 20_000 * majority_distribution(np.array([law]), 8)[0]).pvalue > 1e-4


def test_zero_shot_is_the_reference_at_its_temperature():
    np.testing.assert_allclose(ZeroShot(ALONE).fit(HUMAN).predict(["q01"]), [[0.6, 0.1, 0.1, 0.1, 0.1]])
    cold = ZeroShot(ALONE, temperature=0.0).fit(HUMAN).predict(["q01", "q02"])
    assert cold.tolist() == [[1, 0, 0, 0, 0], [0, 0, 1, 0, 0]]


def test_multi_persona_mixes_the_personas_evenly():
    np.testing.assert_allclose(
        MultiPersona(PEOPLE).fit(HUMAN).predict(["q02"])[0], PEOPLE.probabilities[1].mean(axis=0)
    )
    cold = MultiPersona(PEOPLE, temperature=0.0).fit(HUMAN).predict(["q02"])[0]
    assert set(np.round(cold * 3, 9)) <= {0.0, 1.0, 2.0, 3.0}


def test_self_consistency_is_the_vote_at_its_temperature():
    found = SelfConsistency(ALONE, k=3, temperature=0.5).fit(HUMAN).predict(["q01"])
    squared = np.array([[0.6, 0.1, 0.1, 0.1, 0.1]]) ** 2
    np.testing.assert_allclose(found, majority_distribution(squared / squared.sum(), 3))
    assert found[0, 0] > 0.95


def test_bad_wishes_are_refused():
    for baseline in (ZeroShot(PEOPLE), SelfConsistency(PEOPLE)):
        with pytest.raises(ValueError, match="the reference has 3 profiles"):
            baseline.fit(HUMAN)
    four = Reference.from_probabilities(["q01"], range(1, 5), [[0.25] * 4])
    for baseline in (ZeroShot(four), MultiPersona(four), SelfConsistency(four)):
        with pytest.raises(ValueError, match="are not those of the scale"):
            baseline.fit(HUMAN)
    with pytest.raises(ValueError, match=r"1 problem\(s\) have no reference, for instance 'q03'"):
        ZeroShot(ALONE).fit(HUMAN).predict(["q01", "q03"])
    with pytest.raises(ValueError, match="too many to list; lower k"):
        SelfConsistency(ALONE, k=100).fit(HUMAN)
    with pytest.raises(ValueError, match="k must be a whole number"):
        SelfConsistency(ALONE, k=0).fit(HUMAN)
    with pytest.raises(ValueError, match="temperature must be a number of at least 0"):
        ZeroShot(ALONE, temperature=-1.0).fit(HUMAN)
