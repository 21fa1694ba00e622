"""Ratings of products and what reviewers wrote: Amazon Reviews 2023 as published, older releases, any CSV."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import check_choice, check_count
from crowdllm_stats._base.messages import BadInput
from crowdllm_stats._base.words import rows_text
from crowdllm_stats.data.answers import as_answers
from crowdllm_stats.data.assemble import Missing
from crowdllm_stats.data.crowd import CrowdData, ordinal
from crowdllm_stats.data.files import locate, read_table
from crowdllm_stats.data.ids import as_ids

SOURCE_2023 = "huggingface.co/datasets/McAuley-Lab/Amazon-Reviews-2023"
SOURCE_OLDER = "the McAuley lab's releases of 2014 and 2018"

#: Stars.
SCALE = ordinal(range(1, 6))

#: Our names of what a review holds, as the older releases call them; of a table of products, what makes its text.
COLUMNS = {name: name for name in ("product_id", "user_id", "rating", "title", "text", "timestamp")}
OF_PRODUCT = ("title", "description", "features")

#: The same in Amazon Reviews 2023, where variants of a product share a parent.
COLUMNS_2023 = {**COLUMNS, "product_id": "parent_asin"}

#: What ids are called in tables of answers.
IDS = {"product_id": "problem", "user_id": "participant"}

#: Names of the older releases, and where their tables of reviews and of products lie.
OLDER = {
    "gift_cards": ("amazon_gift_cards/reviews.csv", "products.csv"),
    "musical_instruments": ("amazon_reviews/musical_instruments_2014_part.csv", None),
    "all_beauty": ("amazon_reviews/all_beauty_5core_2018.csv", None),
}

#: Characters that one evaluation adds to a product's text.
SHOWN = 200


@dataclasses.dataclass(frozen=True, eq=False)
class ProductRatings:
    """Ratings of products, one per reviewer and product, with what the reviewers wrote.

    Attributes:
        data: the ratings, 1 to 5 stars; problems are products, with a column ``text`` where anything is known of them.
            ``data.exclusions`` counts the reviews left out, by reason.
        evaluations: one row per rating of ``data``, in its order: ``problem``, ``participant``, ``evaluation`` (title
            and text of the review, as written) and ``timestamp``.
        describing: evaluations that describe their product, whose ratings are not in ``data``; the same columns.
    """

    data: CrowdData
    evaluations: pd.DataFrame
    describing: pd.DataFrame

    def described(self, first: int) -> ProductRatings:
        """Let the first evaluations of every product describe it: their words join its text, their ratings go.

        So a rating that is to be foreseen never has its own review among what is known of its product. Earliest first,
        by ``timestamp``; those of one time in the order of the table. Of each evaluation the first 200 characters join.

        Args:
            first: evaluations per product, fewer than any product has.

        Returns:
            ProductRatings; the ratings that went are counted in ``data.exclusions``.

        Raises:
            ValueError: if some product has no more reviewers than that, and on ratings that are described already.
        """
        count = check_count("first", first)
        if len(self.describing):
            raise ValueError("these ratings are described already; call described() once, on what the reader gave")
        place = self.evaluations.sort_values("timestamp", kind="stable").groupby("problem", sort=False).cumcount()
        size = self.evaluations.groupby("problem").size()
        if size.min() <= count:
            raise ValueError(
                f"first is {count}, but product {size.idxmin()!r} has {size.min()} reviewer(s), and one rating must be "
                "left to foresee; lower first, or read with a larger least"
            )
        told = (place < count).sort_index().to_numpy()
        describing = self.evaluations[told].assign(place=place[place < count]).sort_values(["problem", "place"])
        described = describing.drop(columns="place").reset_index(drop=True)
        problems = self.data.problems.copy()
        words = described["evaluation"].str.slice(0, SHOWN).groupby(described["problem"]).agg("\n".join)
        known = problems["text"] if "text" in problems else pd.Series("", index=problems.index)
        problems["text"] = (known + "\n" + problems["problem"].map(words)).str.strip()
        rest = self.data.responses[~told].reset_index(drop=True)
        people = self.data.participants
        people = people[people["participant"].isin(rest["participant"])].reset_index(drop=True)
        exclusions = {
            **self.data.exclusions,
            f"among the first {count} of their product, which they describe": int(told.sum()),
        }
        data = CrowdData(rest, people, problems, self.data.scale, exclusions)
        return ProductRatings(data, self.evaluations[~told].reset_index(drop=True), described)


def product_ratings(
    reviews: pd.DataFrame | str | os.PathLike[str], products: pd.DataFrame | str | os.PathLike[str] | None = None, *,
    columns: Mapping[str, str] | None = None, least: int = 20, most: int | None = None, missing: Missing = "refuse",
) -> ProductRatings:  # fmt: skip
    """Ratings of the products with enough reviewers, from a table of reviews.

    Of several reviews of one product by one user the earliest stays. Products about which ``products`` says nothing,
    and those with fewer than ``least`` or more than ``most`` reviewers, are left out. All of this is counted.

    Args:
        reviews: a row per review: ``product_id``, ``user_id``, ``rating`` (1 to 5), and where known ``title``, ``text``
            and ``timestamp``; a frame, or a .csv, .csv.gz or .parquet file.
        products: a row per product: ``product_id`` and any of ``title``, ``description``, ``features`` (texts or lists
            of texts), which make its text. Without it a product has none, until :meth:`ProductRatings.described`.
        columns: these names to yours, for instance ``{"product_id": "asin"}``.
        least: reviewers that a product must have.
        most: reviewers that it may have.
        missing: "drop" leaves out reviews without product, user or rating, and counts them.

    Returns:
        ProductRatings.

    Raises:
        ValueError: on missing columns, ratings off the scale, missing values, a product that is in ``products`` twice,
            and where no product is left.
        FileNotFoundError: if there is no such file.

    Source: CrowdLLM, section 5.3 (20 to 30 reviewers, or exactly 20).

    Example:
        >>> frame = pd.DataFrame({"product_id": ["a", "a", "b"], "user_id": ["ann", "bob", "ann"], "rating": [5, 3, 4]})
        >>> found = product_ratings(frame, least=2)
        >>> len(found.data.responses), found.data.exclusions
        (2, {'of products with fewer than 2 reviewers': 1})
    """
    label = "reviews" if isinstance(reviews, pd.DataFrame) else os.fspath(reviews)
    enough = check_count("least", least)
    highest = np.inf if most is None else check_count("most", most, enough)
    left = _Left(_named(reviews if isinstance(reviews, pd.DataFrame) else read_table(reviews), columns, label), label)
    gaps = left.reviews[list(IDS) + ["rating"]].isna()
    if gaps.to_numpy().any() and missing == "refuse":
        name = gaps.columns[gaps.any()][0]
        raise BadInput(
            f"{label}: column {(columns or {}).get(name, name)!r} is empty in {int(gaps[name].sum())} of {len(gaps)} "
            f"rows ({rows_text(gaps[name].to_numpy())})",
            python='fill them, or give missing="drop" to leave these rows out and have them counted',
        )
    left = left.where(~gaps.any(axis=1), "without product, user or rating")
    left = dataclasses.replace(left, reviews=left.reviews.sort_values("timestamp", kind="stable", ignore_index=True))
    left = left.where(~left.reviews.duplicated(list(IDS)), "of a product that the user had reviewed before")
    texts = None if products is None else _texts(products, columns)
    if texts is not None:
        left = left.where(left.reviews["product_id"].isin(texts.index), "of products without text")
    left = left.where(left.reviewers >= enough, f"of products with fewer than {enough} reviewers")
    left = left.where(left.reviewers <= highest, f"of products with more than {most} reviewers")
    named = left.reviews.rename(columns={**IDS, "rating": "response"})
    names = pd.Series(named["problem"].unique())
    data = CrowdData.from_frame(
        named[[*IDS.values(), "response"]],
        problems=None if texts is None else pd.DataFrame({"problem": names, "text": names.map(texts)}),
        scale=SCALE,
    )
    evaluations = named[[*IDS.values(), "evaluation", "timestamp"]]
    return ProductRatings(dataclasses.replace(data, exclusions=left.exclusions), evaluations, evaluations[:0])


@dataclasses.dataclass(frozen=True, eq=False)
class _Left:
    """The reviews that are left, and how many were left out, by reason."""

    reviews: pd.DataFrame
    label: str
    exclusions: dict[str, int] = dataclasses.field(default_factory=dict)

    @property
    def reviewers(self) -> pd.Series:
        """Of the product of every review."""
        return self.reviews.groupby("product_id")["user_id"].transform("size")

    def where(self, kept: pd.Series, why: str) -> _Left:
        """Some of the reviews; the others counted. Refused where none is left."""
        out = int(np.sum(~kept))
        exclusions = {**self.exclusions, why: out} if out else self.exclusions
        if out == len(self.reviews):
            counts = ", ".join(f"{count} {reason}" for reason, count in exclusions.items())
            raise ValueError(
                f"{self.label}: no review is left ({counts}); lower least, or give other reviews or products"
            )
        return _Left(self.reviews[kept].reset_index(drop=True), self.label, exclusions)


def _named(given: pd.DataFrame, columns: Mapping[str, str] | None, label: str) -> pd.DataFrame:
    """Product, user, rating, evaluation and timestamp under our names; missing ids and ratings as missing values."""
    names = {**COLUMNS, **(columns or {})}
    if set(names) - set(COLUMNS):
        raise ValueError(f"columns: {sorted(set(names) - set(COLUMNS))[0]!r} is not one of {', '.join(COLUMNS)}")
    absent = [names[ours] for ours in ("product_id", "user_id", "rating") if names[ours] not in given.columns]
    if absent:
        there = ", ".join(map(str, given.columns))
        raise ValueError(f"{label}: no column {absent[0]!r}; the columns there are {there}; say with columns= which is")
    if not len(given):
        raise ValueError(f"{label}: there is a header but no rows; at least one review is needed")
    found = pd.DataFrame(index=range(len(given)))
    for ours in ("product_id", "user_id"):
        ids = as_ids(given[names[ours]], f"{label}: column {names[ours]!r}")
        found[ours] = ids.column().mask(ids.missing, None)
    rating = as_answers(given[names["rating"]], SCALE, f"{label}: column {names['rating']!r}")
    found["rating"] = pd.Series(rating.given).mask(rating.missing)
    parts = [given[names[one]].astype(object).fillna("").astype(str).str.strip().reset_index(drop=True)
             for one in ("title", "text") if names[one] in given.columns]  # fmt: skip
    found["evaluation"] = [". ".join(filter(None, words)) for words in zip(*parts, strict=True)] if parts else ""
    found["timestamp"] = 0.0
    if names["timestamp"] in given.columns:
        times = pd.to_numeric(given[names["timestamp"]].astype(object), errors="coerce").reset_index(drop=True)
        if times.isna().any():
            raise ValueError(
                f"{label}: column {names['timestamp']!r} holds no number in {int(times.isna().sum())} of {len(times)} "
                f"rows ({rows_text(times.isna().to_numpy())}); correct them, or leave the column out"
            )
        found["timestamp"] = times.astype(float)
    return found


def _texts(products: pd.DataFrame | str | os.PathLike[str], columns: Mapping[str, str] | None) -> pd.Series:
    """The text of every product that has one, by id."""
    label = "products" if isinstance(products, pd.DataFrame) else os.fspath(products)
    table = products if isinstance(products, pd.DataFrame) else read_table(products)
    key = {**COLUMNS, **(columns or {})}["product_id"]
    there = [name for name in OF_PRODUCT if name in table.columns]
    if key not in table.columns or not there:
        raise ValueError(
            f"{label}: a table of products holds the column {key!r} and any of {', '.join(OF_PRODUCT)}; the columns "
            f"there are {', '.join(map(str, table.columns))}"
        )
    ids = as_ids(table[key], f"{label}: column {key!r}").column()
    if ids.duplicated().any():
        raise ValueError(f"{label}: product {ids[ids.duplicated()].iloc[0]!r} stands there twice; keep one row")
    rows = table[there].astype(object).itertuples(index=False)
    texts = pd.Series([". ".join(filter(None, map(_words, row))) for row in rows], index=ids.to_numpy())
    return texts[texts != ""]


def _words(value: Any) -> str:
    """A text, or a list of texts joined; nothing for a missing one."""
    if isinstance(value, list | tuple | np.ndarray):
        return " ".join(filter(None, map(_words, value)))
    return value.strip() if isinstance(value, str) else ""


def amazon_reviews_2023(
    category: str, folder: str | os.PathLike[str] | None = None, *, least: int = 20, most: int | None = None,
    missing: Missing = "refuse",
) -> ProductRatings:  # fmt: skip
    """Read a category of Amazon Reviews 2023; a product is what shares a ``parent_asin``.

    Args:
        category: as the files name it, for instance "All_Beauty" or "Musical_Instruments".
        folder: with ``CATEGORY.jsonl`` and ``meta_CATEGORY.jsonl`` (or .jsonl.gz), or one that holds them under
            ``amazon_reviews_2023``; without it, CROWDLLM_STATS_DATA.
        least: reviewers that a product must have; the paper's are ``least=20, most=30`` and ``least=20, most=20``.
        most: reviewers that it may have.
        missing: as :func:`product_ratings`.

    Returns:
        ProductRatings; a product's text is its title, description and features.

    Raises:
        FileNotFoundError: if the folder or a file is not there.
        ValueError: on a line that is cut off or not a JSON object, and as :func:`product_ratings`.

    Source: Hou et al. 2024, Bridging language and items for retrieval and recommendation, arXiv 2403.03952.

    Example:
        >>> print(amazon_reviews_2023("All_Beauty", most=30).data)  # doctest: +SKIP
    """
    places = [f"{place}{{}}{category}.jsonl{end}" for place in ("amazon_reviews_2023/", "") for end in ("", ".gz")]
    reviews, products = (
        locate([place.format(head) for place in places], folder, SOURCE_2023) for head in ("", "meta_")
    )
    return product_ratings(
        _json_lines(reviews, list(COLUMNS_2023.values())), _json_lines(products, ["parent_asin", *OF_PRODUCT]),
        columns=COLUMNS_2023, least=least, most=most, missing=missing,
    )  # fmt: skip


def _json_lines(path: Path, wanted: Sequence[str]) -> pd.DataFrame:
    """Some keys of a file with a JSON object a line; a key that a line lacks is missing there."""
    columns: dict[str, list[Any]] = {name: [] for name in wanted}
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}: line {number} is not JSON ({error}); the file may be cut off there") from None
        if not isinstance(found, dict):
            raise ValueError(
                f"{path}: line {number} holds {type(found).__name__}, and a line must hold an object {{...}}"
            )
        for name, column in columns.items():
            column.append(found.get(name))
    return pd.DataFrame(columns)


def _lines(path: Path) -> Iterator[str]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            yield from file
    except (EOFError, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cut off, damaged or not UTF-8 ({error}); download it again") from None


def amazon_reviews(
    name: str, folder: str | os.PathLike[str] | None = None, *, least: int = 20, most: int | None = None
) -> ProductRatings:
    """Read one of the shop's older releases, as CSV.

    Args:
        name: "gift_cards" (with the products' texts), "musical_instruments" or "all_beauty" (without).
        folder: the data folder, with ``amazon_gift_cards`` and ``amazon_reviews``; without it, CROWDLLM_STATS_DATA.
        least: reviewers that a product must have.
        most: reviewers that it may have.

    Raises:
        FileNotFoundError: if the folder or a file is not there.
        ValueError: on an unknown name, and as :func:`product_ratings`.

    Example:
        >>> print(amazon_reviews("gift_cards").data)  # doctest: +SKIP
    """
    check_choice("name", name, tuple(OLDER))
    place, beside = OLDER[name]
    path = locate([place, Path(place).name], folder, SOURCE_OLDER)
    return product_ratings(path, None if beside is None else path.parent / beside, least=least, most=most)
