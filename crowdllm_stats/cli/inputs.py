"""From names on the command line to tables: files, and data sets known by name."""

from __future__ import annotations

import dataclasses
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from crowdllm_stats._base.messages import inside
from crowdllm_stats._base.shown import several
from crowdllm_stats._base.words import split_list
from crowdllm_stats.cli.columns import columns_of, given_columns, named_everywhere
from crowdllm_stats.cli.option_groups import given_options
from crowdllm_stats.cli.options import ReadAnswers, ReadOptions, Tables
from crowdllm_stats.data.layout import OURS, column_named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from crowdllm_stats.data.crowd import CrowdData, Scale
    from crowdllm_stats.data.shape import Reading

#: Names that stand in place of a file.
EXAMPLES = ("example:human", "example:digital", "example:reference")
NAMES = (*EXAMPLES, "popquorn:TASK", "popquorn-llm:MODEL", "amazon:RELEASE")

FREE = "free"


@dataclasses.dataclass
class Loaded:
    """The tables, each with the scale asked for, and what to say about the reading.

    Attributes:
        people: the human answers; None where they are too many to be read as a whole.
        digital: the digital population's answers; None where the command got no table of them.
        match: columns to build twins from.
        notes: how words became numbers, and what was left out on request.
        inputs: the sources, for the manifest.
        notices: what must be said before the numbers.
    """

    people: CrowdData | None
    digital: CrowdData | None
    match: list[str]
    notes: list[str]
    inputs: list[dict[str, Any]]
    notices: list[str]

    @property
    def human(self) -> CrowdData:
        """The human answers, for all but what does without having read them."""
        assert self.people is not None
        return self.people

    @property
    def tables(self) -> tuple[CrowdData, CrowdData]:
        """Both tables, for a command that asks for two."""
        assert self.digital is not None
        return self.human, self.digital


class Read(NamedTuple):
    """One table, the description of its source, and ids of the people of whom no row meets --where."""

    data: CrowdData
    source: dict[str, Any]
    outside: frozenset[str] = frozenset()


def load(tables: Tables, problem_columns: Sequence[str] = ()) -> Loaded:
    """Read the tables as the options say.

    Args:
        tables: the options.
        problem_columns: further columns of the human file to keep, one value for each problem.

    Raises:
        ValueError: on anything wrong with a file, an option or the two together.
        FileNotFoundError: if a file or data folder is not there.
    """
    from crowdllm_stats.survey.first_look import open_survey
    from crowdllm_stats.survey.tables import without_people

    match = split_list(tables.match or "")
    if tables.match is not None and not match:
        raise ValueError("--match needs at least one profile column, for instance --match gender,race")
    scale = _scale("--scale", tables.scale)
    digital_scale = _digital_scale(tables.digital_scale, scale)
    shared = named_everywhere(tables)
    of_human = [given_columns("--human-columns", tables.human_columns), shared]
    of_digital = [given_columns("--digital-columns", tables.digital_columns), shared]
    reading = tables.reading()
    people = _read(tables.humans, tables, scale, match, "--human-columns", of_human, reading, problem_columns)
    human = people.data
    sources, digital = [people.source], None
    if tables.digital:
        if same_source(tables.humans, tables.digital):
            raise ValueError(f"HUMANS and DIGITAL are the same ({tables.humans}): every answer would be its own twin")
        known = human.problems["problem"].tolist()
        reading = tables.reading(known, human=False)
        crowd = _read(tables.digital, tables, digital_scale, match, "--digital-columns", of_digital, reading)
        digital = crowd.data if match else without_people(crowd.data, people.outside)
        sources.append(crowd.source)
    left, coded = _left_out("human", human)
    human = dataclasses.replace(human, notes=())  # they are said before the numbers
    if digital is not None:
        more, more_coded = _left_out("digital", digital)
        left, coded = [*left, *more], [*coded, *more_coded]
        digital = dataclasses.replace(digital, notes=())
    survey = open_survey(human, digital, as_given=tables.as_given)
    human = _only(survey.human, tables.problem) if tables.problem else survey.human
    if digital is not None:
        digital = _also_only(survey.digital, tables.problem) if tables.problem else survey.digital
    return Loaded(human, digital, match, [*survey.coding, *left], sources, coded)


