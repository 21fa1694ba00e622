"""A whole study: scores, comparisons and aggregates are those of the library; files come back; pages and pictures hold.

The CrowdLLM rows are stood in for by something quick here; tests/cli/test_cli_evaluate.py fits a real one.
"""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from survey import LEVELS, survey

from crowdllm_stats.data.crowd import CrowdData, categorical, ordinal
from crowdllm_stats.data.features import Features
from crowdllm_stats.evaluation import aggregate_scores, evaluate, held_out, paired_difference, virtual_crowd
from crowdllm_stats.evaluation.baselines import GlobalDistribution, Ridge, predictor
from crowdllm_stats.evaluation.case_study import rows as module
from crowdllm_stats.evaluation.case_study import wording
from crowdllm_stats.evaluation.case_study.reference_tables import of_probabilities
from crowdllm_stats.evaluation.case_study.rows import (
    CROWDLLM,
    CROWDLLM_PAPER,
    RIDGE,
    RIDGE_SCALED,
    RIDGE_TEXTS,
    VAE,
)
from crowdllm_stats.evaluation.case_study.study import AGAINST, FLOOR, PERFECT, run_study
from crowdllm_stats.evaluation.case_study.texts import read_texts
from crowdllm_stats.evaluation.case_study.wording import (
    METRICS,
    best_ridge,
    comparison,
    main_table,
    markdown,
    published,
    verdict,
)
from crowdllm_stats.evaluation.case_study.writing import (
    distributions,
    examples,
    read_tables,
    workers,
    write_page,
    write_study,
    write_tables,
)

_, HUMAN, TABLE = survey()
REFERENCES = of_probabilities(TABLE, HUMAN, name="made.csv")
FEW = HUMAN.select(problems=HUMAN.problems["problem"][:11])  # GLAD takes its time


def quick(settings, told, texts):
    """The reference's own distribution, evened out by a share that depends on the row."""

    def row(train, problems, seed):
        share = 0.3 if settings["objective"] == "paper" else 0.1 + 0.1 * seed
        own = told(train).select(problems).probabilities[:, 0]
        found = module._with_variance((1.0 - share) * own + share / own.shape[1], train)
        return dataclasses.replace(found, median=own)

    return row


@pytest.fixture(scope="module")
def studies():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_generator", quick)
        new = run_study(HUMAN, REFERENCES, read_texts(HUMAN, "tfidf"), name="made", seeds=[0, 3])
        kept = [RIDGE, CROWDLLM_PAPER]
        paper = run_study(
            FEW, REFERENCES, read_texts(HUMAN, "none"), name="popquorn:offensiveness", protocol="paper", seeds=[2, 1],
            objective="paper", only=kept,
        )  # fmt: skip
    return {"new": new, "paper": paper}


def test_scores_are_those_of_evaluate(studies):
    features = Features.of_reference(REFERENCES.whole)
    for study, data, row, baseline in (
        ("new", HUMAN, "global distribution", GlobalDistribution()),
        ("paper", FEW, RIDGE, Ridge()),
    ):
        found = studies[study]
        expected = evaluate(predictor(baseline, features), data, found.protocol, seeds=found.seeds).to_frame()
        ours = found.scores[(found.scores["row"] == row) & ~found.scores["metric"].str.contains("dawid|glad")]
        columns = ["how", "metric", "value", "standard_error", "n_problems", "n_splits"]
        pd.testing.assert_frame_equal(ours[columns].reset_index(drop=True), expected[columns])


def test_differences_are_paired_by_problem(studies):
    study = studies["paper"]
    features = Features.of_reference(REFERENCES.whole)

    def ours(train, problems):
        return quick({"objective": "paper"}, REFERENCES.told, None)(train, problems, 0).probabilities

    a = evaluate(ours, FEW, "paper", seeds=study.seeds).exact
    b = evaluate(predictor(Ridge(), features), FEW, "paper", seeds=study.seeds).exact
    expected = paired_difference(a, b, "wd")
    found = comparison(study, "wd")
    assert (found["row"], found["against"]) == (CROWDLLM_PAPER, RIDGE)
    for name in ("difference", "lower", "upper", "p_value"):
        assert found[name] == pytest.approx(getattr(expected, name))


