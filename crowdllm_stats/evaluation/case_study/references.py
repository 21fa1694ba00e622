"""What the backbone says of the problems: recorded ratings, a file of probabilities or answers, a model or a server."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crowdllm_stats._base.manifest import described_answers, described_file
from crowdllm_stats.backbones.options import answers_of
from crowdllm_stats.backbones.paper_models import PAPER
from crowdllm_stats.backbones.prompts import Template
from crowdllm_stats.backbones.recorded import RecordedBackbone
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.example import load_example
from crowdllm_stats.data.levels import on_levels
from crowdllm_stats.data.opening import ending_of, open_table
from crowdllm_stats.data.reference import Reference
from crowdllm_stats.evaluation.case_study.asking import TEMPLATE, Asking, check_texts, is_model, is_server, opened
from crowdllm_stats.evaluation.case_study.reference_tables import (
    Questions,
    References,
    listed,
    of_plain_answers,
    of_probabilities,
)

RECORDED = "recorded:"

#: The plain answers of the example that the package makes up.
EXAMPLE = "example:reference"


def read_references(
    backbone: str,
    data: Questions,
    *,
    folder: str | os.PathLike[str] | None = None,
    asking: Asking | None = None,
    personas: pd.DataFrame | None = None,
    persona_template: str = "multi_persona",
) -> References:
    """Reference answers to all problems of the data.

    Args:
        backbone: "example:reference"; "recorded:MODEL" (ratings recorded for POPQUORN's offensiveness texts); a .csv or
            .parquet file with probabilities (see :func:`of_probabilities`), with answers of personas (columns problem,
            participant, response; the participant with empty profile columns is not a persona) or with plain answers
            (columns problem and response, see :func:`of_plain_answers`); an .npz file that :meth:`Reference.save`
            wrote; "smollm2", one of the paper's ("gemma3-12b"), the folder of a causal language model, or a hub id; the
            address of a server.
        data: the human answers, or new problems.
        folder: the data folder, for "recorded:".
        asking: how a model or server is asked.
        personas: profiles that a model is asked as, column ``participant`` and others; without them it is asked
            without persona alone.
        persona_template: of a model's prompt with a persona.

    Raises:
        ValueError: on problems without reference, answers of another scale, an unreadable file.
        FileNotFoundError: if a file, model or data folder is not there.
    """
    how = asking or Asking()
    if is_server(backbone):
        return _of_model(backbone, data, how, personas, persona_template)
    file = backbone.endswith(".npz") or bool(ending_of(backbone))
    if file or backbone == EXAMPLE or backbone.startswith(RECORDED):
        how.refuse_recorded(backbone)
    if backbone.startswith(RECORDED):
        from crowdllm_stats.data.popquorn_ratings import MODELS_WITH_12, popquorn_llm_ratings

        model = backbone.removeprefix(RECORDED)
        recorded = popquorn_llm_ratings(model, 12 if model in MODELS_WITH_12 else 6, folder)
        return _of_answers(backbone, recorded, data, described_answers(backbone, recorded.responses))
    if backbone == EXAMPLE:
        answers = load_example().reference
        return _of_answers(backbone, answers, data, described_answers(backbone, answers.responses))
    if file:
        return _of_file(Path(backbone), data)
    if not is_model(backbone):
        raise ValueError(
            f"backbone {backbone!r} is neither recorded:MODEL, a .csv or .parquet file, smollm2, one of "
            f"{', '.join(PAPER)}, a model's folder, a hub id such as owner/model nor a server's address such as "
            "http://127.0.0.1:8000/v1"
        )
    return _of_model(backbone, data, how, personas, persona_template)


def _of_file(place: Path, data: Questions) -> References:
    """References from a file, by what it holds."""
    if place.suffix == ".npz":
        stored = Reference.load(place)
        wanted = stored.select(data.problems["problem"])
        side = {"alone": wanted} if stored.profiles == ("",) else {"personas": wanted}
        return References(place.name, side.get("alone"), side.get("personas"), described_file(place))
    frame = open_table(place).frame
    if {"problem", "participant", "response"} <= set(frame.columns):
        answers = CrowdData.read(place, scale=data.scale, repeats="keep")
        return _of_answers(place.name, answers, data, described_file(place))
    if {"problem", "response"} <= set(frame.columns):
        return of_plain_answers(frame, data, name=place.name, source=described_file(place))
    return of_probabilities(frame, data, name=place.name, source=described_file(place))


def _of_answers(name: str, recorded: CrowdData, data: Questions, source: Mapping[str, Any]) -> References:
    """Recorded answers of personas; the persona that says nothing of itself is the backbone without persona."""
    people, columns = recorded.participants, [c for c in recorded.participants.columns if c != "participant"]
    silent = people[(people[columns].isna() | (people[columns] == "")).all(axis=1)]["participant"].tolist()
    answers = listed(data.scale, name)
    notes = []
    if data.scale.kind == "continuous":
        recorded, note = on_levels(recorded, answers, name)
        notes += [note] if note else []
    notes += [f"{count} recorded answer(s) left out: {why}." for why, count in recorded.exclusions.items()]
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
    backbone: str, data: Questions, asking: Asking, personas: pd.DataFrame | None, persona_template: str
) -> References:
    asked = Template.load(asking.template or TEMPLATE)
    endless = data.scale.kind == "continuous" and data.scale.bounds is None
    answers = answers_of(list(asked.labels)) if asked.labels and endless else listed(data.scale, backbone)
    check_texts(asked, data.problems)
    model = opened(backbone, answers, asking)
    alone = _with_prompt(model.reference(data.problems), asking)
    people = None
    if personas is not None:
        as_people = model.with_template(persona_template)
        people = _with_prompt(as_people.reference(data.problems, personas), asking)
    own = [slot for slot in asked.slots if slot in asking.slots and slot not in data.problems.columns]
    notes = [f"As {slot} the model was given: {asking.slots[slot]}" for slot in own]
    for one in (alone, people):
        notes += [] if one is None else one.notices
    if alone.admissible_mass is not None:
        mass = float(np.median(alone.admissible_mass))
        notes.append(f"Median probability of all admissible answers together: {mass:.3g}.")
    facts = {re.sub(r"\W", "_", key): value for key, value in alone.source.items()}
    return References(backbone, alone, people, {"name": backbone, **facts}, tuple(notes))


def _with_prompt(reference: Reference, asking: Asking) -> Reference:
    """The reference with a hash of how it was asked, for a generator to recognise."""
    said = [reference.source.get("template_sha256"), dict(asking.options or {}), asking.slots]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    return dataclasses.replace(reference, source={**reference.source, "prompt": digest[:16]})
