"""The error that fit ends with: of a generator that has not seen the problems, beside the LLM and a constant."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats import CrowdData, CrowdLLM, categorical, load_example
from crowdllm_stats.backbones import RecordedBackbone
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
    names = ["q0", "q1", "q2"]
    frame = pd.DataFrame({"problem": np.repeat(names, 4), "participant": list("abcd") * 3, "response": "yes"})
    frame.loc[[0, 4, 5, 8], "response"] = "no"  # shares of "no": 1/4, 1/2, 1/4
    data = CrowdData.from_frame(frame, scale=categorical(["no", "yes"]))
    shares = np.array([[0.5, 0.5], [0.5, 0.5]])
    told = np.log([[0.05, 0.95], [0.2, 0.8]])
    fitted = SimpleNamespace(seed=0, decision=told, rows=lambda wanted: np.arange(len(wanted)))
    unseen = SimpleNamespace(fitted=fitted, predict=lambda *_, **__: SimpleNamespace(mean=None, probabilities=shares))
    found = held_out_error(SimpleNamespace(apart=SimpleNamespace(model=unseen, problems=("q0", "q1"))), data)
    assert found.what == "mean total variation distance of a problem's shares"
    assert (found.n_problems, found.n_answers) == (2, 8)
    # Against 1/4 and 1/2: the crowd's halves are off by 1/4 and 0, the LLM by 0.2 and 0.3, q2's share by 0 and 1/4.
    assert (found.crowd, found.llm, found.constant) == pytest.approx((0.125, 0.25, 0.125))
    assert found.less_llm.n_better == 1
    assert held_out_error(CrowdLLM(), data) is None
