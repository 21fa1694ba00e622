"""Evaluations read as ratings: what is learned, what is read, and what must not reach a held-out product."""

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats.data import product_ratings
from crowdllm_stats.data.reviews import SCALE
from crowdllm_stats.evaluation import held_out
from crowdllm_stats.evaluation.case_study.evaluations import Reader, of_evaluations, questions
from crowdllm_stats.evaluation.case_study.reference_tables import References, of_probabilities
from crowdllm_stats.evaluation.case_study.rows import rows
from crowdllm_stats.evaluation.case_study.texts import read_texts

PRODUCTS, REVIEWERS = 14, 6


def reviews(seed=0):
    """Good and bad products; a review says its rating in words."""
    rng = np.random.default_rng(seed)
    quality = np.repeat([2.0, 4.0], PRODUCTS // 2)
    table = pd.DataFrame(
        [(f"p{product:02}", f"u{product}-{place}", int(np.clip(np.rint(quality[product] + rng.normal()), 1, 5)), place)
         for product in range(PRODUCTS) for place in range(REVIEWERS)],
        columns=["product_id", "user_id", "rating", "timestamp"],
    )  # fmt: skip
    return table.assign(text="stars 0" + table["rating"].astype(str))


def reader(table=None, first=2):
    return Reader(product_ratings(reviews() if table is None else table, least=3).described(first))


def test_a_reader_learns_what_words_mean_and_reads_what_describes():
    ours = reader()
    read = ours.reference(ours.ratings.data)
    assert read.probabilities.shape == (PRODUCTS, 1, 5)
    told = (
        ours.ratings.describing["evaluation"].str[-1].astype(float).groupby(ours.ratings.describing["problem"]).mean()
    )
    # Stars are said outright, but shares of five answers are not linear in them.
    assert np.corrcoef(read.mean[:, 0], told.loc[list(read.problems)])[0, 1] > 0.9
    assert np.ptp(read.mean[:, 0]) > 1.0


@pytest.mark.parametrize("protocol", ["new-problems", "paper"])
def test_held_out_reviews_do_not_reach_their_own_prediction(protocol):
    """Whatever reviews out of training say, and whatever they rate: what is predicted stays the same."""
    table = reviews()
    plain = reader(table)
    split = held_out(plain.ratings.data, protocol, seed=4)
    trained = set(zip(split.train.responses["problem"], split.train.responses["participant"], strict=True))
    pairs = zip(table["product_id"], table["user_id"], strict=True)
    unseen = np.array([pair not in trained for pair in pairs]) & (table["timestamp"] >= 2).to_numpy()
    assert 10 < unseen.sum() < len(table) / 2
    turned = reader(
        table.assign(text=table["text"].where(~unseen, "stars 01"), rating=table["rating"].where(~unseen, 5))
    )
    other = held_out(turned.ratings.data, protocol, seed=4)
    pd.testing.assert_frame_equal(other.train.responses, split.train.responses)
    pd.testing.assert_frame_equal(turned.ratings.data.problems, plain.ratings.data.problems)
    read = [one.reference(part.train) for one, part in ((plain, split), (turned, other))]
    np.testing.assert_array_equal(read[0].probabilities, read[1].probabilities)
    # Reviews that are learned from do matter: the comparison above can fail.
    seen = np.array([pair in trained for pair in zip(table["product_id"], table["user_id"], strict=True)])
    lying = reader(table.assign(text=table["text"].where(~seen, "stars 01")))
    assert np.abs(lying.reference(split.train).probabilities - read[0].probabilities).max() > 0.01


def test_a_product_is_read_by_what_other_products_taught():
    """A word that one product's reviews alone hold teaches nothing about that product, but about the others."""
    table, marked = reviews(), reviews()
    of_one = marked["product_id"] == "p00"
    marked.loc[of_one, "text"] = "banjo"
    plain, told = reader(table), reader(marked)
    read = told.reference(told.ratings.data)
    place = read.problems.index("p00")
    words = reader(marked.assign(rating=marked["rating"].where(~of_one, 5)))
    other = words.reference(words.ratings.data)
    np.testing.assert_allclose(other.probabilities[place], read.probabilities[place], atol=1e-6)
    assert np.abs(plain.reference(plain.ratings.data).probabilities[place] - read.probabilities[place]).max() > 0.01


def test_an_llm_speaks_as_all_who_describe_a_product():
    ratings = reader().ratings
    asked = questions(ratings.describing, SCALE)
    table = pd.DataFrame(
        np.eye(5)[asked.problems["text"].str[-1].astype(int) - 1], columns=[f"p{n}" for n in range(1, 6)]
    )
    said = of_probabilities(table.assign(problem=asked.problems["problem"]), asked, name="made.csv")
    found = of_evaluations(said, ratings)
    assert found.alone is None
    stars = ratings.describing["evaluation"].str[-1].astype(float)
    expected = stars.groupby(ratings.describing["problem"]).mean()
    np.testing.assert_allclose(found.whole.mean[:, 0], expected.loc[list(found.whole.problems)])


def test_rows_that_need_an_llm_say_that_none_was_asked():
    ours = reader()
    texts = read_texts(ours.ratings.data, "none")
    references = References("evaluations", None, None, reader=ours.reference)
    made = rows(references, texts, "new-problems")
    assert made.left_out["LLM zero-shot"] == made.left_out["LLM multi-persona"] == "no LLM was asked"
    split = held_out(ours.ratings.data, "new-problems", seed=2)
    found = made.made["ridge"](split.train, split.truth.problems, 0)
    assert found.probabilities.shape == (len(split.truth.problems), 5)
    with pytest.raises(ValueError, match=r"learns from training answers first; ask told\(train\)"):
        print(references.whole)


def test_bad_input():
    silent = reviews()
    silent.loc[(silent["product_id"] == "p03") & (silent["timestamp"] < 2), "text"] = " "
    with pytest.raises(ValueError, match=r"1 product\(s\) are described without a word, for instance 'p03'"):
        reader(silent).reference(reader(silent).ratings.data)
    mute = reader(reviews().assign(text=" "))
    with pytest.raises(ValueError, match=r"reviews of 0 training product\(s\) have words"):
        mute.reference(mute.ratings.data)
