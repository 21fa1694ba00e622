"""Prompts: templates in files with named slots, filled from problems and profiles."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd

from crowdllm_stats._base.checks import check_choice, check_count
from crowdllm_stats._base.messages import BadInput
from crowdllm_stats._base.words import rows_text
from crowdllm_stats.backbones.control_tokens import ControlTokens
from crowdllm_stats.backbones.options import Options, answers_of
from crowdllm_stats.data.ids import as_ids
from crowdllm_stats.data.reference import AGGREGATORS

ROLES = ("system", "user", "assistant")
_HEADING = re.compile(r"^\[(system|user|assistant|text|options|settings)\]\n", re.MULTILINE)
_SLOT = re.compile(r"\{([a-z_]+)\}")
_SETTINGS: dict[str, Any] = {"temperature": float, "k": int, "decision": str}


@dataclass(frozen=True)
class ChatMessage:
    """One turn of a prompt: ``role`` is "system", "user", "assistant" (the answer's beginning) or "" (no chat)."""

    role: str
    content: str


@dataclass(frozen=True)
class Template:
    """A prompt with slots such as ``{text}``.

    A file has the sections ``[system]``, ``[user]``, ``[assistant]`` (optional: the answer's first words),
    ``[options]`` (a line an answer, ``1 = mild``) and ``[settings]`` (``temperature``, ``k``, ``decision``). A file
    without sections, or the section ``[text]`` in place of the turns, is plain text that is given to the model as it
    stands, whose control tokens (of the template, not of the data) work. ``[options]`` without a slot ``{options}``
    are the answers that the text itself speaks of: no others are taken.

    Slots: ``{text}`` or ``{problem}`` (what the problem says), ``{persona}``, ``{options}``, ``{requirements}``,
    ``{context}``, and any other column of the problems.

    Attributes:
        name: of the template.
        messages: the turns.
        labels: the answers and their meaning from ``[options]``; empty if the file has none.
        temperature: the one it is meant for.
        k: draws a decision is made of.
        decision: how they are joined, as :meth:`Reference.decision` takes it.
        sha256: hash of the file's text.

    Example:
        >>> template = Template.parse("[user]\\nRate: {text}\\n[options]\\n1 = bad\\n2 = good\\n", "mine")
        >>> template.slots, template.labels
        (('text',), {'1': 'bad', '2': 'good'})
        >>> template.fill({"text": "tea {options}"})
        (ChatMessage(role='user', content='Rate: tea {options}'),)
    """

    name: str
    messages: tuple[ChatMessage, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    temperature: float = 1.0
    k: int = 8
    decision: str = "expected"
    sha256: str = ""

    @classmethod
    def load(cls, name: str | Path) -> Template:
        """A template of the package by name, or a file by path.

        Raises:
            ValueError: if there is no such template (the message lists them), if the file is not UTF-8, and as
                :meth:`parse`.

        Example:
            >>> Template.load("self_consistency").temperature
            0.5
        """
        if str(name) in template_names():
            text = resources.files(__package__).joinpath("prompts", f"{name}.txt").read_text(encoding="utf-8")
            return cls.parse(text, str(name))
        path = Path(name)
        if not path.is_file():
            raise ValueError(
                f"template {str(name)!r} is neither a file nor one of the package's: {', '.join(template_names())}"
            )
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"template {path}: not UTF-8 text ({error}); save the file as UTF-8") from None
        return cls.parse(text, path.stem)

    @classmethod
    def parse(cls, text: str, name: str) -> Template:
        """Read a template's text.

        Raises:
            ValueError: without any text for the model, on a repeated section, an unknown setting or value of one, an
                option without meaning.
        """
        text = text.replace("\r\n", "\n")
        digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
        parts = _HEADING.split(text if text.endswith("\n") else f"{text}\n")
        if len(parts) == 1:
            if not text.strip():
                raise ValueError(f"template {name!r} is empty")
            return cls(name, (ChatMessage("", text),), sha256=digest)
        if parts[0].strip():
            raise ValueError(f"template {name!r} has text before its first section [{parts[1]}]; put it into one")
        found = list(zip(parts[1::2], (part.removesuffix("\n") for part in parts[2::2]), strict=True))
        once = [part for part, _ in found]
        if len(set(once)) < len(once):
            raise ValueError(f"template {name!r} repeats a section: {', '.join(once)}")
        turns = [part for part in once if part in (*ROLES, "text")]
        if turns not in (
            ["text"],
            ["user"],
            ["system", "user"],
            ["user", "assistant"],
            ["system", "user", "assistant"],
        ):
            raise ValueError(
                f"template {name!r} has the turns {', '.join(turns) or 'none'}; "
                "it needs [user], before it perhaps [system], after it perhaps [assistant]; or [text] alone"
            )
        sections = dict(found)
        messages = tuple(ChatMessage("" if part == "text" else part, sections[part]) for part in turns)
        labels = _pairs(sections.get("options", ""), name, "options")
        settings = _pairs(sections.get("settings", ""), name, "settings")
        unknown = sorted(set(settings) - set(_SETTINGS))
        if unknown:
            raise ValueError(f"template {name!r}: unknown setting {unknown[0]!r}; there are {', '.join(_SETTINGS)}")
        try:
            values = {key: _SETTINGS[key](value) for key, value in settings.items()}
            check_count("k", values.get("k", 1))
            check_choice("decision", values.get("decision", "expected"), AGGREGATORS)
            if not 0.0 <= values.get("temperature", 1.0) < math.inf:
                raise ValueError(f"temperature must be a number of at least 0; got {settings['temperature']!r}")
        except ValueError as error:
            raise ValueError(f"template {name!r}: [settings] {error}") from None
        return cls(name, messages, labels, sha256=digest, **values)

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the slots, in order of appearance."""
        return tuple(dict.fromkeys(slot for message in self.messages for slot in _SLOT.findall(message.content)))

    def options(self, answers: Any = None, labels: Mapping[Any, str] | None = None) -> Options:
        """The answers given, with their labels, or those of the template's ``[options]``.

        Raises:
            ValueError: if neither says what the admissible answers are; on other answers than those that the template's
                own text speaks of.
        """
        if answers is None and labels is None:
            if not self.labels:
                raise BadInput(
                    f"template {self.name!r} lists no options",
                    python="give answers=, for instance [1, 2, 3, 4, 5]",
                    command="take a template with labelled [options]",
                )
            return Options.of(answers_of(list(self.labels)), self.labels)
        asked = Options.of(list(labels or ()) if answers is None else answers, labels)
        same = set(asked.texts) == set(self.labels)
        if self.labels and not same and "options" not in self.slots:
            raise ValueError(
                f"template {self.name!r} speaks of the answers {', '.join(self.labels)} in its own text; got "
                f"{', '.join(asked.texts)}: give those, or take a template with {{options}}, for instance zero_shot"
            )
        return Options.of(answers, self.labels) if same and labels is None else asked

    def fill(self, values: Mapping[str, str]) -> tuple[ChatMessage, ...]:
        """The messages with every slot filled; what the values hold is never read as a slot.

        Raises:
            ValueError: if a slot has no value.
        """
        missing = [slot for slot in self.slots if slot not in values]
        if missing:
            raise ValueError(f"template {self.name!r} needs {{{missing[0]}}}, which nothing fills")
        return tuple(
            ChatMessage(message.role, _SLOT.sub(lambda match: values[match[1]], message.content))
            for message in self.messages
        )


def template_names() -> tuple[str, ...]:
    """Names of the package's templates.

    Example:
        >>> "zero_shot" in template_names()
        True
    """
    folder = resources.files(__package__).joinpath("prompts")
    return tuple(sorted(entry.name[:-4] for entry in folder.iterdir() if entry.name.endswith(".txt")))


@dataclass(frozen=True, eq=False)
class Prompts:
    """The filled prompts of T problems and P profiles, made when asked for.

    Attributes:
        template: what was filled.
        options: the answers as the prompts list them.
        problems: ids, T of them.
        profiles: ids, P of them; ("",) without profiles.
        personas: what stands for ``{persona}``, P texts.
        escaped: control tokens that were escaped in the data.
    """

    template: Template
    options: Options
    problems: tuple[str, ...]
    profiles: tuple[str, ...]
    personas: tuple[str, ...]
    values: tuple[Mapping[str, str], ...]
    escaped: int

    def messages(self, problem: int, profile: int = 0) -> tuple[ChatMessage, ...]:
        """The prompt of a problem and a profile, by place."""
        return self.template.fill({**self.values[problem], "persona": self.personas[profile]})

    def __iter__(self) -> Iterator[tuple[ChatMessage, ...]]:
        """All prompts, profile by profile within a problem."""
        for row in range(len(self.problems)):
            for column in range(len(self.profiles)):
                yield self.messages(row, column)


def build_prompts(
    template: Template,
    problems: pd.DataFrame,
    profiles: pd.DataFrame | None = None,
    *,
    options: Options,
    requirements: str | None = None,
    context: str | None = None,
    control_tokens: ControlTokens | None = None,
) -> Prompts:
    """Fill a template for every problem and profile.

    Args:
        template: whose slots are filled.
        problems: a row per problem, column ``problem`` (id) and the columns that the slots name, usually ``text``.
        profiles: a row per person, column ``participant`` and either ``persona`` or the profile columns (see
            :func:`describe`).
        options: the answers.
        requirements: for ``{requirements}`` where the problems have no such column.
        context: for ``{context}`` where the problems have no such column.
        control_tokens: how control tokens in the data are found and treated; the usual marks are escaped by default.

    Raises:
        ValueError: on missing columns, ids or texts, repeated ids, a slot that nothing fills, profiles for a template
            without ``{persona}`` and the reverse.

    Example:
        >>> table = pd.DataFrame({"problem": [7], "text": ["A tea cosy."]})
        >>> filled = build_prompts(Template.load("offensiveness"), table, options=Options.of([1, 2]))
        >>> filled.messages(0)[1].content.splitlines()[0]
        'Comment: A tea cosy.'
    """
    guard = control_tokens or ControlTokens()
    names = ids_of(problems, "problem", "problems")
    if ("persona" in template.slots) != (profiles is not None):
        if profiles is not None:
            raise ValueError(
                f"template {template.name!r} has no slot {{persona}}: profiles would change nothing; take another "
                "template, for instance multi_persona"
            )
        raise BadInput(
            f"template {template.name!r} needs profiles for {{persona}}",
            python="give profiles=",
            command="take a template without it, for instance zero_shot",
        )
    given = {"requirements": requirements, "context": context}
    columns: dict[str, list[str]] = {}
    escaped = 0
    for slot in template.slots:
        if slot == "persona":
            continue
        if slot == "options":
            columns[slot] = [options.text] * len(names)
            continue
        source = "text" if slot == "problem" else slot
        if source in problems.columns:
            texts = _texts(problems[source], source, names)
        elif given.get(slot) is not None:
            texts = [str(given[slot])] * len(names)
        else:
            raise ValueError(
                f"template {template.name!r} needs {{{slot}}}: the problems have no column {source!r} "
                f"(they have {', '.join(map(str, problems.columns))})" + (f"; or pass {slot}=" if slot in given else "")
            )
        cleaned = [guard.clean(text, f"problem {name!r}") for text, name in zip(texts, names, strict=True)]
        columns[slot] = [one.text for one in cleaned]
        escaped += sum(one.found for one in cleaned)
    people: tuple[str, ...] = ("",)
    personas: tuple[str, ...] = ("",)
    if profiles is not None:
        people = ids_of(profiles, "participant", "profiles")
        personal = [
            guard.clean(text, f"profile {name!r}") for text, name in zip(describe(profiles), people, strict=True)
        ]
        personas, escaped = tuple(one.text for one in personal), escaped + sum(one.found for one in personal)
    rows = tuple({slot: columns[slot][row] for slot in columns} for row in range(len(names)))
    return Prompts(template, options, names, people, personas, rows, escaped)


def describe(profiles: pd.DataFrame) -> list[str]:
    """Each profile in words: its column ``persona``, or "column: value" of the others, missing values left out.

    Raises:
        ValueError: if a profile says nothing at all.

    Example:
        >>> describe(pd.DataFrame({"participant": [1, 2], "age": ["18-24", None], "race": ["Asian", "White"]}))
        ['age: 18-24; race: Asian', 'race: White']
    """
    columns = ["persona"] if "persona" in profiles.columns else [c for c in profiles.columns if c != "participant"]
    personal = []
    for row in profiles[columns].itertuples(index=False, name=None):
        said = [(name, str(value).strip()) for name, value in zip(columns, row, strict=True) if not pd.isna(value)]
        personal.append("; ".join(text if name == "persona" else f"{name}: {text}" for name, text in said if text))
    empty = [str(one) for one, text in zip(profiles["participant"], personal, strict=True) if not text]
    if empty:
        raise ValueError(
            f"{len(empty)} profile(s) say nothing, for instance {empty[0]!r}: give them a column 'persona', "
            "or ask without profiles"
        )
    return personal


def _texts(column: pd.Series, name: str, ids: tuple[str, ...]) -> list[str]:
    bad = [one for one, value in zip(ids, column, strict=True) if pd.isna(value) or not str(value).strip()]
    if bad:
        raise ValueError(
            f"{len(bad)} problem(s) without {name}, for instance problem {bad[0]!r}: the model would rate an empty "
            "text; leave these problems out"
        )
    return [str(value) for value in column]


def _pairs(body: str, template: str, section: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for line in body.splitlines():
        if not line.strip():
            continue
        key, mark, value = (part.strip() for part in line.partition("="))
        if not (mark and key and value) or key in pairs:
            raise ValueError(f"template {template!r}: [{section}] has the line {line!r}; it takes lines NAME = VALUE")
        pairs[key] = value
    return pairs


def ids_of(table: pd.DataFrame, column: str, name: str) -> tuple[str, ...]:
    """The ids in a column of a table, each present and different.

    Args:
        table: a row per id.
        column: "problem" or "participant".
        name: how messages name the table.

    Raises:
        ValueError: if it is not a table, is empty, has no such column, or an id is missing or repeated.

    Example:
        >>> ids_of(pd.DataFrame({"problem": [3, 1]}), "problem", "problems")
        ('3', '1')
    """
    if not isinstance(table, pd.DataFrame):
        raise ValueError(f"{name} must be a pandas DataFrame with a column {column!r}, got {type(table).__name__}")
    if column not in table.columns:
        have = ", ".join(map(str, table.columns)) or "none"
        raise ValueError(f"{name} has no column {column!r}; the columns there are {have}")
    if table.empty:
        raise ValueError(f"{name} has no rows; give at least one {column}")
    ids = as_ids(table[column].reset_index(drop=True), f"{name}: column {column!r}")
    if ids.missing.any():
        raise ValueError(f"{name}: column {column!r} is empty in {rows_text(ids.missing)}; give every row an id")
    names = ids.column()
    repeated = names.duplicated().to_numpy()
    if repeated.any():
        raise ValueError(
            f"{name}: {int(repeated.sum())} {column}(s) stand there twice, for instance "
            f"{names[repeated].iloc[0]!r}; keep one row each"
        )
    return tuple(names.tolist())
