"""Generation as the cross-check: what the model draws follows the probabilities that one forward pass gives."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

pytest.importorskip("torch", reason="needs the hf extra: torch")

from crowdllm_stats.backbones.options import Options
from crowdllm_stats.backbones.prompts import Template
from crowdllm_stats.backbones.sampling import Generated
from crowdllm_stats.backbones.transformers_backbone import TransformersBackbone

PLAIN = Template.parse("[user]\n{text}\nHow strong? {options}\n", "plain")
DRAWS = 8_000
#: Letters and digits that the made tokenizer writes as one token each and in no other way.
LETTERS = list("ABCDEFGIJKLMNOPQSUVWXYZ0123456789")
#: Chance that an exact backbone fails a chi-square test here.
FALSE_ALARM = 1e-4

pytestmark = pytest.mark.filterwarnings("ignore:the admissible answers together:UserWarning")


@pytest.fixture
def backbone(tiny):
    return TransformersBackbone(tiny, template=PLAIN, answers=LETTERS)


def chi_square_p(counts, probabilities):
    """P-value over all problems at once; cells of less than five expected answers are put together."""
    total, freedom = 0.0, 0
    for seen, chance in zip(counts, probabilities, strict=True):
        if seen.sum() < 10:
            continue
        expected = chance * seen.sum()
        small = expected < 5.0
        observed = np.append(seen[~small], seen[small].sum())
        hoped = np.append(expected[~small], expected[small].sum())
        keep = hoped > 0.0
        total += np.sum((observed[keep] - hoped[keep]) ** 2 / hoped[keep])
        freedom += int(keep.sum()) - 1
    return stats.chi2.sf(total, freedom)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_first_tokens_that_are_drawn_follow_the_reference(backbone, questions, temperature):
    """False-alarm rate 1e-4, for either temperature."""
    drawn = backbone.generate(questions, DRAWS, temperature=temperature, max_new_tokens=1, seed=11)
    reference = backbone.reference(questions).at_temperature(temperature)
    counts = np.stack([(drawn.places == place).sum(axis=1) for place in range(len(LETTERS))], axis=1)
    assert counts.sum() > 500
    assert chi_square_p(counts, reference.probabilities[:, 0]) > FALSE_ALARM


def test_the_share_that_parses_is_the_admissible_mass(backbone, questions):
    """Two-sided binomial tests, false-alarm rate 1e-4 each."""
    drawn = backbone.generate(questions, DRAWS, max_new_tokens=1, seed=12)
    mass = backbone.reference(questions).admissible_mass[:, 0]
    for hits, chance in zip((drawn.places >= 0).sum(axis=1), mass, strict=True):
        assert stats.binomtest(int(hits), DRAWS, float(chance)).pvalue > FALSE_ALARM
    assert drawn.failures == int((drawn.places < 0).sum()) > 0


def test_draws_from_the_reference_follow_it(backbone, questions):
    """False-alarm rate 1e-4."""
    reference = backbone.reference(questions)
    drawn = reference.sample(DRAWS, seed=3)
    counts = np.stack([(drawn[:, 0] == answer).sum(axis=1) for answer in reference.answers], axis=1)
    assert chi_square_p(counts, reference.probabilities[:, 0]) > FALSE_ALARM


def test_a_problems_texts_depend_on_its_id_and_the_seed_alone(backbone, questions):
    whole = backbone.generate(questions, 3, max_new_tokens=5, seed=4)
    part = backbone.generate(questions.iloc[[5, 2]], 3, max_new_tokens=5, seed=4)
    assert part.texts == (whole.texts[5], whole.texts[2])
    assert backbone.generate(questions, 3, max_new_tokens=5, seed=5).texts != whole.texts
    assert [len(row) for row in whole.texts] == [3] * 7


def test_at_temperature_0_all_texts_are_the_likeliest(backbone, questions):
    drawn = backbone.generate(questions.head(2), 3, temperature=0.0, max_new_tokens=4, seed=1)
    assert all(len(set(row)) == 1 for row in drawn.texts)


def test_texts_do_not_depend_on_the_shared_beginning(backbone, questions):
    shared = backbone.generate(questions, 4, max_new_tokens=6, seed=2)
    backbone._scorer.shares = False
    assert backbone.generate(questions, 4, max_new_tokens=6, seed=2).texts == shared.texts


def test_an_end_token_ends_the_text(backbone, questions, monkeypatch):
    """With every token an end token, nothing is left of any text."""
    import torch

    from crowdllm_stats.backbones import sampling

    monkeypatch.setattr(sampling, "_ends", lambda model, tokenizer: torch.arange(len(tokenizer)))
    drawn = backbone.generate(questions.head(2), 3, max_new_tokens=4, seed=1)
    assert drawn.texts == (("", "", ""), ("", "", ""))
    with pytest.raises(ValueError, match=r"2 problem\(s\) have no answer that can be read, for instance 'q0'"):
        drawn.reference()


def test_the_shares_of_the_answers_that_are_read():
    texts = (("1", "3", "no", "3"), ("2", "2", "2", "2"))
    drawn = Generated.read(("a", "b"), Options.of([1, 2, 3]), texts, 0.7)
    found = drawn.reference()
    np.testing.assert_allclose(found.probabilities[:, 0], [[1 / 3, 0, 2 / 3], [0, 1, 0]])
    assert found.n_samples.tolist() == [[3.0], [4.0]]
    assert found.source["without_answer"] == {"refusal": 0, "several answers": 0, "off the scale": 0, "chatter": 1}
    assert str(drawn) == "8 texts of 2 problems, 1 (12%) without admissible answer: chatter 1"
    assert str(found).startswith("1 of 8 replies gave no admissible answer and are left out (chatter 1).\nReference")


def test_the_longest_answer_that_a_text_is_case_minded():
    words, texts = Options.of(["very", "very mild", "no"]), ["very mild.", "very", "verymild", "nothing", "No", "no!"]
    assert Generated.read(("a",), words, [texts], 1.0).places.tolist() == [[1, 0, -1, -1, -1, 2]]
    numbers, texts = Options.of([1, 10, 2.5]), ["10", "1", "2.5", "2", "1,5", "1, because"]
    assert Generated.read(("a",), numbers, [texts], 1.0).places.tolist() == [[1, 0, 2, -1, -1, 0]]


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"k": 0}, "k must be"), ({"max_new_tokens": 0}, "max_new_tokens must be"), ({"temperature": -1}, "temperature"),
     ({"seed": -1}, "seed must be")],
)  # fmt: skip
def test_settings_that_are_refused(backbone, questions, settings, said):
    with pytest.raises(ValueError, match=said):
        backbone.generate(questions, **{"k": 2, "seed": 1, **settings})
