"""What a report claims is what was computed: the methods paragraph, rows of like names, ends that are not there."""

from __future__ import annotations

import json
import re
from html import unescape

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats import CrowdData, compare_from, interval_from, new_questions_from, plan_from, risk_from
from crowdllm_stats.inference.intervals import HUMAN_ONLY
from crowdllm_stats.report import keep_results, write_report
from crowdllm_stats.report.interval_parts import across_part, compare_part, interval_part
from crowdllm_stats.report.judgement_parts import planner_part
from crowdllm_stats.report.keep import read_kept
from crowdllm_stats.report.parts import Table
from crowdllm_stats.report.risk_part import risk_part

pytest.importorskip("altair")
pytest.importorskip("vl_convert")

COLUMNS = ["problem", "participant", "response"]


def tables(names, people=9, others=40, low=1, high=5):
    """Human answers, and twins near them with further digital people."""
    draw = np.random.default_rng(5)
    human, digital = [], []
    for name in names:
        answers = draw.integers(low, high + 1, people)
        noise = draw.integers(-1, 2, people) * (high > 1)
        human += [(name, f"p{number}", answer) for number, answer in enumerate(answers)]
        digital += [(name, f"p{number}", value) for number, value in enumerate(np.clip(answers + noise, low, high))]
        digital += [(name, f"d{number}", value) for number, value in enumerate(draw.integers(low, high + 1, others))]
    scale = f"{low},{high}" if high == 1 else f"{low}:{high}"
    return [CrowdData.from_frame(pd.DataFrame(rows, columns=COLUMNS), scale=scale) for rows in (human, digital)]


def content(folder, found, command, human, digital=None, **settings):
    keep_results(folder, found, command=command, human=human, digital=digital, settings=settings)
    return read_kept(folder).content


def test_a_question_called_all_is_not_taken_for_the_mean_over_all(tmp_path):
    human, digital = tables(["tea", "all"])
    part = interval_part(content(tmp_path / "kept", interval_from(human, digital), "interval", human, digital))
    alone = interval_from(human)
    first = part.figures[0]
    assert re.match(r"[012] of 2 intervals are narrower", first.says)
    of_question, of_whole = first.table.rows[1], first.table.rows[2]
    assert (of_question["alone_lower"], of_question["alone_upper"]) == (alone.rows[1]["lower"], alone.rows[1]["upper"])
    assert (of_whole["alone_lower"], of_whole["alone_upper"]) == (alone.summary[0]["lower"], alone.summary[0]["upper"])
    assert of_question["digital_mean"] == pytest.approx(digital.responses.query("problem == 'all'")["response"].mean())
    assert of_whole["digital_mean"] is None


def test_the_methods_name_digital_answers_where_an_interval_used_them(tmp_path):
    human, digital = tables(["tea", "milk", "rice"])
    found = interval_from(human, digital, population_size=30)
    said = interval_part(content(tmp_path / "some", found, "interval", human, digital, population_size=30)).methods
    assert "from 27 answers of 9 people and the answers of 49 digital people" in said  # the mean over all used them
    assert "The target was the mean of 30 people, those who answered among them." in said
    assert "its interval, for the wider population, was computed by prediction-powered inference" in said
    found = interval_from(human, digital, method="classical")
    said = interval_part(content(tmp_path / "none", found, "interval", human, digital)).methods
    assert "digital" not in said
    assert "crowdllm" not in said
    fewer = CrowdData.from_frame(digital.responses.query("participant != 'p0'")[COLUMNS], scale="1:5")
    compared = compare_from(human, fewer)
    assert {row["method"] for row in compared.rows} <= set(HUMAN_ONLY)  # not every human answer has a twin
    assert "digital" not in compare_part(content(tmp_path / "one", compared, "compare", human, fewer)).methods


def test_the_methods_say_where_half_an_unseen_answer_shapes_the_ends(tmp_path):
    bounded = tables(["tea", "milk"])
    free = [CrowdData.from_frame(data.responses[COLUMNS]) for data in bounded]
    for name, pair, method, shaped in (
        ("bounded", bounded, "ppi++-small", True),
        ("alone", bounded, "classical-small", True),
        ("free", free, "ppi++-small", False),
        ("classical", bounded, "classical", False),
    ):
        found = interval_from(*pair, method=method)
        said = interval_part(content(tmp_path / name, found, "interval", *pair)).methods
        assert ("with half an unseen answer added at that end of the scale" in said) is shaped, name
        assert ("[rubin, bounded]" in said) is shaped, name


def test_a_comparison_says_of_what_it_is(tmp_path):
    human, digital = tables(["tea", "all"])
    for name, options, title in (("whole", {}, "The mean over all questions"), ("one", {"first": 2}, "Question all")):
        found = compare_from(human, digital, **options)
        figure = compare_part(content(tmp_path / name, found, "compare", human, digital)).figures[-1]
        assert figure.title == f"{title}, by every method"
    alone = [CrowdData.from_frame(data.responses.query("problem == 'all'")[COLUMNS]) for data in (human, digital)]
    assert compare_from(*alone).answer.startswith("Question all: ")


