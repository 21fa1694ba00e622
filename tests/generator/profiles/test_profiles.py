"""ProfileGenerator: margins, associations, noise, designed laws, who is refused, and people who keep their profiles."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crowdllm_stats.data import popquorn
from crowdllm_stats.generator.profiles.design_law import BLOCK, CallableLaw
from crowdllm_stats.generator.profiles.encoding import ProfileEncoder
from crowdllm_stats.generator.profiles.profiles import CHUNK, NOT_QUALIFIED, TOO_RARE, ProfileGenerator

pytest.importorskip("ot")  # here, because its first import draws from NumPy's global random state

AGES = ["18-29", "30-44", "45-64", "65+"]
JOBS = ["Employed", "Retired", "Student"]
KINDS = {"age": AGES}
MARGINS = {
    "gender": {"Woman": 0.5, "Man": 0.45, "Other": 0.05},
    "age": dict(zip(AGES, [0.2, 0.3, 0.3, 0.2], strict=True)),
}


def people(n=700, seed=0):
    """Jobs go with ages, incomes with jobs, hours with incomes; gender with nothing."""
    rng = np.random.default_rng(seed)
    age = rng.choice(4, size=n, p=[0.2, 0.3, 0.3, 0.2])
    job = np.array([rng.choice(3, p=[[0.4, 0, 0.6], [0.9, 0, 0.1], [0.8, 0.2, 0], [0.1, 0.9, 0]][one]) for one in age])
    income = np.exp(rng.normal(np.array([3.0, 2.5, 1.5])[job], 0.5))
    return pd.DataFrame({
        "participant": [f"real{place}" for place in range(n)],
        "gender": rng.choice(["Man", "Woman"], size=n),
        "age": np.array(AGES)[age],
        "income": income,
        "job": np.array(JOBS)[job],
        "hours": np.rint(20 + 8 * np.log(income) + rng.normal(0, 4, n)).astype(np.int64),
    })  # fmt: skip


@pytest.fixture(scope="module")
def pool():
    return people()


@pytest.fixture(scope="module")
def learned(pool):
    return ProfileGenerator.from_pool(pool, kinds=KINDS)


@pytest.fixture(scope="module")
def made(learned):
    return learned.sample(20_000, seed=1).table


def table_of(one, other):
    return pd.crosstab(one, other, normalize="all")


def test_margins_are_the_pools(pool, made):
    """Discrete shares within 0.01 plus 5 Monte Carlo standard errors; continuous ones by the distance of their laws."""
    assert list(made.columns) == list(pool.columns)
    for name in ("gender", "age", "job"):
        wanted = pool[name].value_counts(normalize=True).sort_index()
        found = made[name].value_counts(normalize=True).reindex(wanted.index, fill_value=0.0)
        room = 0.01 + 5 * np.sqrt(wanted * (1 - wanted) / len(made))
        assert ((found - wanted).abs() <= room).all()
    for name in ("income", "hours"):
        assert stats.ks_2samp(pool[name], made[name]).statistic < 0.04
        assert pool[name].min() <= made[name].min()
        assert made[name].max() <= pool[name].max()
    assert made["hours"].dtype == np.int64


def test_strong_associations_are_kept_and_absent_ones_are_not_invented(pool, made):
    """Total variation between tables of pairs, and what independence would give; room for 700 people's sampling."""
    ages_jobs = table_of(pool["age"], pool["job"])
    found = table_of(made["age"], made["job"]).reindex_like(ages_jobs).fillna(0.0)
    alone = np.outer(ages_jobs.sum(axis=1), ages_jobs.sum(axis=0))
    assert (found - ages_jobs).abs().to_numpy().sum() / 2 < 0.04
    assert np.abs(alone - ages_jobs.to_numpy()).sum() / 2 > 0.3
    gender = table_of(made["gender"], made["job"]).to_numpy()
    assert np.abs(gender - np.outer(gender.sum(axis=1), gender.sum(axis=0))).sum() / 2 < 0.04
    wanted = stats.spearmanr(pool["income"], pool["hours"]).statistic
    assert stats.spearmanr(made["income"], made["hours"]).statistic == pytest.approx(wanted, abs=0.05)
    wanted = pool.groupby("job")["income"].median()
    np.testing.assert_allclose(made.groupby("job")["income"].median()[wanted.index], wanted, rtol=0.15)


