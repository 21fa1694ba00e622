"""What the backbone says of the problems: recorded ratings, a file of probabilities or answers, or a local model."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats._base.manifest import described_answers, described_file
from crowdllm_stats._base.messages import BadInput
from crowdllm_stats.backbones.fetch import MODELS, cache_folder
from crowdllm_stats.backbones.prompts import Template
from crowdllm_stats.backbones.recorded import RecordedBackbone
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.example import load_example
from crowdllm_stats.data.files import read_table
from crowdllm_stats.data.reference import Reference

RECORDED = "recorded:"

#: The plain answers of the example that the package makes up.
EXAMPLE = "example:reference"

#: What a model is given where a template asks for it and neither the caller nor the problems say anything.
CONTEXT = "You take part in a survey."
REQUIREMENTS = "Give your own answer to the question."

#: Rounding that a file of probabilities may show in the sum of a row.
_ROUNDING = 1e-3


@dataclass(frozen=True, eq=False)
class References:
    """Reference answers of one backbone.

    Attributes:
        name: the backbone.
        alone: distributions without a persona (P = 1), for zero-shot and self-consistency; None where there are none.
        personas: distributions of several personas; None where there are none.
        source: what was read, for the manifest.
        notes: what was pooled, left out or cut, in sentences.

    Raises:
        ValueError: if there are neither.
    """

    name: str
    alone: Reference | None
    personas: Reference | None
    source: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.alone is None and self.personas is None:
            raise ValueError(f"backbone {self.name!r} gave no reference answers")

    @property
    def whole(self) -> Reference:
        """Everything the backbone said: the personas' distributions, or the one without persona."""
        found = self.alone if self.personas is None else self.personas
        assert found is not None  # checked when built
        return found


def read_references(
    backbone: str,
    data: CrowdData,
    *,
    folder: str | os.PathLike[str] | None = None,
    template: str = "zero_shot",
    personas: pd.DataFrame | None = None,
    persona_template: str = "multi_persona",
    context: str | None = None,
    requirements: str | None = None,
) -> References:
    """Reference answers to all problems of the data.

    Args:
        backbone: "example:reference"; "recorded:MODEL" (ratings recorded for POPQUORN's offensiveness texts); a .csv or
            .parquet file with probabilities (see :func:`of_probabilities`) or with answers (columns problem,
            participant, response; one participant a persona, the one with empty profile columns being no persona);
            "smollm2", the folder of a causal language model, or a hub id.
        data: the human answers.
        folder: the data folder, for "recorded:".
        template: of a model's prompt without persona.
        personas: profiles that a model is asked as, column ``participant`` and others; without them it is asked
            without persona alone.
        persona_template: of a model's prompt with a persona.
        context: what a model is given about the survey, where the prompt has ``{context}`` and the problems no such
            column; :data:`CONTEXT` by default.
        requirements: how a model is asked to answer, likewise; :data:`REQUIREMENTS` by default.

    Raises:
        ValueError: on problems without reference, answers of another scale, an unreadable file.
        FileNotFoundError: if a file, model or data folder is not there.
    """
    if backbone.startswith(RECORDED):
        from crowdllm_stats.data.popquorn_ratings import MODELS_WITH_12, popquorn_llm_ratings

        model = backbone.removeprefix(RECORDED)
        recorded = popquorn_llm_ratings(model, 12 if model in MODELS_WITH_12 else 6, folder)
        return _of_answers(backbone, recorded, data, described_answers(backbone, recorded.responses))
    if backbone == EXAMPLE:
        answers = load_example().reference
        return _of_answers(backbone, answers, data, described_answers(backbone, answers.responses))
    if backbone.endswith((".csv", ".csv.gz", ".parquet")):
        place = Path(backbone)
        frame = read_table(place)
        if {"problem", "participant", "response"} <= set(frame.columns):
            answers = CrowdData.read(place, scale=data.scale, repeats="keep")
            return _of_answers(place.name, answers, data, described_file(place))
        return of_probabilities(frame, data, name=place.name, source=described_file(place))
    if backbone not in MODELS and not Path(backbone).is_dir() and "/" not in backbone:
        raise ValueError(
            f"backbone {backbone!r} is neither recorded:MODEL, a .csv or .parquet file, smollm2, a model's folder "
            "nor a hub id such as owner/model"
        )
    slots = {"context": context or CONTEXT, "requirements": requirements or REQUIREMENTS}
    return _of_model(backbone, data, template, personas, persona_template, slots)


