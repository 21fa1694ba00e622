"""Product ratings: small files in the published formats, what is left out and counted, and what may not leak."""

import gzip
import json

import pandas as pd
import pytest

from crowdllm_stats.cli.inputs import named_data
from crowdllm_stats.data import amazon_reviews, amazon_reviews_2023, product_ratings

#: 3 reviewers of product a, 2 of b, 1 of c; times rise from the last row to the first.
REVIEWS = pd.DataFrame(
    {"product_id": list("aaabbc"), "user_id": ["u1", "u2", "u3", "u1", "u4", "u2"], "rating": [5, 1, 4, 3, 5, 2],
     "title": ["Good", "", "Fine", "So so", "Great", "Bad"], "text": ["works", "broke", "", "meh", "love it", "no"],
     "timestamp": [60, 50, 40, 30, 20, 10]}
)  # fmt: skip
PRODUCTS = pd.DataFrame(
    {"product_id": ["a", "b", "c"], "title": ["Drum", "", "Harp"], "description": ["loud", None, ""]}
)


def write_2023(folder, category="All_Beauty", packed=False, last="}"):
    """The rows of REVIEWS as Amazon Reviews 2023 publishes them: JSON lines, products in a file of their own."""
    lines = [
        {"rating": float(row.rating), "title": row.title, "text": row.text, "images": [], "asin": f"{row.product_id}-x",
         "parent_asin": row.product_id, "user_id": row.user_id, "timestamp": row.timestamp * 1000, "helpful_vote": 0,
         "verified_purchase": True}
        for row in REVIEWS.itertuples()
    ]  # fmt: skip
    meta = [
        {"main_category": "All Beauty", "title": "Drum", "average_rating": 4.1, "features": ["round", "red"],
         "description": ["A drum.", "Loud."], "price": None, "parent_asin": "a"},
        {"main_category": "All Beauty", "title": "", "features": [], "description": [], "parent_asin": "b"},
    ]  # fmt: skip
    folder.mkdir(exist_ok=True)
    for name, rows, end in ((category, lines, last), (f"meta_{category}", meta, "}")):
        text = "\n".join(json.dumps(row) for row in rows)[:-1] + end + "\n"
        place = folder / f"{name}.jsonl{'.gz' if packed else ''}"
        place.write_bytes(gzip.compress(text.encode()) if packed else text.encode())


@pytest.mark.parametrize("packed", [False, True])
def test_amazon_reviews_2023_as_published(tmp_path, packed):
    write_2023(tmp_path / "amazon_reviews_2023", packed=packed)
    found = amazon_reviews_2023("All_Beauty", tmp_path, least=2)
    assert found.data.problems.to_dict("list") == {"problem": ["a"], "text": ["Drum. A drum. Loud.. round red"]}
    assert sorted(found.data.responses["response"]) == [1.0, 4.0, 5.0]
    assert found.data.exclusions == {"of products without text": 3}
    assert found.evaluations["evaluation"].tolist() == ["Fine", "broke", "Good. works"]
    assert found.evaluations["timestamp"].tolist() == [40_000.0, 50_000.0, 60_000.0]