def test_it_is_not_the_pool_over_again(pool, made):
    assert not np.isin(made["income"], pool["income"]).any()
    held = set(map(tuple, pool[["gender", "age", "job", "hours"]].to_numpy().tolist()))
    drawn = set(map(tuple, made[["gender", "age", "job", "hours"]].to_numpy().tolist()))
    assert len(drawn - held) > 50


@pytest.mark.parametrize("ridge", [1e-4, 50.0])
def test_margins_are_kept_at_every_ridge_and_pairs_without(pool, ridge):
    """The score equations of maximum likelihood, to the optimiser's precision: no chance in it."""
    law = ProfileGenerator.from_pool(pool[["gender", "age", "job"]], kinds=KINDS, ridge=ridge).law
    codes = np.column_stack([column.codes(pool[column.name], "pool") for column in law.columns])
    predicted = law.conditional(codes[:, :2])
    np.testing.assert_allclose(predicted.mean(axis=0), np.bincount(codes[:, 2]) / len(codes), atol=1e-4)
    wrong = []
    for place, level in [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (1, 3)]:
        rows = codes[:, place] == level
        wrong.append(predicted[rows].sum(axis=0) / len(codes) - np.bincount(codes[rows, 2], minlength=3) / len(codes))
    assert (np.abs(wrong).max() < 1e-3) == (ridge < 1)
    assert np.abs(wrong).max() < 0.1


def test_people_keep_their_profiles_whatever_n_and_chunk(pool):
    plain = ProfileGenerator.from_pool(pool[["gender", "income", "job"]], ridge=1.0)
    many = plain.sample(CHUNK + 5, seed=9).table
    pd.testing.assert_frame_equal(plain.sample(10, seed=9).table, many.head(10), check_exact=True)
    assert many["participant"].iloc[-1] == f"v{CHUNK + 5:06d}"
    assert many["participant"].is_unique
    assert (plain.sample(200, seed=10).table["job"] != many["job"].head(200)).any()


def test_people_keep_their_profiles_where_others_are_refused(pool):
    picky = ProfileGenerator.from_pool(pool, kinds=KINDS, k_anonymity=3, qualified={"job": ["Student"]})
    long = picky.sample(900, seed=2)
    pd.testing.assert_frame_equal(picky.sample(11, seed=2).table, long.table.head(11), check_exact=True)
    assert long.exclusions[NOT_QUALIFIED] > 900
    assert set(long.table["job"]) == {"Student"}


def test_nobody_rare_is_emitted():
    """A pool of 4 frequent combinations and 30 held by one or two people; novel ones are allowed."""
    rows = [("a", "x")] * 60 + [("a", "y")] * 60 + [("b", "x")] * 60 + [("b", "z")] * 2 + [("c", "y")]
    pool = pd.DataFrame(rows, columns=["one", "two"])
    open_law = ProfileGenerator.from_pool(pool, ridge=0.01).sample(6000, seed=3)
    emitted = set(map(tuple, open_law.table[["one", "two"]].to_numpy().tolist()))
    assert {("b", "z"), ("c", "y")} <= emitted
    assert open_law.exclusions == {}
    safe = ProfileGenerator.from_pool(pool, ridge=0.01, k_anonymity=3).sample(6000, seed=3)
    emitted = set(map(tuple, safe.table[["one", "two"]].to_numpy().tolist()))
    assert not {("b", "z"), ("c", "y")} & emitted
    assert safe.exclusions[TOO_RARE] > 30
    assert safe.acceptance == 6000 / (6000 + safe.exclusions[TOO_RARE])
    exactly = ProfileGenerator.from_pool(pool, ridge=0.01, k_anonymity=2).sample(6000, seed=3).table
    emitted = set(map(tuple, exactly[["one", "two"]].to_numpy().tolist()))
    assert ("b", "z") in emitted
    assert ("c", "y") not in emitted


def test_rare_combinations_of_whole_numbers_count_too(pool):
    rare = pool.groupby(["gender", "hours"]).size()
    rare = set(rare[rare < 4].index)
    drawn = ProfileGenerator.from_pool(pool[["gender", "hours"]], k_anonymity=4).sample(5000, seed=1)
    assert not rare & set(map(tuple, drawn.table[["gender", "hours"]].to_numpy().tolist()))
    assert drawn.exclusions[TOO_RARE] > 0