#: Options that do not ask for the human answers as a whole.
_LITTLE = ("humans", "digital", "scale", "as-given", "explain", "json", "out", "plot", "keep-formulas", "data")


def too_many(tables: Tables) -> Loaded | None:
    """What is known beforehand of human answers in a Parquet file beyond memory; None where they are read as a whole.

    They are so if there is a digital table, no scale, or an option that needs all of them.
    """
    from crowdllm_stats._base.manifest import described_file
    from crowdllm_stats.survey.beyond_memory import is_beyond

    if not is_beyond(tables.humans) or _needs_all(tables):
        return None
    return Loaded(None, None, [], [], [described_file(Path(tables.humans))], [])


def say_why_whole(tables: Tables) -> None:
    """Why human answers in a Parquet file beyond memory were read as a whole, on stderr; nothing of a smaller one."""
    from crowdllm_stats.survey.beyond_memory import ROWS, is_beyond

    if is_beyond(tables.humans):
        print(
            f"{tables.humans} has more than {ROWS:,} rows; it was read as a whole because of "
            f"{' and '.join(_needs_all(tables))}. With --scale LOW:HIGH alone, and with interval_from in Python, it is "
            "read in parts and takes little memory.",
            file=sys.stderr, flush=True,
        )  # fmt: skip


def _needs_all(tables: Tables) -> list[str]:
    needed = [option for option in given_options(tables) if option.removeprefix("--") not in _LITTLE]
    needed += ["DIGITAL"] if tables.digital else []
    out = tables.out or ""
    needed += ["--out FOLDER/"] if out and (out.endswith("/") or Path(out).is_dir()) else []
    scale = _scale("--scale", tables.scale)
    return [*needed, *(["a missing --scale LOW:HIGH"] if scale is None or not scale.numeric else [])]


def _digital_scale(text: str | None, scale: Scale | None) -> Scale | None:
    """The scale of the digital answers: that of the human ones, also between levels, unless something is said of it."""
    from crowdllm_stats.data.scale import continuous
    from crowdllm_stats.survey.tables import digital_scale

    if text is None:
        return digital_scale(scale)
    return continuous() if text == FREE else _scale("--digital-scale", text)


def read_plain(reference: str | None, tables: Tables, loaded: Loaded) -> CrowdData | None:
    """The plain answers of ``--reference``, their source added to those of the tables; None without the option."""
    if reference is None:
        return None
    answers, source = read_reference(reference, tables)
    loaded.inputs.append(source)
    return answers


def same_source(first: str, second: str) -> bool:
    """Whether two names mean one file or one data set.

    Example:
        >>> same_source("example:human", "example:human")
        True
    """
    if first == second:
        return True
    one, other = Path(first), Path(second)
    return one.exists() and other.exists() and one.samefile(other)


def read_reference(name: str, tables: Tables) -> tuple[CrowdData, dict[str, Any]]:
    """The LLM's plain answers, several per problem where they are repeated, and a description of their source.

    Raises:
        ValueError: if a column is missing or an answer is not a number.
        FileNotFoundError: if there is no such file.
    """
    from crowdllm_stats._base.manifest import described_answers, described_file
    from crowdllm_stats.data.assemble import Wishes
    from crowdllm_stats.data.opening import file_and_part, open_table
    from crowdllm_stats.data.shape import Reading, names_like_ours
    from crowdllm_stats.survey.plain_answers import from_table

    if same_source(name, tables.humans):
        raise ValueError(f"--reference {name}: these are the human answers; give the LLM's plain answers")
    if ":" in name and not Path(name).exists():
        data = named_data(name, tables.data)
        return data, described_answers(name, data.responses)
    sides = (("digital", tables.digital_columns), ("human", tables.human_columns))
    frame = open_table(name).frame
    there = list(map(str, frame.columns))
    given = (given_columns(f"--{side}-columns", text) for side, text in sides)
    wanted = [{}, *given, named_everywhere(tables), names_like_ours(there)]
    columns = columns_of(there, f"--reference {name}", "--digital-columns", wanted, ("problem", "response"))
    ours = {theirs: ours for ours, theirs in columns.items()}
    wishes = Wishes(
        missing="drop" if tables.drop_missing else "refuse", missing_codes=tables.codes,
        reading=Reading(labels=tables.labels),
    )  # fmt: skip
    data = from_table(frame.rename(columns=ours), name, wishes)
    return data, described_file(file_and_part(name)[0])


