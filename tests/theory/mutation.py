"""Small errors planted in the calculators' source, and a program that verifies the theory with each of them.

Every arithmetic operator, numeric constant and comparison in the named functions is changed in turn: + and -, * and
/, < and >= are swapped, an integer grows by 1, another number by a tenth, a sign, a square root or an absolute value is
dropped, least and largest, floor and ceiling are swapped. Left alone are tests that only raise or note something,
arguments of input checks, axes, shapes, bare indices, tolerances, texts and notes, default values and annotations.

``everywhere`` also changes what is left alone there, except texts, default values and annotations; and equality, "and"
and "or", True and False are swapped, "not" is dropped, and so is an argument that is passed on under its own name.

As a program (``python tests/theory/mutation.py RESULT [FILE ...] [--listed]``) it prints which changes of its targets
are not noticed; those that are listed as equivalent are tried with ``--listed`` only.
"""

from __future__ import annotations

import ast
import resource
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

OPERATORS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Lt: ("<", ">="),
    ast.LtE: ("<=", ">"),
    ast.Gt: (">", "<="),
    ast.GtE: (">=", "<"),
}
#: Changed where changes are made everywhere.
MORE_OPERATORS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.And: ("and", "or"),
    ast.Or: ("or", "and"),
}
NAMES = {
    "maximum": "minimum",
    "minimum": "maximum",
    "max": "min",
    "min": "max",
    "ceil": "floor",
    "floor": "ceil",
    "sin": "cos",
    "arcsin": "arccos",
    "argmin": "argmax",
    "argmax": "argmin",
}
DROPPED = ("sqrt", "abs", "log", "exp")
#: Keyword arguments that shape arrays or texts, not numbers.
SHAPES = ("axis", "keepdims", "shape", "least", "least_ndim", "out", "dtype", "digits", "errors", "invalid", "divide")
#: Smaller numbers guard against rounding and are left alone.
TOLERANCE = 1e-5
#: Functions that make texts and pictures.
TEXTS = ("_why", "_flags", "plot", "to_frame")
#: Calls whose arguments are shapes, texts or limits of input checks.
CALLS = (
    "reshape",
    "moveaxis",
    "expand_dims",
    "broadcast_to",
    "range",
    "round",
    "swapaxes",
    "enumerate",
    "empty",
    "ones",
    "zeros",
)


@dataclass(frozen=True)
class Mutation:
    """One changed piece of source: bytes ``start`` to ``end`` of ``file`` become ``changed``.

    ``after`` is the changed line, ``marked`` the line with [old -> new] in its place.
    """

    file: str
    function: str
    start: int
    end: int
    changed: str
    after: str
    marked: str

    def __str__(self) -> str:
        return f"{self.file}: {self.function}: {self.marked}"


def mutations(
    file: str, functions: Iterable[str] = (), root: Path = ROOT, *, everywhere: bool = False
) -> list[Mutation]:
    """All changes of the functions and constants named (of all functions, if none is)."""
    source = (root / "crowdllm_stats" / file).read_bytes()
    wanted = set(functions)
    found: dict[tuple[int, int, str], Mutation] = {}
    seen = set()
    for node in ast.walk(ast.parse(source)):
        name = _name(node)
        if name is None or (name not in wanted if wanted else not isinstance(node, ast.FunctionDef) or name in TEXTS):
            continue
        seen.add(name)
        for start, end, changed in _changes_everywhere(node, source) if everywhere else _changes(_walk(node), source):
            found.setdefault((start, end, changed), _mutation(file, name, source, start, end, changed))
    if wanted - seen:
        raise ValueError(f"{file} does not define {', '.join(sorted(wanted - seen))}")
    return sorted(found.values(), key=lambda mutation: mutation.start)


def equivalent(file: Path) -> dict[str, str]:
    """The changes that a file lists as not to be noticed, each with its reason."""
    groups = tomllib.loads(file.read_text(encoding="utf-8"))["same"]
    return {f"{group['file']}: {change}": group["reason"] for group in groups for change in group["changes"]}


def _name(node: ast.AST) -> str | None:
    if isinstance(node, ast.FunctionDef):
        return node.name
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.col_offset == 0:
        return node.targets[0].id
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.col_offset == 0:
        return node.target.id
    return None


def _mutation(file: str, function: str, source: bytes, start: int, end: int, changed: str) -> Mutation:
    first = source.rfind(b"\n", 0, start) + 1
    last = source.find(b"\n", end)
    head, old, tail = (source[a:b].decode() for a, b in ((first, start), (start, end), (end, last)))
    after = " ".join(f"{head}{changed}{tail}".split())
    marked = " ".join(f"{head}[{old} -> {changed}]{tail}".split())
    return Mutation(file, function, start, end, changed, after, marked)


def _changes_everywhere(function: ast.AST, source: bytes) -> Iterator[tuple[int, int, str]]:
    places, nodes = _Places(source), [*_walk(function, left_alone=_text)]
    yield from _changes(nodes, source)
    for node in nodes:
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in MORE_OPERATORS:
            yield places.between(node.left, node.comparators[0], *MORE_OPERATORS[type(node.ops[0])])
        elif isinstance(node, ast.BoolOp):
            yield places.between(*node.values[:2], *MORE_OPERATORS[type(node.op)])
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield places.start(node), places.start(node) + len("not"), ""
        elif isinstance(node, ast.Constant) and type(node.value) is bool:
            yield places.start(node), places.end(node), str(not node.value)
        elif isinstance(node, ast.Call):
            yield from _passed_on(node, places)