@pytest.mark.parametrize("noise", [0.5, 1.0, 2.0])
def test_noise_is_what_is_stated(noise):
    """Goodness of fit of 20,000 draws at 1e-4, two columns."""
    drawn = ProfileGenerator.from_margins(MARGINS, noise=noise, kinds={"age": "ordered"}).sample(20_000, seed=4).table
    shares = np.array(list(MARGINS["gender"].values())) ** (1 / noise)
    counts = drawn["gender"].value_counts().reindex(list(MARGINS["gender"]))
    assert stats.chisquare(counts, 20_000 * shares / shares.sum()).pvalue > 1e-4
    edges = stats.norm.cdf(stats.norm.ppf([0.0, 0.2, 0.5, 0.8, 1.0]) / noise)
    counts = drawn["age"].value_counts().reindex(AGES)
    assert stats.chisquare(counts, 20_000 * np.diff(edges)).pvalue > 1e-4


def test_without_noise_everybody_is_one_person_and_with_more_they_differ_more(pool, made):
    still = (
        ProfileGenerator.from_pool(pool, kinds=KINDS, noise=0.0).sample(300, seed=1).table.drop(columns="participant")
    )
    assert len(still.drop_duplicates()) == 1
    assert still["age"][0] in AGES[1:3]
    assert still["gender"][0] == pool["gender"].mode()[0]
    assert pool["income"].quantile(0.3) < still["income"][0] < pool["income"].quantile(0.9)
    wide = ProfileGenerator.from_pool(pool, kinds=KINDS, noise=2.0).sample(5000, seed=1).table
    assert np.log(wide["income"]).std() > 1.2 * np.log(made["income"]).std()
    assert wide["income"].max() <= pool["income"].max()
    assert wide["age"].isin([AGES[0], AGES[3]]).mean() > made["age"].isin([AGES[0], AGES[3]]).mean() + 0.1


def test_a_copula_joins_margins_by_the_correlation_given():
    """Orthant probability ``1/4 + asin(r) / (2 pi)`` of two halved columns, 5 standard errors (6e-7)."""
    halves = {"one": {"low": 0.5, "high": 0.5}, "two": {"low": 0.5, "high": 0.5}, "three": {"a": 0.3, "b": 0.7}}
    joined = ProfileGenerator.from_margins(halves, correlation={("two", "one"): 0.6})
    drawn = joined.sample(40_000, seed=2).table
    both = ((drawn["one"] == "high") & (drawn["two"] == "high")).mean()
    wanted = 0.25 + np.arcsin(0.6) / (2 * np.pi)
    assert both == pytest.approx(wanted, abs=5 * np.sqrt(wanted * (1 - wanted) / 40_000))
    alone = ((drawn["one"] == "high") & (drawn["three"] == "b")).mean()
    assert alone == pytest.approx(0.35, abs=5 * np.sqrt(0.35 * 0.65 / 40_000))
    assert "correlations two-one 0.6" in joined.why
    assert "independent" in ProfileGenerator.from_margins(halves).why


def test_a_designed_table_is_emitted_with_its_weights():
    """Goodness of fit at 1e-4; combinations of weight 0 and unlisted ones never."""
    design = pd.DataFrame({
        "gender": ["Woman", "Man", "Man", "Woman"], "age": ["18-44", "18-44", "45+", "45+"], "children": [0, 2, 1, 3],
        "weight": [50, 30, 20, 0],
    })  # fmt: skip
    generator = ProfileGenerator.from_law(design)
    drawn = generator.sample(20_000, seed=5).table
    counts = drawn.groupby(["gender", "age", "children"]).size()
    assert list(counts.index) == [("Man", "18-44", 2), ("Man", "45+", 1), ("Woman", "18-44", 0)]
    assert stats.chisquare(counts, [6000, 4000, 10_000]).pvalue > 1e-4
    assert generator.kinds["children"] == [0, 1, 2, 3]
    wide = ProfileGenerator.from_law(design, noise=3.0).sample(2000, seed=5).table
    assert len(wide.groupby(["gender", "age", "children"])) == 3


def law(rng, n):
    age = rng.integers(18, 90, size=n)
    return pd.DataFrame({"age": age, "job": np.where(age > 66, "Retired", "Employed")})


def test_a_function_is_a_law_too():
    generator = ProfileGenerator.from_law(law, kinds={"age": "continuous"}, qualified={"age": (60, 75)})
    drawn = generator.sample(2 * BLOCK + 3, seed=6)
    assert drawn.table["age"].between(60, 75).all()
    assert ((drawn.table["age"] > 66) == (drawn.table["job"] == "Retired")).all()
    pd.testing.assert_frame_equal(generator.sample(BLOCK + 9, seed=6).table, drawn.table.head(BLOCK + 9))
    # 16 of 72 ages qualify: 5 standard errors (6e-7).
    total = len(drawn) + drawn.exclusions[NOT_QUALIFIED]
    assert drawn.acceptance == pytest.approx(16 / 72, abs=5 * np.sqrt(16 / 72 * 56 / 72 / total))
    assert set(drawn.table["age"]) == set(range(60, 76))


