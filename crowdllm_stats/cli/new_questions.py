"""Questions that a generator was not fitted to: their texts, reference answers and embedding, as in the fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from crowdllm_stats._base.shown import several
from crowdllm_stats._base.words import some
from crowdllm_stats.cli.model_options import AskOptions
from crowdllm_stats.cli.options import ReadOptions

if TYPE_CHECKING:
    import pandas as pd

    from crowdllm_stats.cli.terminal import Progress
    from crowdllm_stats.data.features import Features
    from crowdllm_stats.data.reference import Reference
    from crowdllm_stats.generator.fitted import Fitted


class Asked(NamedTuple):
    """What digital people are asked.

    Attributes:
        problems: ids.
        reference: reference answers of those that the generator does not know; None where it knows all.
        embedding: likewise; None also for a generator without one.
        inputs: what was read, for the manifest.
        notes: sentences on the reading.
    """

    problems: list[str]
    reference: Reference | None = None
    embedding: Features | None = None
    inputs: Sequence[dict[str, Any]] = ()
    notes: Sequence[str] = ()


def known_questions(fitted: Fitted, chosen: list[str] | None) -> Asked:
    """Questions of the generator's own, all of them by default.

    Raises:
        ValueError: on one that it does not know.
    """
    known = fitted.problems
    unknown = [name for name in chosen or [] if name not in set(known)]
    if unknown:
        raise ValueError(
            f"--problem {unknown[0]!r} is not among the {len(known)} problems that the generator knows ({known[0]} to "
            f"{known[-1]}); give the text of a new one with --problems FILE and its reference answers with --backbone"
        )
    return Asked(chosen or list(known))


def new_questions(
    fitted: Fitted, reading: ReadOptions, chosen: list[str] | None, backbone: str | None, embedding: str | None,
    asking: AskOptions, folder: Path | None, say: Progress,
) -> Asked:  # fmt: skip
    """The questions of --problems, with what the generator must know of the new ones.

    Args:
        fitted: the generator.
        reading: the file, and its column of ids.
        chosen: ids to ask; all of the file's by default.
        backbone: gives the reference answers.
        embedding: in place of the one the generator was fitted with.
        asking: how a model is asked.
        folder: of the data sets, for recorded answers.
        say: how far a server is.

    Raises:
        ValueError: on ids that are not in the file, new questions without --backbone, another embedder than in the fit,
            an embedder whose name does not say where it is.
        FileNotFoundError: if the file is not there.
    """
    from crowdllm_stats._base.manifest import described_file
    from crowdllm_stats.evaluation.case_study.reference_tables import NewQuestions
    from crowdllm_stats.evaluation.case_study.references import read_references
    from crowdllm_stats.evaluation.case_study.texts import read_texts

    assert reading.problems is not None
    table = read_rows(reading.problems, "problem", reading.columns)
    there = set(table["problem"])
    absent = [name for name in chosen or [] if name not in there]
    if absent:
        raise ValueError(f"--problem {absent[0]!r} is not in {reading.problems}; it holds {some(sorted(there))}")
    names = chosen or table["problem"].tolist()
    inputs = [described_file(reading.problems)]
    new = [name for name in names if name not in set(fitted.problems)]
    old = len(names) - len(new)
    notes = [f"{several(old, 'problem')} of {reading.problems} by ids of the fit: the effects learned then are theirs."]
    if not new:
        return Asked(names, inputs=inputs, notes=notes)
    if backbone is None:
        raise ValueError(
            f"--problems {reading.problems}: {several(len(new), 'problem')} are new to the generator, for instance "
            f"{new[0]!r}; give their reference answers with --backbone, as in fit"
        )
    questions = NewQuestions(table[table["problem"].isin(names)].reset_index(drop=True), fitted.scale)
    how = asking.asked(say)
    references = read_references(backbone, questions, folder=folder, asking=how)
    name = _embedder(fitted, embedding, there)
    features = read_texts(NewQuestions(table, fitted.scale), name, device=how.device or "auto").features(
        fitted.problems
    )
    notes = [*(notes if old else []), *references.notes, *_another(fitted, references.whole)]
    return Asked(names, references.whole, features, [*inputs, dict(references.source)], notes)


def read_rows(place: Path, key: str, columns: dict[str, str]) -> pd.DataFrame:
    """A table of problems or people, ids as text.

    Args:
        place: the file.
        key: "problem" or "participant", the column of ids.
        columns: our names of columns to the file's.

    Raises:
        ValueError: on a file without rows, missing or repeated ids.
        FileNotFoundError: if it is not there.
    """
    from crowdllm_stats.data.attributes import given_table
    from crowdllm_stats.data.ids import as_ids
    from crowdllm_stats.data.layout import with_our_names
    from crowdllm_stats.data.opening import open_table

    frame = with_our_names(open_table(place).frame, columns or None, (key,), str(place))
    if not len(frame):
        raise ValueError(f"{place}: there is a header but no row; give one row per {key}")
    return given_table(frame, key, as_ids(frame[key], f"{place}: column {key!r}"), str(place))


def _embedder(fitted: Fitted, given: str | None, there: set[str]) -> str:
    """The embedding to take: the one given, or the fit's by its name.

    Raises:
        ValueError: where it cannot be the fit's.
    """
    from crowdllm_stats.backbones.catalogue import MODELS
    from crowdllm_stats.backbones.embedder import TFIDF
    from crowdllm_stats.evaluation.case_study.texts import NONE, embedder_name

    if not fitted.vectors.components.size:
        if given not in (None, NONE):
            raise ValueError(
                f"--embedding {given}: the generator was fitted without an embedding; leave the option out"
            )
        return NONE
    own = fitted.vectors.embedder
    if given is None and own not in (TFIDF, *MODELS):
        raise ValueError(
            f"the generator was fitted with the embedding {own!r}; name its folder with --embedding"
            if own
            else "the generator was fitted with an embedding from a file; give --embedding with a file of the new "
            "problems' numbers by the same embedder, or with that embedder"
        )
    name = own if given is None else given
    if own and embedder_name(name) not in (own, ""):
        raise ValueError(
            f"--embedding {name}: the generator was fitted with the embedding {own!r}; leave the option out to take it"
        )
    lacking = [one for one in fitted.problems if one not in there]
    if name == TFIDF and lacking:
        raise ValueError(
            "the generator was fitted with the embedding tfidf, which learns its words from the fit's problems, and "
            f"the texts of {len(lacking)} of them are not in --problems, for instance {lacking[0]!r}; add them to the "
            "file and name the new problems with --problem"
        )
    return name


def _another(fitted: Fitted, reference: Reference) -> list[str]:
    """Sentences where the reference answers come from another model than the fit's, or from another prompt."""
    ours, theirs = fitted.vectors.backbone, str(reference.source.get("model") or "")
    notes = []
    if ours and theirs and Path(ours).name != Path(theirs).name:
        notes.append(f"The generator was fitted with references of {ours}; these are of {theirs}.")
    asked = (fitted.vectors.prompt, reference.source.get("prompt"))
    if all(asked) and asked[0] != asked[1]:
        notes.append("The fit asked in another way: by --template, --options, --context or --requirements.")
    return notes
