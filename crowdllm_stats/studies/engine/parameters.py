"""What a study can set of a simulator: its parameters, each with a kind, a default and limits, and what they mean."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from crowdllm_stats._base.checks import check_choice
from crowdllm_stats._base.manifest import sha256

Kind = Literal["number", "whole", "choice", "flag", "numbers", "file"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclasses.dataclass(frozen=True)
class InputFile:
    """A file that a study reads. What is in it counts: two of equal content are equal, wherever they are.

    Attributes:
        path: as the study file has it.
        sha256: of its content when the study was read, in hexadecimal.
    """

    path: str = dataclasses.field(compare=False)
    sha256: str

    def __str__(self) -> str:
        return self.path

    def check(self) -> None:
        """Refuse a file that changed after the study was read, in whatever process it is used.

        Raises:
            ValueError: naming it.
        """
        if sha256(Path(self.path)) != self.sha256:
            raise ValueError(f"{self.path} has changed since the study was read: run the study again")


Value = float | int | str | bool | tuple[float, ...] | InputFile


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One parameter of a simulator; a study fixes it or varies it as a factor.

    Attributes:
        meaning: what it is, with its unit; shown by ``crowdllm-stats study show``.
        kind: "number", "whole", "choice" (one of ``choices``), "flag" (true or false), "numbers" (a list) or "file"
            (the path of one, or one of ``choices``, which come with the package).
        default: the value of studies that say nothing; None where every study must say.
        least: smallest allowed number; for "numbers" of every entry.
        most: largest allowed number.
        choices: allowed words of a "choice", and of a "file" beside paths.
    """

    meaning: str
    kind: Kind = "number"
    default: Value | None = None
    least: float = -math.inf
    most: float = math.inf
    choices: Sequence[str] = ()

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, KINDS)

    def read(self, name: str, value: Any) -> Value:
        """A value from a study file as this parameter has it: whole numbers as int, other numbers as float.

        Raises:
            ValueError: in one line, with the parameter's name, the value and what is allowed.

        Example:
            >>> Parameter("people", "whole", least=2).read("n", 5)
            5
        """
        if self.kind == "flag":
            if not isinstance(value, bool):
                raise ValueError(f"{name} must be true or false; got {value!r}")
            return value
        if self.kind == "choice":
            if value not in self.choices or not isinstance(value, str):
                raise ValueError(f"{name} must be one of {', '.join(map(repr, self.choices))}; got {value!r}")
            return value
        if self.kind == "file":
            return self._file(name, value)
        if self.kind == "numbers":
            if not isinstance(value, list | tuple) or not value:
                raise ValueError(f"{name} must be a list of numbers, for instance [0.2, 0.8]; got {value!r}")
            return tuple(self.number(f"every entry of {name}", entry) for entry in value)
        number = self.number(name, value)
        if self.kind == "whole":
            if not number.is_integer():
                raise ValueError(f"{name} must be a whole number; got {value!r}")
            return int(number)
        return number

    def _file(self, name: str, value: Any) -> str | InputFile:
        if value in self.choices or isinstance(value, InputFile):
            return value  # type: ignore[no-any-return]  # a choice is a str
        try:
            if isinstance(value, str) and Path(value).is_file():
                return InputFile(value, sha256(Path(value)))
        except OSError as error:
            raise ValueError(f"{name}: {value} cannot be read: {error.strerror}; name a file that can") from None
        words = ", ".join(map(repr, self.choices))
        raise ValueError(f"{name} must be one of {words} or the path of a file; there is no file {value!r}")

    def number(self, name: str, value: Any) -> float:
        """A number within the limits.

        Raises:
            ValueError: as :meth:`read`.
        """
        if isinstance(value, str):
            raise ValueError(f"{name} must be a number, but {value!r} is text: write it without quotes")
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{name} must be a finite number; got {value!r}")
        if not self.least <= value <= self.most:
            allowed = f"at least {self.least:g}" if math.isinf(self.most) else f"from {self.least:g} to {self.most:g}"
            allowed = f"at most {self.most:g}" if math.isinf(self.least) else allowed
            raise ValueError(f"{name} must be {allowed}; got {value!r}")
        return float(value)


def plain(value: Value) -> Any:
    """A value as JSON has it: a file by the hash of its content.

    Example:
        >>> plain((0.5, 0.5)), plain(InputFile("mine.npz", "ab12"))
        ([0.5, 0.5], 'sha256:ab12')
    """
    if isinstance(value, InputFile):
        return f"sha256:{value.sha256}"
    return list(value) if isinstance(value, tuple) else value


def cell_text(cell: Mapping[str, Value], parameters: Mapping[str, Parameter]) -> str:
    """A cell as text for its seed: the values that differ from the parameter's default, by name.

    So a study that states a default, or a simulator that gains a parameter, keeps its random numbers.

    Example:
        >>> known = {"n": Parameter("people", "whole"), "noise": Parameter("sd", default=0.0)}
        >>> cell_text({"n": 5, "noise": 0.0}, known)
        'n=5'
    """
    return ";".join(
        f"{name}={json.dumps(plain(cell[name]))}"
        for name in sorted(cell)
        if name not in parameters or cell[name] != parameters[name].default
    )