def _passed_on(node: ast.Call, places: _Places) -> Iterator[tuple[int, int, str]]:
    """An argument ``name=name`` left out, with the comma that parts it from its neighbour."""
    given = sorted([*node.args, *node.keywords], key=places.start)
    for place, one in enumerate(given):
        if isinstance(one, ast.keyword) and isinstance(one.value, ast.Name) and one.value.id == one.arg:
            first = places.start(one) if place == 0 else places.end(given[place - 1])
            last = places.start(given[1]) if place == 0 and len(given) > 1 else places.end(one)
            yield first, last, ""


def _text(parent: ast.AST, child: ast.AST) -> bool:
    """Whether a node is a text, a default value, an annotation, or a function of its own."""
    if isinstance(child, ast.Raise | ast.Assert | ast.JoinedStr | ast.arguments | ast.FunctionDef):
        return True
    if isinstance(parent, ast.FunctionDef):
        return child in (*parent.decorator_list, parent.returns)
    return isinstance(parent, ast.AnnAssign) and child is parent.annotation


def _changes(nodes: Iterable[ast.AST], source: bytes) -> Iterator[tuple[int, int, str]]:
    places = _Places(source)
    for node in nodes:
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            yield places.between(node.left, node.right, *OPERATORS[type(node.op)])
        elif isinstance(node, ast.AugAssign) and type(node.op) in OPERATORS:
            old, new = OPERATORS[type(node.op)]
            yield places.between(node.target, node.value, f"{old}=", f"{new}=")
        elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in OPERATORS:
            yield places.between(node.left, node.comparators[0], *OPERATORS[type(node.ops[0])])
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            yield places.start(node), places.start(node) + 1, ""
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float) and not 0 < node.value < TOLERANCE:
            text = repr(node.value + 1) if isinstance(node.value, int) else repr(node.value * 1.1 or 0.1)
            yield places.start(node), places.end(node), text
        elif isinstance(node, ast.Call):
            yield from _called(node, places)


def _called(node: ast.Call, places: _Places) -> Iterator[tuple[int, int, str]]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    end = places.end(node.func)
    if name in NAMES:
        yield end - len(name), end, NAMES[name]
    elif name in DROPPED and len(node.args) == 1:
        yield places.start(node.func), end, ""


class _Places:
    """Byte offsets of syntax nodes."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        self.lines = [0]
        for line in source.splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line))

    def start(self, node: ast.AST) -> int:
        return self.lines[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]

    def end(self, node: ast.AST) -> int:
        return self.lines[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]

    def between(self, left: ast.AST, right: ast.AST, old: str, new: str) -> tuple[int, int, str]:
        place = self.source.index(old.encode(), self.end(left), self.start(right))
        return place, place + len(old), new


def _left_alone(parent: ast.AST, child: ast.AST) -> bool:
    if _text(parent, child):
        return True
    if isinstance(child, ast.Assign | ast.AnnAssign) and _words(child):
        return True
    if isinstance(child, ast.If) and all(map(_no_number, child.body)) and not child.orelse:
        return True
    if isinstance(child, ast.keyword) and child.arg in SHAPES:
        return True
    if isinstance(child, ast.Call):
        name = child.func.attr if isinstance(child.func, ast.Attribute) else getattr(child.func, "id", "")
        return name in CALLS or name.startswith("check_") or name in ("_why", "errstate")
    return isinstance(parent, ast.Subscript) and child is parent.slice and _bare(child)


def _walk(node: ast.AST, left_alone: Callable[[ast.AST, ast.AST], bool] = _left_alone) -> Iterator[ast.AST]:
    """The nodes whose change changes a number, or more of them: see the module's first lines."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not left_alone(node, child):
            yield from _walk(child, left_alone)


def _no_number(step: ast.stmt) -> bool:
    return isinstance(step, ast.Raise) or (isinstance(step, ast.Assign | ast.AnnAssign) and _words(step))


def _words(node: ast.Assign | ast.AnnAssign) -> bool:
    """An assignment to ``flags`` or ``why``, which hold notes for people."""
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    target = target.value if isinstance(target, ast.Subscript) else target
    return isinstance(target, ast.Name) and target.id in ("flags", "why")


def _bare(node: ast.AST) -> bool:
    """An index without arithmetic: a number, a slice, or a tuple of these."""
    return not any(isinstance(part, ast.BinOp) for part in ast.walk(node))


# ------------------------------------------------------------------------------------------------------- as a program
def _look(result: str, files: Sequence[str], listed: bool) -> int:
    from noticing import copy_of_package, outcomes
    from test_mutations import EQUIVALENT, planted_for

    planted = [mutation for mutation in planted_for(result) if not files or mutation.file in files]
    if not listed:
        planted = [mutation for mutation in planted if str(mutation) not in EQUIVALENT]
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        copy_of_package(Path(folder))
        for mutation, code in zip(planted, outcomes(result, planted, Path(folder)), strict=True):
            known = " (listed)" if str(mutation) in EQUIVALENT else ""
            if code != "1":
                print(code, mutation, known)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = f"{time.monotonic() - start:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of processor time"
    print(f"{result}: {len(planted)} changes in {seconds}")
    return 0


if __name__ == "__main__":
    named = [argument for argument in sys.argv[1:] if argument != "--listed"]
    sys.exit(_look(named[0], named[1:], "--listed" in sys.argv))