def of_probabilities(
    frame: pd.DataFrame, data: CrowdData, *, name: str = "table", source: Mapping[str, Any] | None = None
) -> References:
    """References from a table of probabilities: a row per problem, or a row per problem and profile.

    Args:
        frame: column ``problem`` (or ``instance_id``), a column ``p_ANSWER`` or ``pANSWER`` for every answer of the
            scale, and ``profile`` where personas were asked (an empty profile is not a persona). Rows may be off a sum
            of 1 by 0.001 for rounding; they are divided by it.
        data: the human answers; every problem of theirs needs a row.
        name: of the backbone.
        source: for the manifest.

    Raises:
        ValueError: on missing columns or problems, what is not a number, negative numbers, sums off 1, a row that is
            there twice, a scale without a list of answers.

    Example:
        >>> from crowdllm_stats import load_example
        >>> human = load_example().human.select(problems=["q01"])
        >>> table = pd.DataFrame([["q01", 0.1, 0.2, 0.4, 0.2, 0.1]], columns=["problem", "p1", "p2", "p3", "p4", "p5"])
        >>> of_probabilities(table, human).whole.mean.round(6).tolist()
        [[3.0]]
    """
    answers = data.scale.levels or data.scale.options
    if not answers:
        raise ValueError(
            f"{name}: a table of probabilities needs a scale with a list of answers, and the scale is {data.scale}; "
            "say the levels of the answers, for instance 1,2,3,4,5 instead of 1:5"
        )
    words = [f"{one:g}" if isinstance(one, float) else one for one in answers]
    key = "problem" if "problem" in frame.columns else "instance_id"
    chosen = [next((c for c in (f"p_{word}", f"p{word}") if c in frame.columns), None) for word in words]
    absent = [f"p_{word}" for word, column in zip(words, chosen, strict=True) if column is None]
    if key not in frame.columns:
        absent.insert(0, "problem")
    if absent:
        raise ValueError(
            f"{name}: no column {', '.join(absent)}; a file of references holds problem and a "
            f"column p_ANSWER for each of {', '.join(words)}, or the columns problem, participant, response"
        )
    ids = frame[key].astype(str).str.replace(r"^(\d+)\.0$", r"\1", regex=True)
    profile = (
        frame["profile"].fillna("").astype(str) if "profile" in frame.columns else pd.Series("", index=frame.index)
    )
    if pd.DataFrame({"problem": ids, "profile": profile}).duplicated().any():
        raise ValueError(f"{name}: a problem stands there twice under one profile; keep one row each")
    raw = _numbers(frame[chosen], ids, name)
    total = raw.sum(axis=1)
    bad = ~(np.isfinite(raw).all(axis=1) & (raw >= 0.0).all(axis=1) & (np.abs(total - 1.0) <= _ROUNDING))
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        shown = f"it holds {raw[first].min():g}" if raw[first].min() < 0.0 else f"it sums to {total[first]:.4g}"
        raise ValueError(
            f"{name}: {int(bad.sum())} of {len(bad)} row(s) are not probabilities, the first of problem "
            f"{ids.iloc[first]!r} ({shown}); make every row at least 0 and divide it by its sum"
        )
    wanted = data.problems["problem"]
    table = pd.DataFrame(raw / total[:, None], index=pd.MultiIndex.from_arrays([profile, ids]))
    found: dict[str, Reference] = {}
    blocks = []
    names = [one for one in dict.fromkeys(profile) if one]
    for one in dict.fromkeys(profile):
        rows = table.loc[one].reindex(wanted)
        lacking = wanted[rows.isna().any(axis=1).to_numpy()]
        if len(lacking):
            who = f" under profile {one!r}" if one else ""
            raise ValueError(
                f"{name}: {len(lacking)} of {len(wanted)} problem(s) have no row{who}, for instance "
                f"{lacking.iloc[0]!r}; give one for each problem"
            )
        if one:
            blocks.append(rows.to_numpy())
        else:
            found["alone"] = Reference.from_probabilities(wanted, answers, rows.to_numpy())
    if blocks:
        found["personas"] = Reference.from_probabilities(
            wanted, answers, np.stack(blocks, axis=1), profiles=tuple(names)
        )
    left = len(set(ids) - set(wanted))
    notes = (f"{left} problem(s) of {name} are not among the human answers'; they are not used.",) if left else ()
    return References(name, found.get("alone"), found.get("personas"), dict(source or {}), notes)


