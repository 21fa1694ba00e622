"""Questions without human answers: two tables in, the intervals of the conformal calculator out, as a command too."""

import numpy as np
import pandas as pd
import pytest
from command_line import run, run_json

from crowdllm_stats import conformal_new_problems, new_questions_from

OLD, NEW, PEOPLE, CROWD = 30, 3, 7, 11


@pytest.fixture
def tables():
    """Answers of 1 to 5 by 7 people to 30 questions, and by 11 digital people to these and 3 more."""
    rng = np.random.default_rng(5)
    level = rng.uniform(1.5, 4.5, OLD + NEW)
    made = []
    for letter, count, questions, off in (("p", PEOPLE, OLD, 0.0), ("d", CROWD, OLD + NEW, 0.4)):
        answers = np.clip(np.rint(level[:questions, None] + off + rng.normal(size=(questions, count))), 1, 5)
        rows = [(f"q{item:02}", f"{letter}{who}", value) for (item, who), value in np.ndenumerate(answers)]
        made.append(pd.DataFrame(rows, columns=["problem", "participant", "response"]))
    return tuple(made)


@pytest.fixture
def files(tables, tmp_path):
    names = []
    for name, table in zip(("h.csv", "d.csv"), tables, strict=True):
        table.to_csv(tmp_path / name, index=False)
        names.append(str(tmp_path / name))
    return names


def test_the_intervals_are_the_calculators(tables):
    found = new_questions_from(*tables, scale="1:5", level=0.9, seed=3)
    human, digital = (table.groupby("problem")["response"].mean() for table in tables)
    expected = conformal_new_problems(
        human.to_numpy(), digital[:OLD].to_numpy(), digital[OLD:].to_numpy(), level=0.9, bounds=(1, 5), seed=3
    )
    frame = found.to_frame()
    assert frame.index.tolist() == ["q30", "q31", "q32"]
    for name in ("lower", "estimate", "upper"):
        assert frame[name].to_numpy(dtype=float) == pytest.approx(getattr(expected, name), abs=1e-12)
    assert frame["digital_mean"].tolist() == pytest.approx(digital[OLD:].tolist())
    assert found.counts == {"problems": 3, "answered_problems": OLD, "answers": OLD * PEOPLE}
    assert "3 questions that nobody answered: foreseen to within " in found.answer
    assert "mean of 7 people, calibrated on 15 of 30 questions" in found.answer
    assert found.notices == []


def test_the_command_prints_what_the_function_returns(tables, files, capsys):
    found = new_questions_from(*tables, scale="1:5", problems=["q31"], level=0.9)
    told = run_json(capsys, "new-questions", *files, "--scale", "1:5", "--problem", "q31", "--level", "0.9")
    assert told["results"] == [{**row} for row in found.to_dict()["rows"]]
    assert len(found.rows) == 1
    assert run(capsys, "new-questions", *files, "--scale", "1:5", "--problem", "q31", "--level", "0.9").startswith(
        "Question q31: people would answer between "
    )


def test_uneven_numbers_of_answers_are_said(tables):
    human, digital = tables
    few = human[(human["problem"] != "q00") | (human["participant"] == "p0")]
    (notice,) = new_questions_from(few, digital, scale="1:5").notices
    assert "have 1 to 7 human answers" in notice


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--problem", "q00"], "--problem 'q00' has human answers; the new questions are 'q30'"),
        (["--problem", "x"], "--problem 'x' is not in the digital table"),
        (["--level", "0.99"], "30 answered problems are too few for level 0.99"),
        (["--match", "gender"], "leave it out"),
    ],
)
def test_what_cannot_be_foreseen_is_refused(files, capsys, options, message):
    assert message in run(capsys, "new-questions", *files, "--scale", "1:5", *options, code=2)


def test_without_a_new_question_another_command_is_named(tables):
    human, digital = tables
    with pytest.raises(ValueError, match="none to foresee; interval_from is for those"):
        new_questions_from(human, digital[digital["problem"] < "q30"], scale="1:5")
