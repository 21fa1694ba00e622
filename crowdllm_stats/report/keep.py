"""What a report is made of, kept in a folder: the results as JSON with everything around them, and a manifest."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crowdllm_stats._base.json_values import NOT_FINITE, json_text
from crowdllm_stats._base.manifest import manifest_path, sha256, write_manifest
from crowdllm_stats._base.messages import for_command
from crowdllm_stats._base.whole_files import whole_folder

if TYPE_CHECKING:
    from crowdllm_stats.data.crowd import CrowdData
    from crowdllm_stats.survey.result import SurveyResult

#: The file of a command's results, of a study's description and of the theory's verdicts.
RESULTS, STUDY, THEORY = "results.json", "study.json", "theory.json"

#: By its manifest a folder is known as one of kept results.
MARK = manifest_path(Path(RESULTS)).name

Row = dict[str, Any]

#: Where no intervals of the human answers alone stand beside others.
_NOT_ALONE: Mapping[str, list[Row]] = {"humans_alone": [], "humans_alone_summary": []}


@dataclasses.dataclass(frozen=True)
class Kept:
    """What a folder holds.

    Attributes:
        folder: where it is.
        file: :data:`RESULTS`, :data:`STUDY` or :data:`THEORY`.
        content: of that file, infinite numbers in their places.
        manifest: command line, versions, hashes of what was read.
    """

    folder: Path
    file: str
    content: Mapping[str, Any]
    manifest: Mapping[str, Any]


def keep_results(
    folder: str | os.PathLike[str],
    found: SurveyResult,
    *,
    command: str,
    human: CrowdData,
    digital: CrowdData | None = None,
    settings: Mapping[str, Any] | None = None,
    arguments: Sequence[str] = (),
    inputs: Sequence[Mapping[str, Any]] = (),
    seed: int | None = None,
) -> list[Path]:
    """Write the results of one job, and all that a report says beside them, to a folder: both files or none.

    Kept are the results with their notices and what they rest on, the settings, each question's numbers of human and
    digital answers and their means, for intervals also those from the human answers alone; and in the manifest
    the command, the versions and the hashes of what was read.

    Args:
        folder: made where it does not exist; an earlier result in it is replaced.
        found: of one of the functions on two tables.
        command: which one, as the command line calls it: "interval", "across", "new-questions", "safe-interval",
            "risk", "compare", "distribution" or "planner".
        human: the human answers that it was computed from.
        digital: the digital population's answers; None where there were none.
        settings: options by name, for instance ``{"level": 0.95}``; texts, numbers and None.
        arguments: the command line after the program's name.
        inputs: what was read, from :func:`crowdllm_stats._base.manifest.described_file` and the like.
        seed: of the command, None if it drew no random numbers.

    Returns:
        The results' file and its manifest.

    Raises:
        OSError: where the folder cannot be made or written to.

    Example:
        >>> import tempfile
        >>> from crowdllm_stats import interval_from, load_example
        >>> example = load_example()
        >>> found = interval_from(example.human, example.digital)
        >>> place = tempfile.mkdtemp()
        >>> written = keep_results(place, found, command="interval", human=example.human, digital=example.digital)
        >>> [file.name for file in written], read_kept(place).content["summary"][0]["problem"]
        (['results.json', 'results.json.manifest.json'], 'all')
    """
    from crowdllm_stats import __version__

    options = dict(settings or {})
    counts = {name: int(count) for name, count in found.counts.items()}
    content = {
        "command": command,
        "version": __version__,
        "settings": options,
        "bounds": human.scale.bounds,
        "notices": [for_command(notice) for notice in found.notices],
        "answer": for_command(found.answer),
        "basis": for_command(found.basis),
        "results": list(found.rows),
        "summary": found.summary,
        "excluded": [{"problem": problem, "reason": for_command(reason)} for problem, reason in found.excluded.items()],
        "counts": counts,
        "notes": [for_command(note) for note in found.notes],
        "why": for_command(found.why),
        "answers": _answers(human, digital),
        **(_humans_alone(human, found, options) if command == "interval" and digital is not None else _NOT_ALONE),
    }
    place = Path(folder)
    with whole_folder(place) as half:
        file = half / RESULTS
        file.write_text(json_text(content) + "\n", encoding="utf-8")
        manifest = write_manifest(file, arguments=arguments, inputs=inputs, seed=seed, counts=counts, folder=place)
    return [place / file.name, place / manifest.name]


def _answers(human: CrowdData, digital: CrowdData | None) -> list[Row]:
    """Each question's numbers of answers on both sides, and their means; what is not there is None."""
    from crowdllm_stats._base.json_values import table_rows
    from crowdllm_stats.data.summary import per_problem

    table = per_problem(human.responses, human.scale).add_prefix("human_")
    if digital is not None:
        table = table.join(per_problem(digital.responses, digital.scale).add_prefix("digital_"))
    return table_rows(table.reset_index())