def test_the_methods_count_the_answers_that_were_used(tmp_path):
    human, digital = tables(["tea"])
    frame = pd.concat([human.responses, pd.DataFrame([("lonely", "hermit", 3)], columns=COLUMNS)])
    human = CrowdData.from_frame(frame[COLUMNS], scale="1:5")
    said = interval_part(content(tmp_path / "kept", interval_from(human, digital), "interval", human, digital)).methods
    assert "mean answer to one question from 9 answers of 9 people" in said
    assert "(each of the human answers paired with that of a digital twin)" in said
    assert interval_from(human, digital).basis.startswith("Rests on 9 human answers. ")
    assert interval_from(human).basis == "Rests on 9 human answers by 9 people."
    assert compare_from(human, digital).basis.startswith("Rests on 9 human answers. ")
    planned = plan_from(human, digital, 0.4, level=0.8)
    said = planner_part(content(tmp_path / "plan", planned, "planner", human, digital, level=0.8)).methods
    assert "half-width 0.4 and level 80% from a pilot of 9 answers" in said


def test_a_one_sided_binomial_limit_is_clopper_and_pearsons(tmp_path):
    human, _ = tables(["tea", "milk"], low=0, high=1)
    for side, source in (("two-sided", "[blaker]"), ("larger", "[clopper]"), ("smaller", "[clopper]")):
        found = interval_from(human, alternative=side)
        assert found.rows[0]["method"] == "binomial"
        said = interval_part(content(tmp_path / side, found, "interval", human, alternative=side)).methods
        assert source in said
        assert len({"[blaker]", "[clopper]"} & set(re.findall(r"\[[a-z]+\]", said))) == 1


def test_an_end_that_is_not_there_runs_to_the_edge_and_is_said(tmp_path):
    human, digital = tables(["tea", "milk"])
    free = [CrowdData.from_frame(data.responses[COLUMNS]) for data in (human, digital)]
    for side, nice in (("two-sided", True), ("larger", False)):
        found = interval_from(*free, alternative=side)
        figure = interval_part(content(tmp_path / side, found, "interval", *free, alternative=side)).figures[0]
        scales = re.findall(r'"nice": (true|false)', json.dumps(figure.chart))
        assert set(scales) == {str(nice).lower()}
        assert ("A line without an end runs to the picture's edge." in figure.reading) is not nice


def test_two_parts_of_one_title_are_told_apart_and_sums_are_no_questions(tmp_path):
    human, digital = tables(["tea", "lower"])
    for name in ("one", "two"):
        content(tmp_path / name, risk_from(human, digital), "risk", human, digital)
    written = write_report([tmp_path / "one", tmp_path / "two"], tmp_path / "report.html")
    assert [title[-5:] for title in written.titles] == ["(one)", "(two)"]
    rows = risk_part(read_kept(tmp_path / "one").content).figures[-1].table.rows
    assert [row["problem"] for row in rows] == [
        "tea", "lower", "Mean over the questions", "lower limit of that mean", "upper limit of that mean",
    ]  # fmt: skip


def test_what_is_zero_but_for_rounding_is_shown_as_zero():
    cells = Table({"a": "A"}, [{"a": 7.7e-34}, {"a": 0.5}, {"a": 3e-8}]).cells
    assert [row[0][0] for row in cells] == ["0.0000", "0.5000", "3e-08"]


def test_one_question_has_no_average_of_the_risk(tmp_path):
    for names, said in ((["tea"], False), (["tea", "milk"], True)):
        human, digital = tables(names)
        kept = content(tmp_path / str(said), risk_from(human, digital), "risk", human, digital)
        assert ("averages over questions" in risk_part(kept).methods) is said


def test_a_curve_that_rises_where_the_digital_population_runs_out_is_not_called_falling(tmp_path):
    human, digital = tables(["tea", "milk", "rice"], people=12)
    for others, said in ((40, True), (4000, False)):
        human, digital = tables(["tea", "milk", "rice"], people=12, others=others)
        kept = content(tmp_path / str(others), plan_from(human, digital, 0.4), "planner", human, digital)
        curve = planner_part(kept).figures[0]
        widths = [row["both"] for row in curve.table.rows]
        assert (widths != sorted(widths, reverse=True)) is said
        assert ("until the digital population is too small to count" in unescape(curve.says)) is said


def test_new_questions_say_whose_mean_is_foreseen(tmp_path):
    human, digital = tables([f"q{number:02d}" for number in range(46)], people=7, others=30)
    old = human.select(problems=[f"q{number:02d}" for number in range(44)])
    kept = content(tmp_path / "kept", new_questions_from(old, digital), "new-questions", old, digital)
    part = across_part(kept)
    assert [row["problem"] for row in part.figures[0].table.rows] == ["q44", "q45"]
    assert "mean answers to 2 questions that nobody had answered" in part.methods
    assert "for the mean of as many people as answered the other questions" in part.methods