def test_dawid_skene_and_glad_meet_virtual_workers(studies):
    study = studies["paper"]
    seed = study.seeds[0]
    problems = held_out(FEW, "paper", seed=seed).truth.problems
    shares = quick({"objective": "paper"}, REFERENCES.told, None)(FEW, problems, seed).probabilities
    expected = aggregate_scores(FEW, virtual_crowd(FEW, shares, problems, seed=seed))
    assert study.value(CROWDLLM_PAPER, "mae glad", "sampled") == pytest.approx(expected.value("mae glad"))
    splits = study.scores.set_index(["row", "how", "metric"])["n_splits"]
    assert splits[CROWDLLM_PAPER, "sampled", "mae dawid-skene"] == 2
    assert splits[CROWDLLM_PAPER, "sampled", "mae glad"] == 1
    assert not studies["new"].scores["metric"].str.contains("glad").any()


def test_what_nothing_learned_makes_stands_beside(studies):
    new = studies["new"]
    assert 0.0 < new.value(PERFECT, "mae", "sampled") < new.value(FLOOR, "mae", "sampled")
    with pytest.raises(ValueError, match="there is no exact 'mae' of row"):
        new.value(FLOOR, "mae")


def test_shares_and_sizes_cover_all_rows(studies):
    study = studies["new"]
    sums = study.shares.groupby(["problems", "row"])["share"].sum()
    np.testing.assert_allclose(sums, 1.0)
    assert set(study.shares["row"]) == {"people", *study.sizes["row"]}
    human = study.shares[study.shares["row"] == "people"].set_index("problems")
    mean = (human["answer"] * human["share"]).groupby(level=0).sum()
    assert mean["lowest third"] < mean["middle third"] < mean["highest third"]
    large = study.sizes[study.sizes["workers"] == 256].set_index("row")["mae"]
    exact = {row: study.value(row, "mae") for row in large.index}
    # 256 draws of answers on 4 levels: a mean's standard error is below 0.1.
    np.testing.assert_allclose(large, pd.Series(exact)[large.index], atol=0.1)


def test_two_problems_a_split_have_no_thirds(monkeypatch):
    monkeypatch.setattr(module, "_generator", quick)
    kept, texts = [RIDGE, CROWDLLM], read_texts(HUMAN, "none")
    study = run_study(FEW, REFERENCES, texts, seeds=[0, 1], only=kept)
    assert [len(held_out(FEW, "new-problems", seed=seed).truth.problems) for seed in (0, 1)] == [2, 2]
    assert set(study.shares["problems"]) == {"all"}
    assert study.shares["share"].notna().all()
    scored = study.scores["n_problems"].iloc[0]
    assert scored in (3, 4)
    assert f"Of {scored} problems alone: the intervals are too short" in markdown(study)
    less = {metric: comparison(study, metric) for metric in ("wd", "mae")}
    assert wording.beats_ridge(study) == (
        f"Does {CROWDLLM}, beat ridge? In the distribution of answers (WD) better on {less['wd']['n_better']} of "
        f"{scored} problems, too few for an interval; in the mean answer (MAE) better on {less['mae']['n_better']} of "
        f"{scored} problems, too few for an interval."
    )
    assert wording.beats_ridge(study) in markdown(study)
    monkeypatch.setattr(wording, "FEW", 2)
    sure = study.differences.assign(difference=-0.25, lower=-0.5, upper=-0.125)
    sure.loc[sure["metric"] == "mae", "upper"] = 0.125
    assert wording.beats_ridge(dataclasses.replace(study, differences=sure)) == (
        f"Does {CROWDLLM}, beat ridge? In the distribution of answers (WD, difference -0.25 [-0.5, -0.125]) yes; in "
        "the mean answer (MAE, difference -0.25 [-0.5, +0.125]) no difference is shown."
    )
    monkeypatch.setattr(module, "_generator", lambda *given: lambda *told: pytest.fail("fitted before it was refused"))
    with pytest.raises(ValueError, match=r"1 split\(s\) score 2 different problem\(s\); a case study needs 3"):
        run_study(FEW, REFERENCES, texts, seeds=[0])


def test_answers_too_wide_for_the_papers_prior_leave_its_rows_out(monkeypatch):
    monkeypatch.setattr(module, "_generator", quick)
    rows = HUMAN.responses.assign(response=HUMAN.responses["response"] * 20.0)
    wide = CrowdData.from_frame(rows, problems=HUMAN.problems, scale=ordinal([20, 40, 60, 80]))
    names = {f"p_{level:g}": f"p_{20 * level:g}" for level in LEVELS}
    references = of_probabilities(TABLE.rename(columns=names), wide)
    texts = read_texts(wide, "none")
    found = run_study(wide, references, texts, seeds=[0])
    assert {VAE, CROWDLLM_PAPER} <= set(found.left_out)
    assert "N(0, 1), is in rating units, and the answers have standard deviation 20" in found.left_out[VAE]
    assert CROWDLLM in set(found.scores["row"])
    with pytest.raises(ValueError, match=f"row {CROWDLLM_PAPER!r} cannot be made: its prior".replace("'", ".")):
        run_study(wide, references, texts, seeds=[0], objective="paper")