def _scale(option: str, text: str | None) -> Scale | None:
    if text is None:
        return None
    from crowdllm_stats.data.crowd import Scale

    try:
        scale = Scale.parse(text)
    except ValueError as error:
        raise inside(option, error) from None
    if not scale.numeric and len(scale.options) != 2:
        raise ValueError(
            f"{option} {text!r}: the commands need numbers, for instance 1:5 or 1,2,3,4,5, or two words, for instance "
            "no,yes"
        )
    return scale


def _read(
    name: str,
    tables: Tables,
    scale: Scale | None,
    match: list[str],
    option: str,
    wanted: Sequence[Mapping[str, str]],
    reading: Reading,
    problem_columns: Sequence[str] = (),
) -> Read:
    from crowdllm_stats._base.manifest import described_answers, described_file
    from crowdllm_stats.data.assemble import Wishes, assemble
    from crowdllm_stats.data.conditions import applicable
    from crowdllm_stats.data.crowd import CrowdData
    from crowdllm_stats.data.opening import file_and_part, open_table
    from crowdllm_stats.data.shape import shaped
    from crowdllm_stats.survey.tables import on_scale

    if ":" in name and not Path(name).exists():
        if wanted[0]:
            raise ValueError(f"{option} is for files; {name} has its own columns")
        data = named_data(name, tables.data)
        if scale is not None:
            data = on_scale(data, scale, name)
        return Read(data, described_answers(name, data.responses))
    opened = open_table(name)
    if option == "--digital-columns":
        there = list(map(str, opened.frame.columns))
        kept = applicable(reading.where, there)
        if idle := [one for one in reading.where if one not in kept]:
            opened = opened.noting(
                f"{name} has no column for {' and '.join(idle)}: all its people count, but for the twins of those who "
                "are left out."
            )
        reading = dataclasses.replace(reading, where=kept)
    table = shaped(opened, name, reading, {**wanted[1], **wanted[0]})
    there = list(map(str, table.frame.columns))
    wishes = Wishes(
        scale=scale,
        columns=None if table.wide else columns_of(there, name, option, wanted),
        profile_columns=[column for column in (column_named(one, there) for one in match) if column is not None],
        problem_columns=list(problem_columns),
        repeats="keep",
        missing="drop" if tables.drop_missing else "refuse",
        missing_codes=tables.codes,
        reading=reading,
    )
    data = CrowdData(*assemble(table, name, wishes))
    _check_match(name, table.frame, wishes.columns or {one: one for one in OURS}, match)
    return Read(data, described_file(file_and_part(name)[0]), table.outside)


def _check_match(name: str, frame: pd.DataFrame, columns: Mapping[str, str], match: list[str]) -> None:
    """Refuse match columns that the file lacks, listing those it has: one value for every participant."""
    missing = [column for column in match if column_named(column, list(map(str, frame.columns))) is None]
    if not missing:
        return
    person = frame[columns["participant"]]
    others = [column for column in frame.columns if column not in (*columns.values(), "repeat")]
    by_person = frame.groupby(person, observed=True)
    there = [str(column) for column in others if (by_person[column].agg("nunique") <= 1).all()]
    raise ValueError(f"--match: {name} has no profile column {missing[0]!r} (it has: {', '.join(there) or 'none'})")


