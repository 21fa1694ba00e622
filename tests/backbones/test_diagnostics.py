"""The check of a backbone: made backbones that read the scale and that do not are told apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats.backbones.diagnostics import check_backbone, compare_references
from crowdllm_stats.data.reference import Reference

IDS = [f"p{row}" for row in range(12)]


def ratings(seed, noise=0.3, sign=1.0):
    """Twelve distributions over four answers whose means follow one list, turned round with sign -1."""
    rng = np.random.default_rng(seed)
    strength = np.linspace(-1.0, 1.0, 12) * sign + noise * rng.standard_normal(12)
    table = np.exp(strength[:, None] * np.array([-1.5, -0.5, 0.5, 1.5]))
    return table / table.sum(axis=1, keepdims=True)


def reference(table, **others):
    return Reference.from_probabilities(IDS[: len(table)], [1, 2, 3, 4], table, **others)


def test_a_backbone_that_reads_the_scale_and_one_that_does_not():
    normal, order = reference(ratings(1)), reference(ratings(2))
    reads = compare_references(normal, reference(ratings(3, sign=-1.0)), order)
    deaf = compare_references(normal, reference(ratings(3)), order)
    unclear = compare_references(normal, reference(ratings(3, noise=30.0)), order)
    assert (reads.reads_scale, deaf.reads_scale, unclear.reads_scale) == (True, False, None)
    assert "it reads the scale" in str(reads)
    assert "does NOT read the scale" in str(deaf)
    assert "not settled" in str(unclear)


def test_correlation_and_interval_are_the_textbooks():
    """r = 0.5, n = 12: Fisher's 90 % interval worked by hand from artanh(0.5) = 0.549306 and 1.644854 / 3."""
    x = np.arange(12.0) - 5.5
    y = np.tile([1.0, -1.0], 6)
    y -= x * (x @ y) / (x @ x)  # now without correlation
    y -= y.mean()
    z = 0.5 * x / np.sqrt(x @ x) + np.sqrt(0.75) * y / np.sqrt(y @ y)

    def with_means(values):
        share = 0.5 + 0.4 * values / np.abs(values).max()
        return reference(np.stack([1 - share, 0 * share, 0 * share, share], axis=1))

    found = compare_references(with_means(x), with_means(z), with_means(x), level=0.9)
    assert found.reversal.r == pytest.approx(0.5)
    assert found.reversal.lower == pytest.approx(np.tanh(0.549306 - 1.644854 / 3), abs=1e-6)
    assert found.reversal.upper == pytest.approx(np.tanh(0.549306 + 1.644854 / 3), abs=1e-6)
    assert found.order.r == pytest.approx(1.0)
    assert found.order_shift == pytest.approx(0.0)


def test_personas_and_mass():
    table = np.stack([ratings(1), ratings(2), ratings(4)], axis=1)
    people = reference(table, profiles=("ann", "bob", "cy"))
    normal = reference(ratings(1), admissible_mass=np.linspace(0.1, 0.5, 12)[:, None])
    found = compare_references(normal, normal, normal, people)
    expected = np.sqrt(np.mean(np.var(table @ np.arange(1, 5), axis=1, ddof=1)))
    assert found.persona_sd == pytest.approx(expected)
    assert found.admissible_mass == pytest.approx(0.3)
    assert found.n_profiles == 3
    frame = found.to_frame()
    assert list(frame.columns) == ["check", "value", "lower", "upper", "competent"]
    assert len(frame) == 6
    assert compare_references(normal, normal, normal).persona_sd is None


def test_what_cannot_be_computed_is_said():
    few = reference(ratings(1)[:3])
    found = compare_references(few, few, few)
    assert found.reversal.r is None
    assert found.reads_scale is None
    assert "3 problems are too few" in str(found)
    flat = reference(np.full((12, 4), 0.25))
    found = compare_references(reference(ratings(1)), flat, flat)
    assert found.order.r is None
    assert "the same for every problem" in found.why


def test_references_of_other_problems_are_refused():
    normal = reference(ratings(1))
    with pytest.raises(ValueError, match="reversed_meaning has other problems"):
        compare_references(normal, reference(ratings(1)[:5]), normal)
    with pytest.raises(ValueError, match="level must"):
        compare_references(normal, normal, normal, level=95)


@pytest.mark.filterwarnings("ignore:the admissible answers together:UserWarning")
def test_a_local_model_is_asked_in_three_ways(tiny, questions):
    pytest.importorskip("torch", reason="needs the hf extra: torch")
    from crowdllm_stats.backbones.transformers_backbone import TransformersBackbone

    people = pd.DataFrame({"participant": [1, 2], "age": ["18-24", ">65"]})
    backbone = TransformersBackbone(tiny, template="offensiveness")
    found = check_backbone(backbone, questions, people, persona_template="offensiveness_persona")
    assert (found.n_problems, found.n_profiles) == (7, 2)
    normal = backbone.reference(questions)
    turned = backbone.with_options(backbone.options.reversed_meaning()).reference(questions)
    assert found.reversal.r == pytest.approx(np.corrcoef(normal.mean[:, 0], turned.mean[:, 0])[0, 1], abs=1e-4)
    assert found.persona_sd > 0.0
    with pytest.raises(ValueError, match="go together"):
        check_backbone(backbone, questions, people)
    plain = TransformersBackbone(tiny, template="zero_shot", answers=[1, 2], requirements="r", context="c")
    with pytest.raises(ValueError, match="cannot be reversed: its answers have no labels"):
        check_backbone(plain, questions)
