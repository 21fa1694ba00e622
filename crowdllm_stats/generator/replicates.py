"""A survey held again: virtual people in the place of the real ones answer the same problems, as often as wanted."""

from __future__ import annotations

import numpy as np

from crowdllm_stats._base.checks import FloatArray, check_count
from crowdllm_stats._base.random import generator
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.features import Features
from crowdllm_stats.data.reference import Reference
from crowdllm_stats.generator.crowdllm import CrowdLLM
from crowdllm_stats.generator.simulation import draw_blocks


def replicates(
    model: CrowdLLM, data: CrowdData, n: int, *, reference: Reference | None = None,
    embedding: Features | None = None, seed: int = 0,
) -> FloatArray:  # fmt: skip
    """Draw n times what other people with the same profiles would have answered to the same problems.

    In every draw each person is another with the same profile, who keeps their effects over problems. A problem that
    the model was not fitted to gets an effect drawn from the law of a new problem's, the same for all people of a draw:
    ``CrowdLLM.simulate`` sets it to the median, and its answers differ too little between such problems.

    Args:
        model: fitted, on a scale of numbers.
        data: who answered what; the answers are not looked at.
        n: draws.
        reference: reference answers of problems that are not training problems.
        embedding: their embedding.
        seed: of all draws.

    Returns:
        Shape (n, answers), columns in the order of ``data.responses``.

    Raises:
        ValueError: on a scale of words, new problems without reference, profiles that the coding does not know.

    Example:
        >>> from crowdllm_stats import load_example
        >>> from crowdllm_stats.backbones import RecordedBackbone
        >>> example = load_example()
        >>> reference = RecordedBackbone(example.reference).reference(example.human.problems)
        >>> model = CrowdLLM(steps=20, held_out=0.0).fit(example.human, reference)
        >>> replicates(model, example.human, 3).shape == (3, len(example.human.responses))
        True
    """
    fitted, blender = model.fitted, model.blender
    if blender.family == "categorical":
        raise ValueError(f"replicates need answers that are numbers; the model's scale is {fitted.scale}")
    asked = data.responses
    problems, people = list(dict.fromkeys(asked["problem"])), list(dict.fromkeys(asked["participant"]))
    table = model.problem_table(problems, reference, embedding, "fitted")
    sd = np.where(table["known"], 0.0, fitted.new_problem_sd)[:, None]
    profiles = data.participants.set_index("participant").loc[people].reset_index(drop=True)
    coded = fitted.encoder.transform(profiles)
    row = asked["problem"].map({name: place for place, name in enumerate(problems)}).to_numpy()
    column = asked["participant"].map({name: place for place, name in enumerate(people)}).to_numpy()
    levels = np.asarray(blender.answers, dtype=np.float64) if blender.answers else None
    found = np.empty((check_count("n", n), len(asked)))
    for draw in range(n):
        effect = table["effect"] + sd * generator(seed, "effect", str(draw)).standard_normal(table["effect"].shape)
        ids = [f"{draw} {name}" for name in people]
        blocks = draw_blocks(
            model.belief(blender), fitted.params, {**table, "effect": effect}, ids, lambda some: coded[some], None, seed
        )
        answers = np.concatenate([block.answers for block in blocks], axis=1)[row, column]
        found[draw] = answers if levels is None else levels[answers.astype(np.int64)]
    return found