def test_spreads_of_the_generators_and_ridge(studies):
    assert list(studies["new"].spread["row"]) == [VAE, CROWDLLM_PAPER, CROWDLLM, RIDGE, RIDGE_SCALED]
    assert list(studies["paper"].spread["row"]) == [CROWDLLM_PAPER, RIDGE]


def test_tables_come_back(studies, tmp_path):
    for name, study in studies.items():
        write_tables(study, tmp_path / name)
        back = read_tables(tmp_path / name)
        for field in dataclasses.fields(study):
            one, other = getattr(study, field.name), getattr(back, field.name)
            if isinstance(one, pd.DataFrame):
                # The VAE has no slope here, its variances are equal: None before, NaN after.
                pd.testing.assert_frame_equal(other, one.astype(other.dtypes), check_dtype=False)
            else:
                assert other == one
    facts = tmp_path / "paper" / "study.json"
    facts.write_text(facts.read_text(encoding="utf-8").replace('"objective"', '"aim"'), encoding="utf-8")
    with pytest.raises(ValueError, match=r"study.json was written by another version; make the case study again"):
        read_tables(tmp_path / "paper")
    (tmp_path / "new" / "spread.csv").unlink()
    with pytest.raises(ValueError, match=r"holds no case study: spread.csv missing"):
        read_tables(tmp_path / "new")


def test_pages_say_what_was_compared_and_hold_the_published_rows(studies, tmp_path):
    table = main_table(studies["paper"]).set_index("row")
    assert table.loc[CROWDLLM_PAPER, "MAE published"] == "0.45"
    assert table.loc[RIDGE, "MAE published"] == ""
    assert table.loc[FLOOR, "WD exact"] == "-"
    text = markdown(studies["paper"])
    assert "- No row 'LLM multi-persona': the backbone was asked without personas." in text
    assert "- No row 'VAE': not asked for." in text
    assert "0.45 / 0.48 / 0.43 / 1.00 / 0.53" in text
    assert "published" not in markdown(studies["new"])
    assert studies["new"].differences["n_problems"].iloc[0] < 30
    assert "problems alone" in markdown(studies["new"])
    written = write_study(studies["new"], tmp_path / "out", HUMAN, REFERENCES, arguments=["evaluate", "made"])
    assert sorted(path.name for path in written) == sorted(path.name for path in (tmp_path / "out").iterdir())
    assert len(written) == 10


def test_the_better_form_of_ridge_is_taken():
    scores = pd.DataFrame(
        [(row, "exact", metric, value) for row, values in ((RIDGE, (0.4, 0.6)), (RIDGE_SCALED, (0.3, 0.5)))
         for metric, value in zip(("wd", "cs"), values, strict=True)],
        columns=["row", "how", "metric", "value"],
    )  # fmt: skip
    study = type("S", (), {"scores": scores, "value": lambda self, row, metric: float(
        scores[(scores["row"] == row) & (scores["metric"] == metric)]["value"].iloc[0])})()  # fmt: skip
    assert best_ridge(study, "wd") == RIDGE_SCALED
    assert best_ridge(study, "cs") == RIDGE


@pytest.mark.parametrize(
    ("metric", "ends", "word"),
    [("wd", (-0.2, -0.1), "better"), ("wd", (0.1, 0.2), "worse"), ("mae", (-0.1, 0.1), "no different"),
     ("cs", (0.1, 0.2), "better"), ("cs", (-0.2, -0.1), "worse")],
)  # fmt: skip
def test_verdicts(metric, ends, word):
    assert verdict(pd.Series({"metric": metric, "lower": ends[0], "upper": ends[1]})) == word


def test_pictures_hold_every_group_and_row(studies):
    figure = distributions(studies["new"])
    assert [axis.get_title() for axis in figure.axes][0] == "all problems"
    assert len(figure.axes) == 4
    names = len({"people", CROWDLLM, CROWDLLM_PAPER, VAE, RIDGE, "LLM zero-shot"})
    assert len(figure.axes[1].patches) == names * len(LEVELS)
    drawn = [line.get_label() for line in workers(studies["new"]).axes[0].get_lines()]
    assert CROWDLLM in drawn
    assert RIDGE in drawn