def _numbers(table: pd.DataFrame, ids: pd.Series, name: str) -> FloatArray:
    """The columns of probabilities, refusing what is not a number."""
    columns = []
    for column in table.columns:
        words = table[column].astype(object)
        found = pd.to_numeric(words, errors="coerce")
        if found.isna().any():
            first = int(np.flatnonzero(found.isna())[0])
            value = words.iloc[first]
            shown = "nothing" if value is None or value != value or str(value).strip() == "" else repr(value)
            raise ValueError(
                f"{name}: column {column!r} holds {shown} where a probability should stand, in "
                f"{int(found.isna().sum())} of {len(found)} row(s), the first of problem {ids.iloc[first]!r}; correct "
                "the numbers"
            )
        columns.append(found.to_numpy(dtype=np.float64))
    return np.column_stack(columns)


def _of_answers(name: str, recorded: CrowdData, data: CrowdData, source: Mapping[str, Any]) -> References:
    """Recorded answers of personas; the persona that says nothing of itself is the backbone without persona."""
    people, columns = recorded.participants, [c for c in recorded.participants.columns if c != "participant"]
    silent = people[(people[columns].isna() | (people[columns] == "")).all(axis=1)]["participant"].tolist()
    answers = data.scale.levels or data.scale.options
    if not answers:
        raise ValueError(
            f"{name}: recorded answers need a scale with a list of answers, and the scale is {data.scale}; say the "
            "levels of the answers, for instance 1,2,3,4,5 instead of 1:5"
        )
    notes = [f"{count} recorded answer(s) left out: {why}." for why, count in recorded.exclusions.items()]
    alone = whole = None
    if len(silent) == 1:
        backbone = RecordedBackbone(recorded, persona=silent[0], answers=answers, missing="pool", model=name)
        alone = backbone.reference(data.problems)
        notes += _pooled(alone, "without persona")
    if columns and len(people) > 1:
        # Every persona answers for itself: it is matched by its own id.
        tagged = people.assign(_persona=people["participant"])
        own = CrowdData(recorded.responses, tagged, recorded.problems, recorded.scale, dict(recorded.exclusions))
        backbone = RecordedBackbone(own, on=["_persona"], answers=answers, missing="pool", model=name)
        whole = backbone.reference(data.problems, tagged)
        notes += _pooled(whole, "as a persona")
    if alone is None and whole is None:
        alone = RecordedBackbone(recorded, answers=answers, missing="refuse", model=name).reference(data.problems)
    notes += [] if alone is None else _single(alone)
    return References(name, alone, whole, source, tuple(notes))


def _pooled(reference: Reference, how: str) -> list[str]:
    count = int(reference.source.get("missing_cells", 0))
    return [f"{count} cell(s) that the LLM did not answer {how} take the answers of all personas."] if count else []


def _single(alone: Reference) -> list[str]:
    """That a vote among draws of one recorded answer is this answer."""
    single = int(np.count_nonzero(alone.probabilities.max(axis=2) == 1.0))
    return [
        f"For {single} of {len(alone.problems)} problems one answer of the LLM without persona is recorded, or several "
        "that agree: a vote among draws of it is the same answer, and there 'LLM self-consistency' equals "
        "'LLM zero-shot' to every digit."
    ] * (single > 0)


def _of_model(
    backbone: str,
    data: CrowdData,
    template: str,
    personas: pd.DataFrame | None,
    persona_template: str,
    slots: Mapping[str, str],
) -> References:
    answers = data.scale.levels or data.scale.options
    asked = Template.load(template)
    if not answers and not asked.labels:
        raise ValueError(
            f"a model chooses among listed answers, and the scale is {data.scale}; say the levels of the answers, for "
            "instance 1,2,3,4,5 instead of 1:5"
        )
    if {"text", "problem"} & set(asked.slots) and "text" not in data.problems.columns:
        raise BadInput(
            f"the problems have no column 'text' for the model to read (they have {', '.join(data.problems.columns)})",
            python="add a table of problems with their texts",
            command="give their texts with --problems FILE",
        )
    from crowdllm_stats.backbones.transformers_backbone import TransformersBackbone

    model = TransformersBackbone(
        backbone,
        template=template,
        answers=answers or None,
        cache=cache_folder() / "answers.sqlite",
        context=slots["context"],
        requirements=slots["requirements"],
    )
    alone = model.reference(data.problems)
    people = None
    if personas is not None:
        people = model.with_template(persona_template).reference(data.problems, personas)
    mass = "" if alone.admissible_mass is None else f"{float(np.median(alone.admissible_mass)):.3g}"
    own = [slot for slot in model.template.slots if slot in slots and slot not in data.problems.columns]
    notes = tuple(f"As {slot} the model was given: {slots[slot]}" for slot in own)
    notes += (f"Median probability of all admissible answers together: {mass}.",) if mass else ()
    facts = {re.sub(r"\W", "_", key): value for key, value in alone.source.items()}
    return References(backbone, alone, people, {"name": backbone, **facts}, notes)
