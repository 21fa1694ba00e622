"""Answers of several tokens: sums of steps, and what an answer that begins a longer one is worth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from crowdllm_stats.backbones.scoring import AnswerTree


def test_against_enumeration_of_all_texts():
    """A made model of three tokens and texts of four: the probability of each answer by listing all 81 texts."""
    rng = np.random.default_rng(3)
    step = {
        node: rng.dirichlet(np.ones(3))
        for depth in range(4)
        for node in itertools.product(range(3), repeat=depth)
    }  # fmt: skip
    answers = ((0,), (0, 1), (0, 1, 2), (0, 2, 2, 1), (1,), (2, 0))
    tree = AnswerTree(answers)
    edge = {
        (node, token): float(np.log(step[node][token])) for node, tokens in tree.children.items() for token in tokens
    }
    expected = dict.fromkeys(answers, 0.0)
    for text in itertools.product(range(3), repeat=4):
        chance = np.prod([step[text[:place]][token] for place, token in enumerate(text)])
        begun = [answer for answer in answers if text[: len(answer)] == answer]
        if begun:
            expected[max(begun, key=len)] += chance
    np.testing.assert_allclose(np.exp(tree.log_likelihoods(edge)), list(expected.values()), rtol=1e-12)
    assert set(tree.deepest) == {(0, 1), (0, 2, 2), (2,)}


def test_rounding_that_leaves_nothing_is_impossible_and_no_nan():
    tree = AnswerTree(((1,), (1, 2)))
    found = tree.log_likelihoods({((), 1): -0.5, ((1,), 2): 0.0})
    assert found.tolist() == [-np.inf, -0.5]


@pytest.mark.parametrize("answers", [((1,), (1,)), ((), (1,))])
def test_answers_that_the_tokenizer_does_not_tell_apart(answers):
    with pytest.raises(ValueError, match="must be different and not empty"):
        AnswerTree(answers)