def test_a_function_gives_each_row_and_attempt_its_own_draw():
    rows, attempts = np.array([3 * BLOCK, 5, 4, 5, BLOCK]), np.array([0, 2, 0, 0, 7])
    together = CallableLaw(law).draw(8, rows, attempts)
    for place in range(5):
        alone = CallableLaw(law).draw(8, rows[[place]], attempts[[place]])
        assert alone["age"][0] == together["age"][place]
    assert together["age"].nunique() > 2


def test_qualified_may_be_a_function_or_values(learned, pool):
    rule = {"age": ["30-44", "45-64"], "income": (10.0, 40.0)}
    by_values = ProfileGenerator.from_pool(pool, kinds=KINDS, ridge=1.0, qualified=rule).sample(500, seed=7)
    by_function = ProfileGenerator.from_pool(
        pool,
        kinds=KINDS,
        ridge=1.0,
        qualified=lambda table: table["age"].isin(rule["age"]) & table["income"].between(10, 40),
    ).sample(500, seed=7)
    pd.testing.assert_frame_equal(by_values.table, by_function.table)
    assert by_values.exclusions == by_function.exclusions
    assert by_values.table["income"].between(10, 40).all()
    assert "redrawn, not qualified" in str(by_values)


def test_distance_tells_the_right_population_from_a_wrong_one(learned, pool):
    near = learned.distance(people(300, seed=8), seed=1, n=300)
    assert near.measured.distance_same_size == pytest.approx(near.measured.noise, rel=0.15)
    wrong = pool.assign(job="Student", age="18-29")
    far = learned.distance(wrong.head(300), seed=1, n=300)
    assert far.measured.distance > 2 * near.measured.distance
    # By hand: five coordinates, three of them discrete, eta 1, epsilon 0.05.
    assert near.bound.published == pytest.approx((1 + np.sqrt(2 / np.pi) * 5) * 0.05)
    assert near.bound.sharper == pytest.approx((1 + np.sqrt(2 / np.pi) * 3) * 0.05)
    assert near.to_frame()["bound_sharper"][0] == near.bound.sharper
    extra = learned.distance(people(40).assign(town="A"), seed=1, n=20)
    assert extra.left_out == ("town",)
    assert "not compared: town" in str(extra)
    with pytest.raises(ValueError, match="target lacks the column"):
        learned.distance(pool.drop(columns="job"), seed=1, n=20)
    with pytest.raises(ValueError, match="no profile column"):
        ProfileGenerator.from_pool(pool[["participant"]]).distance(pool, seed=1, n=20)


def test_json_round_trip_draws_the_same_people(pool):
    design = pd.DataFrame({"gender": ["Woman", "Man"], "weight": [3, 1]})
    for generator in (
        ProfileGenerator.from_pool(
            pool, kinds=KINDS, noise=0.8, k_anonymity=3, ridge=2.0, qualified={"hours": (20, 50)}
        ),
        ProfileGenerator.from_margins(MARGINS, correlation={("gender", "age"): 0.2}, qualified={"gender": {"Man"}}),
        ProfileGenerator.from_law(design, noise=2.0),
    ):
        again = ProfileGenerator.from_dict(json.loads(json.dumps(generator.to_dict())))
        one, other = generator.sample(200, seed=3), again.sample(200, seed=3)
        pd.testing.assert_frame_equal(one.table, other.table)
        assert (one.exclusions, one.why) == (other.exclusions, other.why)
    for broken in ({}, {**generator.to_dict(), "law": {"kind": "table"}}):
        with pytest.raises(ValueError, match="not a whole profile generator"):
            ProfileGenerator.from_dict(broken)
    with pytest.raises(ValueError, match="law is a function"):
        ProfileGenerator.from_law(law).to_dict()
    with pytest.raises(ValueError, match="qualified is a function"):
        ProfileGenerator.from_law(design, qualified=lambda table: table["gender"] == "Man").to_dict()


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("rows", [[0], [2]], "level that its column does not have"),
        ("rows", [[0], [-1]], "level that its column does not have"),
        ("shares", [0.5, 0.6], "at least 0 and sum to 1"),
        ("shares", [float("nan"), 1.0], "at least 0 and sum to 1"),
        ("shares", [1.5, -0.5], "at least 0 and sum to 1"),
    ],
)
def test_a_law_on_file_that_cannot_be_one_is_refused(part, value, said):
    told = ProfileGenerator.from_law(pd.DataFrame({"gender": ["Woman", "Man"], "weight": [3, 1]})).to_dict()
    with pytest.raises(ValueError, match=said):
        ProfileGenerator.from_dict({**told, "law": {**told["law"], part: value}})