def test_lines_that_are_cut_off_are_named(tmp_path):
    write_2023(tmp_path, last="")
    with pytest.raises(ValueError, match=r"All_Beauty.jsonl: line 6 is not JSON .* cut off there"):
        amazon_reviews_2023("All_Beauty", tmp_path, least=2)
    (tmp_path / "All_Beauty.jsonl").write_text("[1]\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"line 1 holds list, and a line must hold an object"):
        amazon_reviews_2023("All_Beauty", tmp_path, least=2)
    write_2023(tmp_path, category="Gift_Cards", packed=True)
    whole = (tmp_path / "Gift_Cards.jsonl.gz").read_bytes()
    (tmp_path / "Gift_Cards.jsonl.gz").write_bytes(whole[:-12])
    with pytest.raises(ValueError, match=r"Gift_Cards.jsonl.gz: cut off, damaged or not UTF-8"):
        amazon_reviews_2023("Gift_Cards", tmp_path, least=2)
    with pytest.raises(FileNotFoundError, match=r"no .*Toys.jsonl.* the data are at huggingface"):
        amazon_reviews_2023("Toys", tmp_path)


def test_older_releases_have_their_own_columns(tmp_path):
    REVIEWS.to_csv(tmp_path / "reviews.csv", index=False)
    PRODUCTS.to_csv(tmp_path / "products.csv", index=False)
    found = amazon_reviews("gift_cards", tmp_path, least=1)
    assert found.data.problems["text"].tolist() == ["Harp", "Drum. loud"]
    assert found.data.exclusions == {"of products without text": 2}
    with pytest.raises(ValueError, match="name must be one of 'gift_cards', 'musical_instruments', 'all_beauty'"):
        amazon_reviews("books", tmp_path)


def test_repeats_go_and_the_earliest_stays():
    again = pd.concat([REVIEWS, REVIEWS.iloc[:2].assign(rating=[2, 2], timestamp=[70, 45])], ignore_index=True)
    found = product_ratings(again, least=2)
    ratings = found.data.responses.set_index(["problem", "participant"])["response"]
    assert (ratings["a", "u1"], ratings["a", "u2"]) == (5.0, 2.0)
    why = "of a product that the user had reviewed before"
    assert found.data.exclusions == {why: 2, "of products with fewer than 2 reviewers": 1}


def test_products_by_their_number_of_reviewers():
    assert product_ratings(REVIEWS, least=2, most=2).data.problems["problem"].tolist() == ["b"]
    assert product_ratings(REVIEWS, least=2, most=2).data.exclusions == {
        "of products with fewer than 2 reviewers": 1, "of products with more than 2 reviewers": 3,
    }  # fmt: skip
    with pytest.raises(
        ValueError, match=r"no review is left \(6 of products with fewer than 20 reviewers\); lower least"
    ):
        product_ratings(REVIEWS)
    with pytest.raises(ValueError, match="most"):
        product_ratings(REVIEWS, least=3, most=2)


def test_csv_with_other_names(tmp_path):
    names = {"product_id": "asin", "rating": "stars"}
    REVIEWS.rename(columns=names).drop(columns=["title", "timestamp"]).to_csv(tmp_path / "mine.csv", index=False)
    found = product_ratings(tmp_path / "mine.csv", columns=names, least=3)
    assert found.evaluations["evaluation"].tolist() == ["works", "broke", ""]
    assert (
        found.evaluations["participant"].tolist() == found.data.responses["participant"].tolist() == ["u1", "u2", "u3"]
    )
    with pytest.raises(ValueError, match=r"mine.csv: no column 'product_id'; the columns there are asin, user_id"):
        product_ratings(tmp_path / "mine.csv")
    with pytest.raises(ValueError, match="columns: 'product' is not one of product_id, user_id"):
        product_ratings(REVIEWS, columns={"product": "asin"})


def test_bad_ratings_and_gaps():
    with pytest.raises(ValueError, match=r"reviews: column 'rating' .*6"):
        product_ratings(REVIEWS.assign(rating=[5, 6, 4, 3, 5, 2]), least=2)
    with pytest.raises(ValueError, match=r"column 'rating' .*4\.5"):
        product_ratings(REVIEWS.assign(rating=[5, 4.5, 4, 3, 5, 2]), least=2)
    gap = REVIEWS.assign(rating=[5, None, 4, 3, 5, 2])
    with pytest.raises(ValueError, match=r"column 'rating' is empty in 1 of 6 rows .*missing=.drop"):
        product_ratings(gap, least=2)
    assert product_ratings(gap, least=2, missing="drop").data.exclusions["without product, user or rating"] == 1
    with pytest.raises(ValueError, match=r"column 'timestamp' holds no number in 1 of 6 rows"):
        product_ratings(REVIEWS.assign(timestamp=["May", 5, 4, 3, 2, 1]), least=2)
    with pytest.raises(ValueError, match="there is a header but no rows"):
        product_ratings(REVIEWS[:0])


def test_bad_tables_of_products():
    with pytest.raises(ValueError, match=r"products: product 'a' stands there twice"):
        product_ratings(REVIEWS, PRODUCTS.assign(product_id=["a", "b", "a"]), least=2)
    with pytest.raises(ValueError, match=r"holds the column 'product_id' and any of title, description, features"):
        product_ratings(REVIEWS, PRODUCTS[["product_id"]], least=2)
    with pytest.raises(ValueError, match=r"no review is left \(6 of products without text\)"):
        product_ratings(REVIEWS, PRODUCTS.assign(title="", description=None), least=2)


def test_the_earliest_evaluations_describe_and_are_not_foreseen():
    found = product_ratings(REVIEWS, least=2).described(1)
    assert found.describing[["problem", "participant"]].to_numpy().tolist() == [["a", "u3"], ["b", "u4"]]
    assert found.data.problems.set_index("problem")["text"].to_dict() == {"a": "Fine", "b": "Great. love it"}
    left = found.data.responses[["problem", "participant", "response"]].to_numpy().tolist()
    assert left == [["b", "u1", 3.0], ["a", "u2", 1.0], ["a", "u1", 5.0]]
    assert found.data.exclusions["among the first 1 of their product, which they describe"] == 2
    with pytest.raises(ValueError, match=r"first is 2, but product 'b' has 2 reviewer\(s\).*lower first"):
        product_ratings(REVIEWS, least=2).described(2)
    with pytest.raises(ValueError, match="described already"):
        found.described(1)


def test_what_foreseen_reviews_say_does_not_reach_their_product():
    """Whatever the reviews say whose ratings are to be foreseen: what is known of their products stays the same."""
    secret = REVIEWS["text"].where(REVIEWS["timestamp"].isin([40, 20]), "SECRET " + REVIEWS["rating"].astype(str))
    honest, told = (
        product_ratings(one, PRODUCTS.assign(title="Drum"), least=2).described(1)
        for one in (
            REVIEWS,
            REVIEWS.assign(text=secret, title=REVIEWS["title"].where(secret == REVIEWS["text"], secret)),
        )
    )
    assert told.evaluations["evaluation"].str.contains("SECRET").all()
    assert not told.describing["evaluation"].str.contains("SECRET").any()
    pd.testing.assert_frame_equal(told.data.problems, honest.data.problems)
    both = told.evaluations.merge(told.describing, on=["problem", "participant"])
    assert both.empty


@pytest.mark.parametrize(
    ("name", "least", "counts"),
    [("gift_cards", 20, (45, 1957)), ("gift_cards", 10, (95, 2609)), ("musical_instruments", 20, (51, 2083)),
     ("musical_instruments", 10, (164, 3550)), ("all_beauty", 20, (11, 3687))],
)  # fmt: skip
def test_real_files(data_folder, name, least, counts):
    found = amazon_reviews(name, data_folder, least=least)
    assert (len(found.data.problems), len(found.data.responses)) == counts
    repeats = {"gift_cards": 7, "all_beauty": 1177}.get(name)
    assert found.data.exclusions.get("of a product that the user had reviewed before") == repeats
    assert len(named_data(f"amazon:{name}", data_folder).problems) <= counts[0]
