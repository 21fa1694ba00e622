"""What three newcomers type and see, from `pip install` to the first useful number, with the seconds of each step.

    make reports NAME=newcomers    # the report; a look at it under out/: python benchmarks/newcomers.py

Each has a folder with their own files and an environment of their own. It sees the packages that are installed beside this script, so
that pip fetches nothing: `pip install` installs this package and finds the extra's packages there. Every command is one that the page
or the message before has named; where a message names it, it is taken from that message.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from reports import command_line, typed

ROOT = Path(__file__).resolve().parent.parent

#: Lines of an output that the report shows at most.
SHOWN = 40


@dataclass(frozen=True)
class Step:
    """One command: where it was named, what it printed, how long it took."""

    command: str
    named: str
    printed: str
    seconds: float
    cpu_seconds: float


@dataclass
class Newcomer:
    """A person with a folder, an environment, and what they have done so far."""

    who: str
    has: str
    folder: Path
    extra: str
    steps: list[Step] = field(default_factory=list)

    def types(self, command: str, named: str) -> str:
        """Run a command; its output.

        Raises:
            RuntimeError: if the page that is said to name it does not, or it fails.
        """
        before, begin = os.times(), time.perf_counter()
        programs = self.folder.parent / f"{self.folder.name}-environment" / "bin"
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "80"}
        done = subprocess.run(
            shlex.split(command.replace("crowdllm-stats[", f"{wheel_in(self.folder.parent)}[")),
            cwd=self.folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        seconds, after = time.perf_counter() - begin, os.times()
        if done.returncode:
            raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        self.steps.append(Step(command, named, done.stdout, seconds, cpu))
        return done.stdout

    def installs(self, page: str) -> None:
        """An environment that sees the packages beside this script, and the package from its wheel, as the page says."""
        place = self.folder.parent / f"{self.folder.name}-environment"
        venv.create(place, with_pip=True)
        (packages,) = place.glob("lib/python*/site-packages")
        (packages / "beside.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
        command = f"pip install --quiet 'crowdllm-stats[{self.extra}]'"
        self.types(command, page_names(page, f"pip install 'crowdllm-stats[{self.extra}]'"))


def wheel_in(folder: Path) -> Path:
    (wheel,) = folder.glob("*.whl")
    return wheel


def page_names(page: str, words: str) -> str:
    """The page, if these words stand in it.

    Raises:
        RuntimeError: if they do not.
    """
    if words not in (ROOT / page).read_text(encoding="utf-8"):
        raise RuntimeError(f"{page} does not name: {words}")
    return page


def answers(rng: np.random.Generator, people: int, questions: int) -> tuple[np.ndarray, np.ndarray]:
    """Answers from 1 to 5 of people and of their twins, which follow them with a correlation of about 0.6."""
    taste, own = rng.normal(size=(2, people, questions)) + rng.normal(0.0, 0.5, (1, 1, questions))
    human = np.clip(np.rint(3.2 + taste), 1, 5)
    twin = np.clip(np.rint(3.5 + 0.7 * taste + 0.7 * own), 1, 5)
    return human.astype(int), twin.astype(int)


def survey_researcher(folder: Path) -> Newcomer:
    """A wide Excel file, and LLM answers as JSON lines."""
    person = Newcomer(
        "A survey researcher, no Python",
        "`survey.xlsx`, a row for each of 40 people and a column for each of 6 questions, and `llm.jsonl`, a line for each of 6 answers "
        "by 40 twins and 160 other digital people.",
        folder,
        "survey",
    )
    human, twin = answers(np.random.default_rng(1), 200, 6)
    questions = [f"Q{number}" for number in range(1, 7)]
    table = pd.DataFrame(human[:40], columns=questions)
    table.insert(0, "ResponseId", [f"R_{number:03}" for number in range(40)])
    table["age"] = np.random.default_rng(2).integers(18, 80, 40)
    table.to_excel(folder / "survey.xlsx", index=False)
    lines = [
        json.dumps({"question": questions[column], "persona": f"R_{row:03}", "answer": int(answer)})
        for (row, column), answer in np.ndenumerate(twin)
    ]
    (folder / "llm.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    person.installs("docs/start.md")
    told = person.types(
        "crowdllm-stats check survey.xlsx llm.jsonl", page_names("docs/start.md", "crowdllm-stats check ")
    )
    person.types(next(named_in(told, "interval")), "the message before")
    return person


def named_in(told: str, command: str) -> Iterator[str]:
    """Commands of this name that a message names, each on a line of its own."""
    yield from (line.strip() for line in told.splitlines() if line.strip().startswith(f"crowdllm-stats {command} "))


def student(folder: Path) -> Newcomer:
    """A study of one's own: the page's, with other numbers."""
    person = Newcomer(
        "A methods student with a study of their own",
        "`mine.toml`, the study on the page with another scale and other numbers of people.",
        folder,
        "plot",
    )
    page_names("docs/own_study.md", "{literalinclude} ../simulations/own_survey.toml")
    text = (ROOT / "simulations" / "own_survey.toml").read_text(encoding="utf-8")
    text = text.replace("n = [10, 20, 40, 80, 160]", "n = [8, 16, 32]").replace(
        "[0.1, 0.2, 0.4, 0.3]", "[0.3, 0.4, 0.2, 0.1]"
    )
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    person.installs("docs/own_study.md")
    person.types(
        "crowdllm-stats study run mine.toml --quick", page_names("docs/own_study.md", "study run own_survey --quick")
    )
    return person


def engineer(folder: Path) -> Newcomer:
    """A language model in a folder: two layers, random weights."""
    sys.path.append(str(ROOT / "tests"))
    from tiny_model import write_model

    from crowdllm_stats.backbones.fetch import quiet_transformers

    person = Newcomer(
        "An engineer with a model of their own",
        "`my-model`, a folder with weights and tokenizer (here random ones, of two layers), `answers.csv` of 30 people to 12 questions and "
        "`questions.csv`, their texts.",
        folder,
        "generator,hf",
    )
    with quiet_transformers():
        write_model(folder / "my-model")
    human, _ = answers(np.random.default_rng(3), 30, 12)
    rows = [f"q{column:02},p{row:02},{answer}" for (row, column), answer in np.ndenumerate(human)]
    (folder / "answers.csv").write_text("\n".join(["problem,participant,response", *rows]) + "\n", encoding="utf-8")
    texts = [f"q{number:02},How content are you with service number {number}?" for number in range(12)]
    (folder / "questions.csv").write_text("\n".join(["problem,text", *texts]) + "\n", encoding="utf-8")
    person.installs("docs/own_llm.md")
    page_names("docs/own_llm.md", "`--backbone FOLDER`")
    page = page_names(
        "docs/own_llm.md", "crowdllm-stats fit HUMANS.csv --problems TEXTS.csv --scale 1,2,3,4,5 --backbone "
    )
    person.types(
        "crowdllm-stats fit answers.csv --problems questions.csv --scale 1,2,3,4,5 --backbone my-model --out model.npz",
        page,
    )
    return person


def transcript(person: Newcomer) -> list[str]:
    """A newcomer's part of the report."""
    lines = [f"## {person.who}", "", f"Has {person.has}", ""]
    for step in person.steps:
        printed = step.printed.rstrip().splitlines()
        more = len(printed) - SHOWN
        lines += ["```", f"$ {step.command}", *(line.rstrip() for line in printed[:SHOWN])]
        lines += [f"... {more} more lines"] if more > 0 else []
        lines += [
            "```",
            "",
            f"{step.seconds:.1f} s ({step.cpu_seconds:.1f} s of processor time); named by {step.named}.",
            "",
        ]
    return lines