def test_margins_on_file_that_do_not_fit_their_columns_are_refused():
    told = ProfileGenerator.from_margins(MARGINS).to_dict()
    law = told["law"]
    with pytest.raises(ValueError, match="do not fit the levels"):
        ProfileGenerator.from_dict({**told, "law": {**law, "margins": [[1.0], *law["margins"][1:]]}})


def test_the_encoder_takes_generated_people(learned, made):
    coded = ProfileEncoder.fit(made, learned.kinds).transform(made.head(13))
    assert coded.shape == (13, 2 + 1 + 1 + 3 + 1)


def test_a_pool_without_profile_columns_gives_people_without_profiles():
    drawn = ProfileGenerator.from_pool(pd.DataFrame({"participant": ["a", "b"]})).sample(3, seed=1).table
    assert drawn.to_dict("list") == {"participant": ["v000001", "v000002", "v000003"]}


def test_levels_nobody_holds_are_not_made_up():
    classes = pd.Categorical(["low", "high"] * 20, categories=["low", "mid", "high"], ordered=True)
    pool = pd.DataFrame({"gender": ["Man"] * 15 + ["Woman"] * 25, "class": classes})
    for noise in (0.0, 1.0, 5.0):
        drawn = ProfileGenerator.from_pool(pool, noise=noise).sample(500, seed=1).table
        assert "mid" not in set(drawn["class"])


def test_popquorn_people_keep_their_margins_and_associations():
    """262 real people. Shares within 0.01 and 5 standard errors; ages and occupations as tied as in the pool."""
    try:
        people = popquorn("offensiveness").participants
    except FileNotFoundError as error:
        pytest.skip(str(error))
    drawn = ProfileGenerator.from_pool(people).sample(20_000, seed=1).table
    for name in people.columns.drop("participant"):
        wanted = people[name].value_counts(normalize=True)
        found = drawn[name].value_counts(normalize=True).reindex(wanted.index, fill_value=0.0)
        assert ((found - wanted).abs() <= 0.01 + 5 * np.sqrt(wanted * (1 - wanted) / 20_000)).all()
    retired = drawn.loc[drawn["occupation"] == "Retired", "age"]
    assert retired.isin(["60-64", ">65", "54-59"]).mean() > 0.7
    assert drawn["age"].isin(["60-64", ">65", "54-59"]).mean() < 0.35


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"noise": -1.0}, "noise must be a number of at least 0"),
        ({"noise": np.nan}, "noise must be a number"),
        ({"ridge": 0.0}, "ridge must be a positive number"),
        ({"k_anonymity": 1}, "k_anonymity must be a whole number of at least 2"),
        ({"qualified": "age > 3"}, "qualified must be a function"),
        ({"qualified": {}}, "qualified must be a function"),
        ({"qualified": {"town": ["A"]}}, "qualified names the column 'town'"),
        ({"qualified": {"job": ["Pilot"]}}, "'job' allows 'Pilot'"),
        ({"qualified": {"job": []}}, "'job' allows an empty list"),
        ({"qualified": {"job": "Student"}}, "'job' needs a list"),
        ({"qualified": {"income": (5.0, 1.0)}}, "needs a pair"),
    ],
)
def test_from_pool_refuses(pool, change, says):
    with pytest.raises(ValueError, match=says):
        ProfileGenerator.from_pool(pool.head(40), **{"ridge": 1.0, **change})


def test_pools_are_checked(pool):
    with pytest.raises(ValueError, match="has no row"):
        ProfileGenerator.from_pool(pool[["income"]].head(0))
    with pytest.raises(ValueError, match="'job' has 1 missing"):
        ProfileGenerator.from_pool(pool.assign(job=[None, *pool["job"][1:]]))


