"""The real small model: the published reference again, the scale it does not read, the command line."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch", reason="needs the hf extra: torch")

from crowdllm_stats.backbones.transformers_backbone import TransformersBackbone
from crowdllm_stats.cli import main
from crowdllm_stats.data import popquorn

pytestmark = pytest.mark.backbone

#: Hash of the prompt, with ``{text}`` in the comment's place, that the stored reference was made with.
PROMPT_SHA256 = "26c5d6ab1a7712f1c58bf6e98832faf0a7dfbf7dc48df86e2aa3f405bba00d53"

COMMENTS = [
    "Thank you so much, this made my day.", "You are a complete idiot.", "The train leaves at nine.",
    "I hate every single one of you.", "Nice colours!", "Shut up and go away.",
]  # fmt: skip


@pytest.fixture(scope="module")
def backbone(smollm2):
    return TransformersBackbone("smollm2", template="offensiveness")


def test_the_prompt_is_the_tested_one(backbone):
    filled = backbone.template.fill({"text": "{text}", "options": backbone.options.text})
    rendered = backbone.language_model.render(filled)
    assert hashlib.sha256(rendered.encode()).hexdigest() == PROMPT_SHA256


def test_the_stored_reference_is_reproduced(backbone, data_folder):
    """Fifteen texts spread over the lengths; the stored probabilities were made in other batches."""
    stored = pd.read_csv(data_folder / "popquorn_offensiveness" / "smollm2_reference.csv", dtype={"instance_id": str})
    problems = popquorn("offensiveness", data_folder).problems
    by_length = problems.iloc[np.argsort(problems["text"].str.len().to_numpy(), kind="stable")]
    found = backbone.reference(by_length.iloc[:: len(problems) // 15])
    expected = stored.set_index("instance_id").loc[list(found.problems)].to_numpy()
    assert found.probabilities.shape == (15, 1, 5)
    np.testing.assert_allclose(found.probabilities[:, 0], expected, atol=1e-3)
    assert 0.01 < np.median(found.admissible_mass) < 0.5


def test_batched_single_and_cached_agree(backbone, tmp_path):
    table = pd.DataFrame({"problem": range(len(COMMENTS)), "text": COMMENTS})
    batched = backbone.reference(table)
    single = TransformersBackbone("smollm2", template="offensiveness", batch_size=1, cache=tmp_path / "answers.sqlite")
    for _ in range(2):
        found = single.reference(table)
        np.testing.assert_allclose(found.log_probabilities, batched.log_probabilities, atol=1e-4)
    assert found.source["prompts_from_cache"] == 6


def test_the_check_on_the_command_line_finds_that_the_scale_is_not_read(smollm2, tmp_path, capsys):
    """Known of this model: reversed labels leave its ratings as they were (correlation 0.98 on 300 texts)."""
    path = tmp_path / "problems.csv"
    pd.DataFrame({"problem": range(len(COMMENTS)), "text": COMMENTS}).to_csv(path, index=False)
    assert main(["backbone", "check", "smollm2", str(path), "--template", "offensiveness", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["reads_scale"] is False
    assert found["results"][0]["value"] > 0.7
    assert found["n_problems"] == 6


def test_the_fetched_model_can_be_shown(smollm2, capsys):
    assert main(["backbone", "show"]) == 0
    said = capsys.readouterr().out
    assert str(smollm2) in said
    assert "135 million" in said