def main() -> None:
    out = command_line(__doc__, "").parse_args().out
    people: list[Newcomer] = []
    journeys: tuple[Callable[[Path], Newcomer], ...] = (survey_researcher, student, engineer)
    with tempfile.TemporaryDirectory() as place:
        build = [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            str(ROOT),
            "-w",
            place,
        ]
        subprocess.run(build, check=True)
        for journey in journeys:
            folder = Path(place) / journey.__name__
            folder.mkdir()
            people.append(journey(folder))
    table = pd.DataFrame(
        {
            "newcomer": person.who,
            "commands to the first useful number": len(person.steps),
            "seconds": f"{sum(step.seconds for step in person.steps):.0f}",
            "processor seconds": f"{sum(step.cpu_seconds for step in person.steps):.0f}",
        }
        for person in people
    )
    lines = [
        "# Three newcomers",
        "",
        made_by(typed()),
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end.",
        "",
    ]
    lines += [
        "From `pip install` to the first useful number, wanted: at most 3 commands and 120 seconds, network aside. The packages of the",
        "extras were there, so that pip fetched nothing. Every command was named by the page or the message before; the script",
        "`benchmarks/newcomers.py` fails where that is no longer so.",
        "",
        markdown_table(table),
        "",
    ]
    text = "\n".join(lines + [line for person in people for line in transcript(person)])
    write_whole(out / "newcomers.md", re.sub(r"/tmp/\S+?/", "", text))


if __name__ == "__main__":
    main()