@pytest.mark.parametrize(
    ("margins", "others", "says"),
    [
        ({}, {}, "margins must hold"),
        ({"gender": {}}, {}, "must be texts or numbers, at least one"),
        ({"gender": {"Man": 0.5, "": 0.5}}, {}, "must be texts or numbers, at least one"),
        ({"gender": {"Man": 0.5, "Woman": 0.4}}, {}, "sum to 0.9"),
        ({"gender": {"Man": 50, "Woman": 50}}, {}, "look like percent"),
        ({"gender": {"Man": 1.5, "Woman": -0.5}}, {}, "must not be negative"),
        (MARGINS, {"kinds": {"town": "ordered"}}, "kinds: 'town' is 'ordered'"),
        (MARGINS, {"kinds": {"age": "continuous"}}, "kinds: 'age' is 'continuous'"),
        (MARGINS, {"correlation": {("age", "town"): 0.1}}, "must be a pair of two columns"),
        (MARGINS, {"correlation": {("age", "age"): 0.1}}, "must be a pair of two columns"),
        (MARGINS, {"correlation": {("age", "gender"): 0.1, ("gender", "age"): 0.2}}, "once"),
        (MARGINS, {"correlation": {("age", "gender"): 1.0}}, "strictly between -1 and 1"),
        (
            {name: {"a": 0.5, "b": 0.5} for name in "xyz"},
            {"correlation": {("x", "y"): 0.9, ("y", "z"): 0.9, ("x", "z"): -0.9}},
            "cannot hold together",
        ),
    ],
)
def test_from_margins_refuses(margins, others, says):
    with pytest.raises(ValueError, match=says):
        ProfileGenerator.from_margins(margins, **others)


DESIGN = pd.DataFrame({"gender": ["Woman", "Man"], "weight": [3.0, 1.0]})


@pytest.mark.parametrize(
    ("given", "others", "says"),
    [
        ([1, 2], {}, "must be a DataFrame with weights or a function"),
        (DESIGN, {"weight": "w"}, "lacks the column 'w'"),
        (DESIGN.head(0), {}, "holds no row"),
        (DESIGN[["weight"]], {}, "no profile column"),
        (DESIGN.assign(weight=[0.0, 0.0]), {}, "sums to 0"),
        (DESIGN.assign(weight=[1.0, -1.0]), {}, "must not be negative"),
        (DESIGN.assign(income=[1.5, 2.5]), {"kinds": {"income": "continuous"}}, "no column can be continuous"),
        (law, {"noise": 2.0}, "noise must be 1 with a function"),
    ],
)
def test_from_law_refuses(given, others, says):
    with pytest.raises(ValueError, match=says):
        ProfileGenerator.from_law(given, **others)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda rng, n: law(rng, n - 1), f"{BLOCK} rows; got {BLOCK - 1} rows"),
        (lambda rng, n: list(range(n)), "got list"),
        (lambda rng, n: law(rng, n).assign(participant="me"), "leave it out"),
        (lambda rng, n: law(rng, n).assign(job=None), "'job' has 1024 missing"),
        (lambda rng, n: pd.DataFrame({f"c{rng.integers(10**9)}": np.zeros(n)}), "must always be the same"),
    ],
)
def test_functions_are_checked(function, says):
    with pytest.raises(ValueError, match=says):
        ProfileGenerator.from_law(function).sample(2 * BLOCK, seed=1)


def test_sample_refuses(pool):
    few = ProfileGenerator.from_margins({"code": {"common": 0.9995, "odd": 0.0005}}, qualified={"code": ["odd"]})
    with pytest.raises(ValueError, match=r"of 4000 trial profiles only \d are accepted \(\d+ not qualified\)"):
        few.sample(1, seed=1)
    alone = pd.DataFrame({"code": [f"c{place}" for place in range(30)]})
    with pytest.raises(ValueError, match=r"only 0 are accepted \(4000 held by too few people"):
        ProfileGenerator.from_pool(alone, k_anonymity=2).sample(1, seed=1)
    plain = ProfileGenerator.from_margins(MARGINS)
    with pytest.raises(ValueError, match="n must be a whole number of at least 1"):
        plain.sample(0, seed=1)
    with pytest.raises(ValueError, match="seed must be a whole number"):
        plain.sample(1, seed=-1)
    strange = ProfileGenerator.from_margins(MARGINS, qualified=lambda table: table["gender"])
    with pytest.raises(ValueError, match="one boolean per row"):
        strange.sample(1, seed=1)
    lost = ProfileGenerator.from_law(law, qualified={"town": ["A"]})
    with pytest.raises(ValueError, match="qualified names the column 'town'"):
        lost.sample(1, seed=1)
