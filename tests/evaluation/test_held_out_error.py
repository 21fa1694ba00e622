"""The error that fit ends with: of a generator that has not seen the problems, beside the LLM and a constant."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats import CrowdData, CrowdLLM, categorical, load_example
from crowdllm_stats.backbones import RecordedBackbone, Reference
from crowdllm_stats.evaluation.held_out_error import held_out_error

QUICK = {"steps": 20, "hidden": 3, "ridge": 10, "ridge_network": 40}


def test_the_problems_are_unseen_and_the_three_errors_are_those_of_their_answers():
    example = load_example()
    human = example.human
    reference = RecordedBackbone(example.reference).reference(human.problems)
    model = CrowdLLM(**QUICK).fit(human, reference, seed=1)
    first, second = model.apart.problems
    # The held-out answers exchanged: all answers together stay the same, so nothing may change but the truth.
    rows = human.responses
    swapped = rows.assign(problem=rows["problem"].replace({first: second, second: first}))
    again = CrowdLLM(**QUICK).fit(dataclasses.replace(human, responses=swapped.loc[rows.index]), reference, seed=1)
    names = [first, second]
    predicted = [one.apart.model.predict(names, effect="typical", seed=1).mean for one in (model, again)]
    np.testing.assert_array_equal(*predicted)
    found = held_out_error(model, human)
    truth = rows.groupby("problem")["response"].mean().loc[names].to_numpy()
    assert found.crowd == pytest.approx(np.abs(predicted[0] - truth).mean())
    assert found.llm == pytest.approx(np.abs(reference.select(names).mean[:, 0] - truth).mean(), abs=1e-6)
    others = rows.loc[~rows["problem"].isin(names), "response"].mean()
    assert found.constant == pytest.approx(np.abs(others - truth).mean())
    nearer = found.less_llm.n_better
    assert nearer == int(np.sum(np.abs(predicted[0] - truth) < np.abs(reference.select(names).mean[:, 0] - truth)))
    assert f"CrowdLLM is nearer than the LLM on {nearer} of 2" in str(found)


def test_words_are_compared_by_their_shares_and_nothing_held_out_gives_nothing():
    names, people = [f"q{row:02}" for row in range(10)], [f"p{row}" for row in range(6)]
    frame = pd.DataFrame([(one, who, "yes") for one in names for who in people],
                         columns=["problem", "participant", "response"])  # fmt: skip
    frame.loc[::7, "response"] = "no"
    data = CrowdData.from_frame(frame, scale=categorical(["no", "yes"]))
    reference = Reference.from_probabilities(names, ["no", "yes"], np.tile([0.9, 0.1], (10, 1)))
    model = CrowdLLM(**{**QUICK, "steps": 2}).fit(data, reference)
    found = held_out_error(model, data)
    given = frame[frame["problem"].isin(model.apart.problems)]["response"]
    assert found.what == "mean total variation distance of a problem's shares"
    assert found.n_answers == 12
    assert found.llm == pytest.approx(float((given == "yes").mean()) - 0.1, abs=1e-3)
    assert held_out_error(CrowdLLM(**{**QUICK, "steps": 2, "held_out": 0.0}).fit(data, reference), data) is None