def _humans_alone(human: CrowdData, found: SurveyResult, options: Mapping[str, Any]) -> Mapping[str, list[Row]]:
    """The intervals of the human answers alone, of the same level and kind, and that of the mean over all."""
    from crowdllm_stats.inference.intervals import HUMAN_ONLY
    from crowdllm_stats.survey.intervals import interval_from

    rows = [*found.rows, *found.summary]
    if all(row["method"] in HUMAN_ONLY for row in rows):
        return _NOT_ALONE
    alone = interval_from(
        human,
        level=rows[0]["level"],
        alternative=options.get("alternative") or "two-sided",
        population_size=options.get("population_size"),
        seed=options.get("seed"),
    )
    return {"humans_alone": list(alone.rows), "humans_alone_summary": alone.summary}


def read_kept(folder: str | os.PathLike[str]) -> Kept:
    """What a command, a study or the check of the theory kept in a folder.

    Raises:
        FileNotFoundError: if the folder is not there, or holds no results.
        ValueError: if the results were changed after they were written, or are not readable.
    """
    place = Path(folder)
    if not place.is_dir():
        raise FileNotFoundError(f"{place} is not a folder; a report is made of folders, as --out FOLDER/ writes them")
    name = next((name for name in (RESULTS, STUDY, THEORY) if (place / name).is_file()), None)
    if name is None:
        again = " (run the study again: its blocks are kept)" if (place / "results.parquet").is_file() else ""
        raise FileNotFoundError(
            f"{place} holds neither {RESULTS} nor {STUDY} nor {THEORY}{again}; write one with 'interval HUMANS DIGITAL "
            f"--out {place}/', 'study run NAME --out {place}' or 'theory verify --out {place}'"
        )
    file = place / name
    manifest = _object(manifest_path(file))
    output = manifest.get("output")
    if not isinstance(output, dict) or output.get("sha256") != sha256(file):
        raise ValueError(f"{file} is not what its manifest says was written; run its command again")
    return Kept(place, name, finite_or_not(_object(file)), manifest)


def _object(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{file} is missing; run the command that wrote this folder again") from None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"{file} is not readable; run the command that wrote this folder again")
    return found


def finite_or_not(content: Any) -> Any:
    """The values of a JSON object of this package, with infinite numbers where ``not_finite`` names them.

    Example:
        >>> finite_or_not({"lower": 1.5, "upper": None, "not_finite": {"upper": "inf"}})
        {'lower': 1.5, 'upper': inf}
    """
    if isinstance(content, list):
        return [finite_or_not(value) for value in content]
    if not isinstance(content, dict):
        return content
    words = content.get(NOT_FINITE, {})
    found = {name: finite_or_not(value) for name, value in content.items() if name != NOT_FINITE}
    return found | {name: float(word) for name, word in words.items() if isinstance(word, str)}