def test_crowdllm_is_also_compared_with_the_vae_and_the_logistic_regression(studies):
    against = studies["new"].differences["against"]
    assert list(dict.fromkeys(against)) == list(AGAINST)
    found = comparison(studies["new"], "wd", CROWDLLM_PAPER, VAE)
    values = [studies["new"].value(row, "wd") for row in (CROWDLLM_PAPER, VAE)]
    assert np.sign(found["difference"]) == np.sign(values[0] - values[1]) != 0


def test_the_distance_between_probabilities_is_scored_on_request(monkeypatch):
    monkeypatch.setattr(module, "_generator", quick)
    study = run_study(
        FEW, REFERENCES, read_texts(HUMAN, "none"), name="amazon-2023:All_Beauty", seeds=[0, 1], only=[RIDGE, CROWDLLM],
        probabilities=True,
    )  # fmt: skip
    expected = evaluate(
        predictor(Ridge(), Features.of_reference(REFERENCES.whole)), FEW, seeds=[0, 1], distance="probabilities"
    )
    for how, scores in (("exact", expected.exact), ("sampled", expected.sampled)):
        assert study.value(RIDGE, "wd of probabilities", how) == pytest.approx(scores.wd)
    assert {"wd", "wd of probabilities"} < set(study.differences["metric"])
    table = main_table(study).set_index("row")
    assert table.loc[CROWDLLM, "WD of probabilities exact"] != "-"
    assert "WD published" not in table
    assert "WD of probabilities published" in table


def test_single_problems_of_the_first_split_are_shown(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_generator", quick)
    study = run_study(
        HUMAN, REFERENCES, read_texts(HUMAN, "none"), seeds=[3, 1], only=[RIDGE, CROWDLLM], examples=2
    )  # fmt: skip
    truth = held_out(HUMAN, "new-problems", seed=3).truth
    names = [name for name in dict.fromkeys(study.shares["problems"]) if name.startswith("problem ")]
    assert len(names) == 2
    for name in names:
        part = study.shares[study.shares["problems"] == name].set_index("row")
        own = truth.select([name.removeprefix("problem ")]).shares[0]
        np.testing.assert_allclose(part.loc["people", "share"], own)
    assert [axis.get_title() for axis in examples(study).axes] == names
    assert "all problems" in [axis.get_title() for axis in distributions(study).axes]
    assert len(distributions(study).axes) == 4
    written = write_page(study, tmp_path, arguments=["python", "some.py"])
    assert "examples.png" in {path.name for path in written}
    assert "Made by `python some.py`." in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_aggregates_by_label_models_can_be_left_out(monkeypatch):
    monkeypatch.setattr(module, "_generator", quick)
    study = run_study(
        FEW, REFERENCES, read_texts(HUMAN, "none"), protocol="paper", seeds=[0], only=[RIDGE, CROWDLLM], labels=False
    )
    assert not study.scores["metric"].str.contains("dawid|glad").any()


def test_published_rows():
    assert published("popquorn:offensiveness").shape == (6, 1 + len(METRICS))
    assert published("popquorn:qa_difficulty").set_index("row").loc["VAE", "rmse glad"] == 1.53
    assert published("amazon-2023:Musical_Instruments").set_index("row").loc["VAE", "wd of probabilities"] == 0.07
    assert published("made").empty


def test_bad_input_is_refused():
    texts = read_texts(HUMAN, "none")
    with pytest.raises(ValueError, match="seeds must be at least one whole number and all different"):
        run_study(HUMAN, REFERENCES, texts, seeds=[1, 1])
    with pytest.raises(ValueError, match="objective"):
        run_study(HUMAN, REFERENCES, texts, objective="mle")
    with pytest.raises(ValueError, match=f"row {RIDGE_TEXTS!r} cannot be made: there is no embedding"):
        run_study(HUMAN, REFERENCES, texts, only=[RIDGE_TEXTS])
    with pytest.raises(ValueError, match="row 'rigde' cannot be made: there are random,"):
        run_study(HUMAN, REFERENCES, texts, only=["rigde"])
    with pytest.raises(ValueError, match="only must name 'CrowdLLM, likelihood' and 'ridge'"):
        run_study(HUMAN, REFERENCES, texts, only=[RIDGE])
    words = HUMAN.responses.assign(response="yes")
    other = CrowdData(words, HUMAN.participants, HUMAN.problems, categorical(["yes", "no"]))
    with pytest.raises(ValueError, match="a case study needs an ordinal scale"):
        run_study(other, REFERENCES, texts)
