"""Messages for two readers: a sentence that names an argument in Python names the option at the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

#: What the command line calls an argument of the library that has another name there; all others are called the same.
AT_COMMAND_LINE = {
    "method": "--method",
    "alternative": "--alternative",
    "level": "--level",
    "half_width": "--half-width",
    "kappa": "--kappa",
    "eta": "--eta",
    "population_size": "--population-size",
    "seed": "--seed",
    "n": "--n",
    "problems": "--problem",
    "folds": "--folds",
    "effect": "--effect",
    "protocol": "--protocol",
    "pilot": "--pilot",
    "dtype": "--dtype",
    "device": "--device",
    "quantize": "--quantize",
    "batch_size": "--batch-size",
    "missing_codes": "--missing",
    "labels": "--labels",
    "where": "--where",
    "questions": "--questions",
    "id_column": "--id",
    "bounds": "--scale",
    "reference_participant": "--reference-participant",
    "human": "the human table",
    "digital_labeled": "the list of the twins' answers",
    "digital_unlabeled": "the list of the unlabelled digital answers",
}

_NOTHING = object()


class Message(str):
    """A sentence for a reader in Python, which holds the same sentence for a reader at the command line.

    It is an ordinary text, the one for Python. Joining texts makes another ordinary text: where both readers must be
    kept, join with :meth:`filled`.

    Attributes:
        command: the sentence at the command line.

    Example:
        >>> note = Message("declare the scale with bounds=(1, 5)", "declare the scale with --scale 1:5")
        >>> print(note)
        declare the scale with bounds=(1, 5)
        >>> Message.filled("{}: {}", "q01", note).command
        'q01: declare the scale with --scale 1:5'
    """

    command: str

    def __new__(cls, python: str, command: str | None = None) -> Self:
        made = super().__new__(cls, python)
        made.command = for_command(python) if command is None else command
        return made

    @classmethod
    def filled(cls, template: str, *parts: object) -> Self:
        """``template.format(*parts)`` for both readers, each with the form of every part that is meant for them."""
        return cls(template.format(*parts), template.format(*map(_part_for_command, parts)))

    @classmethod
    def joined(cls, texts: Iterable[str], between: str = " ") -> Self:
        """Texts as one for both readers; the empty ones are left out."""
        kept = [text for text in texts if text]
        return cls(between.join(kept), between.join(map(for_command, kept)))


class BadInput(ValueError):
    """Bad input: the argument, what was given, what is wrong with it, and the mend for each reader.

    ``str(error)`` is the sentence for Python, ``said(error).command`` the one for the command line. Both outlive a
    process: the error can be pickled.

    Args:
        problem: what is wrong; it follows the argument's name where one is given.
        argument: name of the argument in Python; the command line has its own name from :data:`AT_COMMAND_LINE`.
        given: its value; left out where the problem says it.
        python: what to do about it in Python.
        command: what to do about it at the command line; the same by default, nothing where it is empty.

    Attributes:
        argument: as said; empty where there is none.
        given: the value; None where it was left out.

    Example:
        >>> error = BadInput("no person has a twin", python="give match=[...]", command="give --match COLUMNS")
        >>> print(error)
        no person has a twin; give match=[...]
        >>> said(error).command
        'no person has a twin; give --match COLUMNS'
        >>> said(BadInput("must be positive", argument="eta", given=-1.0)).command
        '--eta must be positive; got -1.0'
    """

    def __init__(
        self,
        problem: str,
        *,
        argument: str = "",
        given: object = _NOTHING,
        python: str = "",
        command: str | None = None,
    ) -> None:
        self.argument = argument
        self.given = None if given is _NOTHING else given
        value = "" if given is _NOTHING else f"; got {given!r}"
        forms = (
            (argument, str(problem), python),
            (
                AT_COMMAND_LINE.get(argument, argument),
                for_command(problem),
                for_command(python) if command is None else command,
            ),
        )
        super().__init__(Message(*(_sentence(name, text, value, mend) for name, text, mend in forms)))


def _sentence(name: str, problem: str, value: str, mend: str) -> str:
    return f"{name}{' ' if name else ''}{problem}{value}{'; ' if mend else ''}{mend}"


def said(error: Exception) -> Message:
    """What an error says to both readers; to both the same where it knows of one only.

    Example:
        >>> said(ValueError("the file is empty")).command
        'the file is empty'
    """
    first = error.args[0] if len(error.args) == 1 else None
    return first if isinstance(first, Message) else Message(str(error))


def inside(where: str, error: Exception) -> BadInput:
    """The same error with the place where it was found in front, for instance a file or an option.

    Example:
        >>> print(inside("a.csv", ValueError("the file is empty")))
        a.csv: the file is empty
    """
    found = BadInput(Message.filled("{}: {}", where, said(error)))
    if isinstance(error, BadInput):
        found.argument, found.given = error.argument, error.given
    return found


def for_command(text: str) -> str:
    """A text as the command line shows it.

    Example:
        >>> for_command("no answer"), for_command(Message("give eta", "give --eta"))
        ('no answer', 'give --eta')
    """
    return text.command if isinstance(text, Message) else str(text)


def _part_for_command(part: object) -> object:
    return part.command if isinstance(part, Message) else part