def human_answers(name: str, scale: str | None, folder: Path | None, reading: ReadOptions) -> ReadAnswers:
    """A data set by name, or a file on the scale given; "1:5" are the levels 1 to 5 where all answers are.

    Args:
        name: for instance "example:human", or a file.
        scale: of a file, as :meth:`crowdllm_stats.Scale.parse` reads it.
        folder: of the data sets; without it, CROWDLLM_STATS_DATA.
        reading: how a file is read.

    Raises:
        ValueError: on a scale or a way of reading for a named data set, a file without scale, or an unknown name.
        FileNotFoundError: if there is no such file.

    Example:
        >>> len(human_answers("example:human", None, None, ReadOptions()).data.responses)
        96
    """
    from crowdllm_stats.data.crowd import Scale
    from crowdllm_stats.data.levels import whole_numbers

    if ":" in name and not Path(name).exists():
        if scale is not None:
            raise ValueError(f"--scale is for files; {name} has its own")
        reading.refuse_named(name)
        return ReadAnswers(named_data(name, folder), [])
    if scale is None:
        raise ValueError(
            f"--scale is missing: say what the answers in {name} can be, for instance --scale 1,2,3,4,5 or 0:100"
        )
    found = reading.read(name, Scale.parse(scale))
    return found._replace(data=whole_numbers(found.data))


def named_data(name: str, folder: Path | None) -> CrowdData:
    """A data set by name, see :data:`NAMES`.

    Args:
        name: for instance "popquorn:offensiveness".
        folder: the data folder; without it, CROWDLLM_STATS_DATA.

    Raises:
        ValueError: on an unknown name.
        FileNotFoundError: if the data are not there.

    Example:
        >>> len(named_data("example:human", None).problems)
        12
    """
    from crowdllm_stats import data as datasets
    from crowdllm_stats.data.popquorn_ratings import MODELS_WITH_12

    family, _, member = name.partition(":")
    if name in EXAMPLES:
        example: CrowdData = getattr(datasets.load_example(), member)
        return example
    try:
        if family == "popquorn":
            return datasets.popquorn(member, folder)
        if family == "popquorn-llm":
            return datasets.popquorn_llm_ratings(member, 12 if member in MODELS_WITH_12 else 6, folder)
        if family == "amazon":
            return datasets.amazon_reviews(member, folder).data
    except ValueError as error:
        raise inside(name, error) from None
    near = get_close_matches(name, EXAMPLES, 1, cutoff=0.85)
    hint = f"did you mean {near[0]}? The data sets are" if near else "the data sets are"
    raise ValueError(f"{name!r} is neither a file nor a data set; {hint} {', '.join(NAMES)}")


def _left_out(name: str, data: CrowdData) -> tuple[list[str], list[str]]:
    """What is said of the rows left out of a table: for want of a value, and by codes, which comes first."""
    from crowdllm_stats.data.shape import unit_left_out

    said: tuple[list[str], list[str]] = ([], list(data.notes))
    for reason, count in data.exclusions.items():
        coded = reason.startswith(("missing response (", "not where", "no answer in", "twin of"))
        text = f"{several(count, unit_left_out(reason))} of the {name} table left out: {reason}"
        said[coded].append(f"{text}." if coded else text)
    return said


def _only(human: CrowdData, problems: Sequence[str]) -> CrowdData:
    """The chosen problems' answers, with everybody still in the table of people."""
    there = set(human.responses["problem"])
    unknown = [problem for problem in problems if problem not in there]
    if unknown:
        near = get_close_matches(unknown[0], sorted(there), 1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"--problem {unknown[0]!r}: not in the human table, whose {several(len(there), 'problem')} "
            f"{'is' if len(there) == 1 else 'are'} {', '.join(sorted(there)[:3])}"
            f"{', ...' if len(there) > 3 else ''}{hint}"
        )
    return _also_only(human, problems)


def _also_only(data: CrowdData, problems: Sequence[str]) -> CrowdData:
    chosen = data.responses[data.responses["problem"].isin(problems)].reset_index(drop=True)
    return dataclasses.replace(data, responses=chosen)
