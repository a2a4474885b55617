"""Every `raise` of the package has a test that matches its text.

A walk over the package collects the constant pieces of each message (f-string fields are gaps), a
walk over the tests the texts they look for: strings in `match=`, in tables of cases, in
`"..." in message`. A raise is covered when a text looked for can be part of its message: it lies in
a piece, holds a whole piece, or overlaps the edge of a piece where a gap begins.

A message may be a string, a sum of strings, a name set in the same function, or a call of a
function of ours that words it. `raise` alone, `raise error` of a caught error and a bare
NotImplementedError say nothing of their own and need no test.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "skhep_anomaly"
SHORTEST = 5  # characters of a text that lies inside a piece
EDGE = 8  # characters of a text that overlaps a piece's edge, or of a piece inside a text


def parse(folder: Path) -> dict[str, ast.Module]:
    return {
        path.relative_to(folder).as_posix(): ast.parse(path.read_text("utf-8"), str(path))
        for path in sorted(folder.rglob("*.py"))
    }


def strings(node: ast.AST) -> list[str]:
    """The constant strings anywhere inside an expression."""
    found = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
    return [value for value in found if isinstance(value, str)]


class Wording:
    """Reads the constant pieces of a message, as seen from one place in one function."""

    def __init__(self, scope: ast.AST, line: int, functions: dict[str, list[ast.FunctionDef]]):
        self.scope, self.line, self.functions = scope, line, functions

    def pieces(self, node: ast.expr) -> list[str]:
        if isinstance(node, ast.JoinedStr):
            return [p for v in node.values if isinstance(v, ast.Constant) for p in strings(v)]
        if isinstance(node, ast.BinOp):
            return self.pieces(node.left) + self.pieces(node.right)
        if isinstance(node, ast.IfExp):
            return self.pieces(node.body) + self.pieces(node.orelse)
        if isinstance(node, ast.Name):
            return [p for value in self.values(node.id) for p in self.pieces(value)]
        if isinstance(node, ast.Call):
            return self.worded(node) + strings(node)
        return strings(node)

    def worded(self, call: ast.Call) -> list[str]:
        """The strings of our functions of this name, without their docstrings."""
        called = ast.unparse(call.func).split(".")[-1]
        functions = self.functions.get(called, [])
        return [p for f in functions for line in f.body[1:] or f.body for p in strings(line)]

    def values(self, name: str) -> list[ast.expr]:
        """What the name was last set to above the line, and what was added to it since."""
        found: list[ast.expr] = []
        for node in sorted(assignments(self.scope, name), key=lambda n: n.lineno):
            if node.lineno <= self.line and node.value is not None:
                found = [*found, node.value] if isinstance(node, ast.AugAssign) else [node.value]
        return [value for value in found if ast.unparse(value) != name]


def assignments(scope: ast.AST, name: str) -> list:
    return [
        node
        for node in ast.walk(scope)
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id == name
    ]


def is_silent(node: ast.Raise) -> bool:
    """Nothing of its own is said: `raise`, `raise error`, `raise NotImplementedError()`."""
    if isinstance(node.exc, ast.Call):
        return ast.unparse(node.exc) == "NotImplementedError()"
    return True


def messages(trees: dict[str, ast.Module]) -> dict[str, list[str]]:
    """`file:line` of every raise that says something -> the constant pieces of its message."""
    functions: dict[str, list[ast.FunctionDef]] = {}
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                functions.setdefault(node.name, []).append(node)
    found = {}
    for file, tree in trees.items():
        for scope in scopes(tree):
            for node in ast.walk(scope):
                if isinstance(node, ast.Raise) and not is_silent(node):
                    wording = Wording(scope, node.lineno, functions)
                    pieces = [p for arg in node.exc.args for p in wording.pieces(arg)]
                    found[f"{file}:{node.lineno}"] = pieces + wording.worded(node.exc)
    return found


def scopes(tree: ast.Module) -> list[ast.AST]:
    """The module, then its functions: a raise inside a function is read in that function."""
    return [tree, *(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))]


def looked_for(trees: dict[str, ast.Module]) -> set[str]:
    """The texts that tests look for; regular expressions are cut at their special characters."""
    texts: list[str] = []
    for tree in trees.values():
        for node in ast.walk(tree):
            texts += strings(node) if is_place_of_text(node) else []
    return {piece for text in texts for piece in literal_pieces(text)}


def is_place_of_text(node: ast.AST) -> bool:
    if isinstance(node, ast.keyword):
        return node.arg == "match"
    if isinstance(node, ast.Call):
        return ast.unparse(node.func).endswith(("parametrize", ".param", "raises", "warns"))
    if isinstance(node, ast.Compare):
        return any(isinstance(op, ast.In) for op in node.ops)
    return isinstance(node, ast.Assign) and isinstance(node.value, ast.List | ast.Tuple | ast.Dict)


def literal_pieces(pattern: str) -> list[str]:
    r"""`n_samples=1\.5 is .* of \d+` -> ["n_samples=1.5 is ", " of "]; the text as a whole too."""
    cut = re.split(r"(?<!\\)[.*+?|^$(){}\[\]]|\\[a-zA-Z]", pattern)
    plain = {re.sub(r"\\(.)", r"\1", piece) for piece in [pattern, *cut]}
    return [piece for piece in {pattern, *plain} if len(piece) >= SHORTEST]


def beginnings(text: str) -> set[str]:
    return {text[:k] for k in range(EDGE, len(text) + 1)}


def endings(text: str) -> set[str]:
    return {text[-k:] for k in range(EDGE, len(text) + 1)}


def is_covered(pieces: list[str], texts: set[str], starts: set[str], tails: set[str]) -> bool:
    longest = max(pieces, key=len, default="").strip()
    whole = [p for p in pieces if len(p) >= EDGE] + [longest] * (len(longest) >= SHORTEST)
    return (
        any(text in piece for text in texts for piece in pieces)
        or any(piece in text for text in texts for piece in whole)
        or any(starts & endings(piece) or tails & beginnings(piece) for piece in pieces)
    )


def uncovered(package: dict[str, ast.Module], tests: dict[str, ast.Module]) -> list[str]:
    texts = looked_for(tests)
    starts = {start for text in texts for start in beginnings(text)}
    tails = {tail for text in texts for tail in endings(text)}
    return [
        f"{place}: no test matches {' … '.join(pieces) or 'this message, which has no text'!r}"
        for place, pieces in messages(package).items()
        if not is_covered(pieces, texts, starts, tails)
    ]


def test_every_raise_is_matched_by_a_test():
    package = parse(PACKAGE)
    faults = uncovered(package, parse(TESTS))
    assert len(messages(package)) >= 1
    assert not faults, "\n" + "\n".join(faults)


@pytest.mark.parametrize(
    "source, test, n_uncovered",
    [
        ("raise ValueError('the weights are all zero')", "match='weights are all zero'", 0),
        ("raise ValueError('the weights are all zero')", "match='something else entirely'", 1),
        ("raise ValueError(f'n_samples={n} is too few rows')", "match='n_samples=1'", 0),
        ("raise ValueError(f'n_samples={n} is too few rows')", r"match=r'=\d+ is too few'", 0),
        ("raise ValueError(f'n_samples={n}')", "match='got n_samples=3 of 4'", 0),
        ("raise ValueError('a (0, 0.5] b')", r"match=r'\(0, 0\.5\]'", 0),
        ("raise ValueError(f'{n}')", "match='12345678'", 1),
        ("def f():\n  msg = 'a long message'\n  raise OSError(msg)", "match='long message'", 0),
        ("def w(): return 'worded here'\nraise OSError(w())", "match='worded here'", 0),
        ("def w(): return OSError('worded here')\nraise w()", "match='worded here'", 0),
        ("raise OSError()", "match='worded here'", 1),
        ("raise OSError('only here') from e", "match='only'", 1),
        ("raise\nraise error\nraise NotImplementedError()", "match='nothing here'", 0),
    ],
)
def test_the_walk_on_made_up_files(source, test, n_uncovered):
    package = {"a.py": ast.parse(source)}
    tests = {"test_a.py": ast.parse(f"pytest.raises(ValueError, {test})")}
    assert len(uncovered(package, tests)) == n_uncovered


def test_tables_of_cases_and_in_are_read():
    package = {"a.py": ast.parse("raise ValueError('first of all')\nraise OSError('second best')")}
    tests = {"t.py": ast.parse("CASES = [(1, 'first of all')]\nassert 'second best' in str(error)")}
    assert uncovered(package, tests) == []
    assert len(uncovered(package, {"t.py": ast.parse("x = 'first of all'")})) == 2
