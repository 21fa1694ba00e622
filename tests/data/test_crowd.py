"""CrowdData: what it keeps, what it refuses, and that nothing gets lost on the way through files and splits."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdllm_stats.data.crowd import CrowdData, approval, categorical, continuous, ordinal
from crowdllm_stats.data.shape import _SUMS

FIVE = ordinal(range(1, 6))


def long_table(**changes):
    """4 answers, 3 people, 2 problems."""
    columns = {
        "problem": ["x", "x", "x", "y"],
        "participant": ["ann", "bob", "cem", "ann"],
        "response": [1, 5, 3, 2],
        "gender": ["Woman", "Man", "Man", "Woman"],
        "text": ["first", "first", "first", "second"],
    }
    return pd.DataFrame(columns | changes)


# ---- what is kept


def test_columns_are_told_apart():
    data = CrowdData.from_frame(long_table(), scale=FIVE)
    assert data.responses.columns.tolist() == ["problem", "participant", "response"]
    assert data.responses["response"].dtype == np.float64
    assert data.participants.to_dict("list") == {
        "participant": ["ann", "bob", "cem"],
        "gender": ["Woman", "Man", "Man"],
    }
    assert data.problems.to_dict("list") == {"problem": ["x", "y"], "text": ["first", "second"]}
    assert data.exclusions == {}


def test_a_scale_may_be_written_as_on_the_command_line(tmp_path):
    place = tmp_path / "ratings.csv"
    long_table().to_csv(place, index=False)
    assert CrowdData.read(place, scale="1,2,3,4,5") == CrowdData.from_frame(long_table(), scale=FIVE)
    assert CrowdData.read(place, scale="1:5").scale == continuous(1, 5)
    labels = CrowdData.read(place, scale="1:5").to_crowdkit()
    assert CrowdData.from_crowdkit(labels, scale="1:5").scale == continuous(1, 5)
    words = CrowdData.from_frame(long_table(response=["no", "yes", "no", "no"]), scale="yes,no")
    assert words.scale == categorical(["yes", "no"])
    with pytest.raises(ValueError, match=r'scale \'1-5\' is not understood; write "1:5", "1,2,3,4,5" or "yes,no"'):
        CrowdData.read(place, scale="1-5")
    with pytest.raises(ValueError, match="holds 1 of 4 answers off the scale"):
        CrowdData.read(place, scale="1:4")
    with pytest.raises(ValueError, match=r"or a Scale \(continuous\(1, 5\), ...\); got \(1, 5\)"):
        CrowdData.read(place, scale=(1, 5))


def test_nested_people_do_not_take_the_problem_columns():
    frame = long_table(participant=["a", "b", "c", "d"])
    data = CrowdData.from_frame(frame.assign(country="DE"))
    assert data.problems.columns.tolist() == ["problem", "text"]
    assert data.participants.columns.tolist() == ["participant", "gender", "country"]


def test_named_columns_only():
    data = CrowdData.from_frame(long_table(note=list("abcd")), profile_columns=["gender"])
    assert data.participants.columns.tolist() == ["participant", "gender"]
    assert data.problems.columns.tolist() == ["problem"]


@pytest.mark.parametrize("ids", [[1, 1, 2, 3], [1.0, 1.0, 2.0, 3.0], ["1", 1, 2.0, "3"], [np.int8(1), "1", "2", 3]])
def test_numbers_and_their_text_are_one_id(ids):
    data = CrowdData.from_frame(
        long_table(problem=["w", "x", "y", "z"], participant=ids)[["problem", "participant", "response"]]
    )
    assert data.responses["participant"].tolist() == ["1", "1", "2", "3"]
    assert data.participants["participant"].tolist() == ["1", "2", "3"]


def test_ids_keep_zeros_and_unicode_form():
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    names = ["007", "7", composed, decomposed]
    data = CrowdData.from_frame(long_table(participant=names, problem="x").drop(columns=["text", "gender"]))
    assert data.responses["participant"].tolist() == names


def test_user_table_is_left_alone():
    frame = long_table().rename(columns={"problem": "item"})
    before = frame.copy(deep=True)
    CrowdData.from_frame(frame, columns={"problem": "item"})
    pd.testing.assert_frame_equal(frame, before)


def test_tables_of_their_own_may_hold_more(tmp_path):
    people = pd.DataFrame({"participant": ["dan", "cem", "bob", "ann"], "age": [20, 30, 40, 50]})
    people.to_csv(tmp_path / "people.csv", index=False)
    plain = long_table().drop(columns="gender")
    data = CrowdData.from_frame(plain, participants=tmp_path / "people.csv")
    assert data.participants.to_dict("list") == people.to_dict("list")
    assert "1 participant without a response" in str(data)
    both = CrowdData.from_frame(long_table(), participants=people)
    assert both.participants.set_index("participant").loc["dan"].tolist() == [20, ""]


def test_missing_is_dropped_on_request_and_counted():
    frame = long_table(response=[1, None, 3, 2], participant=["ann", None, "", "ann"])
    data = CrowdData.from_frame(frame, scale=FIVE, missing="drop")
    assert data.exclusions == {"missing response": 1, "missing participant": 1}
    assert len(data.responses) == 2
    assert "left out: 1 missing response, 1 missing participant" in str(data)


def test_repeats_are_numbered():
    frame = pd.DataFrame({"problem": list("xyxx"), "participant": "llm", "response": [1, 2, 3, 4]})
    data = CrowdData.from_frame(frame, repeats="keep")
    assert data.responses["repeat"].tolist() == [0, 0, 1, 2]
    given = CrowdData.from_frame(frame.assign(repeat=[7, 0, 2, 3]), repeats="keep")
    assert given.responses["repeat"].tolist() == [2, 0, 0, 1]


def test_ballots():
    scale = approval(["park", "pool", "bridge"], k=2)
    frame = long_table(response=[("pool", "park"), "bridge", ["park"], np.array(["bridge", "pool"])])
    data = CrowdData.from_frame(frame, scale=scale)
    assert data.responses["response"].tolist() == [("park", "pool"), ("bridge",), ("park",), ("pool", "bridge")]
    assert "options per ballot" in str(data)


def test_summary():
    assert str(CrowdData.from_frame(long_table(), scale=FIVE)).splitlines() == [
        "CrowdData",
        "  2 problems, 3 participants, 4 responses",
        "  1 to 3 responses per problem (median 2), 1 to 2 per participant",
        "  scale: ordinal 1, 2, 3, 4, 5 (answers from 1 to 5, mean 2.75)",
        "  profile gender: Man (2), Woman (1)",
        "  problem columns: text",
    ]


# ---- what is refused, each in one line


BAD = [
    ({"problem": ["x", None, "x", "y"]}, {}, r"column 'problem' is empty in 1 of 4 rows \(data row 2\)"),
    ({"response": [1, np.nan, 3, None]}, {}, r"column 'response' is empty in 2 of 4 rows \(data rows 2, 4\)"),
    ({"response": ["1", "lots", "3", "2"]}, {}, r"1 of 4 answers that are not numbers: 'lots' in data row 2"),
    ({"response": [1, np.inf, 3, 2]}, {}, r"1 infinite answers in data row 2"),
    ({"response": [1, -1e141, 3, 2]}, {}, r"squares overflow.*data row 2"),
    ({"response": [1, 9, 3, 7]}, {"scale": FIVE}, r"2 of 4 answers off the scale .*: 9.0, 7.0 in data rows 2, 4"),
    ({"response": [1, 2.5, 3, 2]}, {"scale": FIVE}, r"off the scale .*: 2.5"),
    ({"response": list("yynx")}, {"scale": categorical(["y", "n"])}, r"unknown options: 'x' in data row 4.*'y', 'n'"),
    ({"response": ["a|a", "a", "b", "a"]}, {"scale": approval(["a", "b"])}, r"1 of 4 ballots name an option twice"),
    (
        {"response": ["a|b", "a", "b", "a"]},
        {"scale": approval(["a", "b"], 1)},
        r"hold more than 1 options, in data row 1",
    ),
    ({"response": ["a", "c", "b", "a"]}, {"scale": approval(["a", "b"])}, r"unknown options: 'c' in data row 2"),
    ({"response": [[1], 2, 3, 4]}, {}, r"lists where numbers are expected"),
    ({"participant": [1.5, 2, 3, 4]}, {}, r"holds 1.5 in data row 1; ids must be text or whole numbers"),
    (
        {"participant": ["ann", "bob", "ann", "ann"], "gender": "Woman"},
        {},
        r"1 answers repeat .*'x' by 'ann' \(data row 3\).*repeats=",
    ),
    (
        {"problem": "x", "participant": ["ann", "ann", "bob", "bob"], "gender": "Woman", "text": "t"},
        {},
        r"2 answers repeat .*problem 'x' by 'ann' \(data rows 2, 4\)",
    ),
    (
        {"gender": ["Woman", "Man", "Man", "Man"], "text": "t"},
        {},
        r"'gender' has one value neither .*'ann': 'Woman', 'Man'",
    ),
    (
        {"gender": ["Woman", "Man", "Man", "Man"]},
        {"profile_columns": ["gender"]},
        r"every participant, but 1 have several",
    ),
    ({}, {"columns": {"problem": "item"}}, r"no column 'item'; the columns there are .*columns=\{'problem': \.\.\.\}"),
    ({}, {"columns": {"item": "problem"}}, r"'item' is not one of problem, participant, response"),
    ({}, {"profile_columns": ["age"]}, r"no column 'age'"),
    ({}, {"repeats": "maybe"}, r"repeats must be one of 'refuse', 'keep'"),
    ({}, {"missing": "ignore"}, r"missing must be one of"),
    ({}, {"participants": pd.DataFrame({"participant": ["ann"]})}, r"no row for 2 participant\(s\).*'bob', 'cem'"),
    ({}, {"participants": pd.DataFrame({"participant": list("aa")})}, r"'a' has 2 rows"),
    ({}, {"problems": pd.DataFrame({"problem": ["x", "y"], "text": list("ab")})}, r"'text' is also in responses"),
    ({}, {"problems": pd.DataFrame({"problem": ["x", "y"], "gender": list("ab")})}, r"name already in use"),
    ({}, {"problems": pd.DataFrame({"item": ["x"]})}, r"problems: no column 'problem'"),
]


@pytest.mark.parametrize(("changes", "keywords", "message"), BAD)
def test_refusals_name_column_rows_and_remedy(changes, keywords, message):
    with pytest.raises(ValueError, match=message) as error:
        CrowdData.from_frame(long_table(**changes), **keywords)
    assert "\n" not in str(error.value)


def test_empty_and_odd_tables_are_refused():
    with pytest.raises(ValueError, match="no rows"):
        CrowdData.from_frame(long_table().iloc[:0])
    with pytest.raises(ValueError, match="DataFrame"):
        CrowdData.from_frame([1, 2])
    with pytest.raises(ValueError, match="'gender' is there twice"):
        CrowdData.from_frame(pd.concat([long_table(), long_table()[["gender"]]], axis=1))
    with pytest.raises(ValueError, match=r"none of the 4 rows is complete \(4 missing response\)"):
        CrowdData.from_frame(long_table(response=None), missing="drop")


def test_row_numbers_count_rows_before_any_are_dropped():
    frame = long_table(response=[None, 5, 3, 2], participant=["cem", "ann", "ann", "ann"], problem=["x", "x", "x", "y"])
    with pytest.raises(ValueError, match=r"\(data row 3\)"):
        CrowdData.from_frame(frame.drop(columns=["gender"]), missing="drop")


# ---- parts, splits, Crowd-Kit


def test_select_keeps_the_other_table_whole():
    data = CrowdData.from_frame(long_table(), scale=FIVE)
    part = data.select(participants=["bob", "cem"])
    assert part.responses["response"].tolist() == [5.0, 3.0]
    assert part.participants["participant"].tolist() == ["bob", "cem"]
    assert part.problems["problem"].tolist() == ["x", "y"]
    with pytest.raises(ValueError, match="not in the data"):
        data.select(problems=["z"])
    with pytest.raises(ValueError, match="no response is left"):
        data.select(problems=["y"], participants=["bob"])


@given(st.integers(2, 12), st.integers(2, 7), st.floats(0.05, 0.95), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_splits_part_the_data(n_people, n_problems, fraction, seed):
    grid = pd.MultiIndex.from_product([range(n_people), range(n_problems)], names=["participant", "problem"])
    data = CrowdData.from_frame(pd.DataFrame({"response": np.arange(len(grid))}, index=grid))
    for split, key, size in (
        (data.split_participants(fraction, seed), "participant", n_people),
        (data.split_problems(fraction, seed), "problem", n_problems),
    ):
        sides = [set(side.responses[key]) for side in (split.train, split.test)]
        assert not sides[0] & sides[1]
        assert len(sides[0] | sides[1]) == size
        assert len(sides[1]) == min(max(round(fraction * size), 1), size - 1)
        assert len(split.train.responses) + len(split.test.responses) == len(data.responses)
    assert data.split_problems(fraction, seed).test == data.split_problems(fraction, seed).test


def test_split_refuses_a_share_that_is_none():
    data = CrowdData.from_frame(long_table())
    for fraction in (0, 1, 80):
        with pytest.raises(ValueError, match="fraction"):
            data.split_participants(fraction, seed=0)
    with pytest.raises(ValueError, match="nothing to split"):
        data.select(problems=["x"]).split_problems(0.5, seed=0)


def test_crowdkit_and_back():
    data = CrowdData.from_frame(long_table(), scale=FIVE, profile_columns=[])
    labels = data.to_crowdkit()
    assert labels.columns.tolist() == ["task", "worker", "label"]
    assert CrowdData.from_crowdkit(labels, scale=FIVE) == data


def test_crowdkit_gets_one_row_an_option():
    scale = approval(["park", "a pool", "bridge"])
    frame = pd.DataFrame(
        {"problem": ["q|1", "q|1"], "participant": ["ann", "bob"], "response": ["park|bridge", "a pool"]}
    )
    data = CrowdData.from_frame(frame, scale=scale)
    labels = data.to_crowdkit()
    assert labels["task"].tolist()[:3] == ["q|1|park", "q|1|a pool", "q|1|bridge"]
    assert labels["label"].tolist() == [1, 0, 1, 0, 1, 0]
    assert CrowdData.from_crowdkit(labels, scale=scale) == data
    with pytest.raises(ValueError, match="problem|option"):
        CrowdData.from_crowdkit(pd.DataFrame({"task": ["q"], "worker": ["w"], "label": [1]}), scale=scale)
    with pytest.raises(ValueError, match="0 or 1"):
        CrowdData.from_crowdkit(pd.DataFrame({"task": ["q|park"], "worker": ["w"], "label": [2]}), scale=scale)


# ---- through files and back

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6)
#: Hypothesis tries words of the package's own code, and a person called "total" is refused.
IDS = WORDS.filter(lambda text: text == text.strip() and text and text.rstrip(":").casefold() not in _SUMS)
ANSWERS = {
    "continuous": (continuous(), st.floats(-1e140, 1e140)),
    "bounded": (continuous(-1, 1), st.floats(-1, 1)),
    "ordinal": (FIVE, st.sampled_from([1, 2, 3, 4, 5])),
    "categorical": (categorical(["yes", "no", 'a "quote", and\nbreak']), st.sampled_from(["yes", "no"])),
    "approval": (
        approval(["a", "b", "c, d"], k=2),
        st.lists(st.sampled_from(["a", "b", "c, d"]), min_size=1, max_size=2, unique=True),
    ),
}


@st.composite
def crowds(draw):
    scale, answer = ANSWERS[draw(st.sampled_from(sorted(ANSWERS)))]
    people = draw(st.lists(IDS, min_size=1, max_size=4, unique=True))
    problems = draw(st.lists(IDS, min_size=1, max_size=3, unique=True))
    repeats = draw(st.booleans())
    cells = st.tuples(st.sampled_from(problems), st.sampled_from(people))
    chosen = draw(st.lists(cells, min_size=1, max_size=8, unique=not repeats))
    rows = [(problem, person, draw(answer)) for problem, person in chosen]
    frame = pd.DataFrame(rows, columns=["problem", "participant", "response"])
    profile = {person: (draw(WORDS), draw(st.integers(-9, 99)), draw(st.floats(-1e9, 1e9))) for person in people}
    for place, name in enumerate(("group", "age", "weight")):
        frame[name] = [profile[person][place] for _, person in chosen]
    text = {problem: draw(WORDS) for problem in problems}
    frame["text"] = [text[problem] for problem, _ in chosen]
    keywords = {
        "scale": scale,
        "repeats": "keep" if repeats else "refuse",
        "profile_columns": ["group", "age", "weight"],
        "problem_columns": ["text"],
    }
    return CrowdData.from_frame(frame, **keywords), keywords


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])
@given(case=crowds())
@settings(max_examples=40, deadline=None)
def test_what_is_written_is_read_back(tmp_path_factory, ending, case):
    data, keywords = case
    path = tmp_path_factory.mktemp("crowd") / f"data{ending}"
    data.write(path)
    assert CrowdData.read(path, **keywords) == data


@given(case=crowds())
@settings(max_examples=40, deadline=None)
def test_long_table_is_the_same_data(case):
    data, keywords = case
    assert CrowdData.from_frame(data.to_frame(), **keywords) == data


def test_equality_sees_every_part():
    data = CrowdData.from_frame(long_table(), scale=FIVE)
    assert data == CrowdData.from_frame(long_table(), scale=FIVE)
    assert data != CrowdData.from_frame(long_table(), scale=continuous(1, 5))
    assert data != CrowdData.from_frame(long_table(response=[1, 5, 3, 3]), scale=FIVE)
    assert data != CrowdData.from_frame(long_table(gender="Man"), scale=FIVE)
    assert data != CrowdData.from_frame(long_table(text="same"), scale=FIVE)
    assert data != "data"


def test_write_refuses_to_lose_people(tmp_path):
    data = CrowdData.from_frame(long_table()).select(problems=["y"])
    with pytest.raises(ValueError, match=r"2 participant\(s\) without a response would be lost"):
        data.write(tmp_path / "part.csv")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        CrowdData.from_frame(long_table()).write(tmp_path / "no" / "part.csv")
    with pytest.raises(ValueError, match="file type not known"):
        CrowdData.from_frame(long_table()).write(tmp_path / "part.xlsx")
