"""Mutants: every small change of a reference's source that a tired author could make, made by machine.

A mutant replaces one piece of the syntax tree: an operator, a comparison, a constant, an axis, a keyword, an order of
arguments, a condition, a call or a statement. Left alone is what no check reads: docstrings, annotations, the text of
errors and of `repr`, and what stands at module level but for plain numbers.

Our own generator and not a library's: those known to us change operators and numbers only, want a source tree of
their own and a test run per mutant; the mutants that matter here are lost axes, wideners, detaches and refusals.
"""

from __future__ import annotations

import ast
import copy
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("functional", "nn", "tensor", "optim", "shapes")
TEXT = ("extra_repr", "__repr__")  # functions that only write

BINARY: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
}  # fmt: skip
PAIRS = (
    ("min", "max"), ("amin", "amax"), ("argmin", "argmax"), ("minimum", "maximum"), ("any", "all"), ("floor", "ceil"),
    ("sum", "amax"), ("zeros", "ones"), ("zeros_like", "ones_like"), ("new_zeros", "new_ones"), ("add_", "sub_"),
    ("mul_", "div_"), ("exp", "expm1"), ("log", "log1p"), ("sqrt", "abs"), ("cumsum", "cumprod"), ("sin", "cos"),
)  # fmt: skip
RENAMED = dict(PAIRS) | {b: a for a, b in PAIRS}
CONVERSIONS = ("tuple", "list", "int", "float", "bool", "str", "len", "range", "iter", "next", "set", "super", "type")

SYMMETRIC = ("isinstance", "issubclass", "getattr", "cast", "transpose", "min", "max", "promote_types")


@dataclass(frozen=True)
class Mutant:
    """One change of one file; `number` is its place among all of that file.

    `key` names it by where it stands and what it changes, so it keeps its name while other lines come and go.
    """

    path: str
    scope: str
    line: int
    operator: str
    before: str
    after: str
    occurrence: int
    number: int

    @property
    def key(self) -> str:
        """`functional/linear.py linear: x + bias -> x - bias`, with a count where a function has that twice."""
        again = f" #{self.occurrence}" if self.occurrence > 1 else ""
        return f"{self.path} {self.scope}: {self.before} -> {self.after}{again}"


@dataclass(frozen=True)
class Site:
    """A node and the field of its parent in which it stands."""

    parent: ast.AST
    field: str
    index: int | None
    node: ast.AST
    scope: str

    def put(self, node: ast.AST) -> None:
        """Set another node in its place."""
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def mutants_of(root: Path, path: str) -> list[Mutant]:
    """Every mutant of the file `path` under `root`."""
    seen: Counter[tuple[str, str, str]] = Counter()
    found = []
    for number, (site, operator, after) in enumerate(changes(ast.parse((root / path).read_text(encoding="utf-8")))):
        old, new = _shown(site.node), _shown(after)
        seen[site.scope, old, new] += 1
        line = getattr(site.node, "lineno", getattr(site.parent, "lineno", 0))
        found.append(Mutant(path, site.scope, line, operator, old, new, seen[site.scope, old, new], number))
    return found


def all_mutants(root: Path) -> list[Mutant]:
    """Every mutant of the references and the shape formulas."""
    files = sorted(p for package in PACKAGES for p in (root / package).rglob("*.py"))
    return [m for p in files for m in mutants_of(root, p.relative_to(root).as_posix())]


def sample(mutants: list[Mutant], count: int, seed: int = 0) -> list[Mutant]:
    """`count` of them, chosen by a hash of their names: a change elsewhere changes no choice, and 60 lie in 1,000."""

    def lot(mutant: Mutant) -> str:
        return hashlib.sha256(f"{seed} {mutant.key}".encode()).hexdigest()

    return sorted(mutants, key=lot)[:count]


def mutated(source: str, number: int) -> ast.Module:
    """The syntax tree of a file with its mutant of this number made.

    Raises:
        ValueError: if there is no such mutant.
    """
    tree = ast.parse(source)
    for i, (site, _, after) in enumerate(changes(tree)):
        if i == number:
            site.put(ast.copy_location(after, site.node))
            return ast.fix_missing_locations(tree)
    raise ValueError(f"number must be that of a mutant of the file, got {number}")


def changes(tree: ast.Module) -> Iterator[tuple[Site, str, ast.AST]]:
    """Every (place, operator, node to put there) of a file, always in the same order."""
    modules = {
        (alias.asname or alias.name).partition(".")[0]
        for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names
    }  # fmt: skip
    for site in list(_sites(tree, "", False)):
        yield from ((site, operator, after) for operator, after in _alternatives(site, modules))


def _shown(node: ast.AST) -> str:
    if isinstance(node, ast.keyword):
        return f"{node.arg}={ast.unparse(node.value)}"
    if isinstance(node, ast.If):
        return f"if {ast.unparse(node.test)}: ..."
    return " ".join(ast.unparse(node).split())


def _sites(parent: ast.AST, scope: str, inside: bool) -> Iterator[Site]:
    """Every place below `parent` that may be changed; `inside` says whether it is inside a function."""
    for field, value in ast.iter_fields(parent):
        if field in ("annotation", "returns", "decorator_list", "type_params", "bases"):
            continue
        for index, node in enumerate(value) if isinstance(value, list) else ((None, value),):
            if not isinstance(node, ast.AST) or _left_alone(node, parent, field, index):
                continue
            place, within = scope, inside
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                place = f"{scope}.{node.name}".lstrip(".")
                within = inside or isinstance(node, ast.FunctionDef)
            elif inside or (not scope and _is_named_number(node, parent)):
                yield Site(parent, field, index, node, scope or "module")
            yield from _sites(node, place, within)


def _is_named_number(node: ast.AST, parent: ast.AST) -> bool:
    return isinstance(parent, ast.Assign) and isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _left_alone(node: ast.AST, parent: ast.AST, field: str, index: int | None) -> bool:
    """Docstrings and other strings, errors' text, types, the guard of `zip`, and functions that only write."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.JoinedStr | ast.Raise) or (isinstance(node, ast.keyword) and node.arg == "strict"):
        return True
    if isinstance(node, ast.FunctionDef) and node.name in TEXT:
        return True
    if isinstance(parent, ast.Call) and field == "args":
        return index == {"isinstance": 1, "cast": 0}.get(ast.unparse(parent.func), -1)
    return False


def _alternatives(site: Site, modules: set[str]) -> Iterator[tuple[str, ast.AST]]:
    node = site.node
    if site.field == "test" or (site.field == "ifs" and isinstance(site.parent, ast.comprehension)):
        yield from _condition(node)
    if isinstance(node, ast.BinOp):
        yield from _binary(node)
    elif isinstance(node, ast.Compare):
        yield from _comparison(node)
    elif isinstance(node, ast.BoolOp):
        yield from _boolean(node)
    elif isinstance(node, ast.UnaryOp) or (isinstance(node, ast.Constant) and not _negated(site.parent)):
        yield from _constant(node)
    elif isinstance(node, ast.Call):
        yield from _call(node, modules)
    elif isinstance(node, ast.stmt):
        yield from _statement(node)


def _negated(parent: ast.AST) -> bool:
    return isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.USub)


def _condition(test: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(test, ast.expr) and not isinstance(test, ast.Compare | ast.UnaryOp):
        yield "condition", ast.UnaryOp(ast.Not(), test)


def _binary(node: ast.BinOp) -> Iterator[tuple[str, ast.AST]]:
    sides = (node.left, node.right)
    if any(isinstance(s, ast.Tuple | ast.List | ast.JoinedStr) for s in sides) or type(node.op) not in BINARY:
        return  # sequences and texts put together
    yield "operator", ast.BinOp(node.left, BINARY[type(node.op)](), node.right)
    yield "term", node.left
    if isinstance(node.op, ast.Add | ast.Mult | ast.BitAnd | ast.BitOr):
        yield "term", node.right


def _comparison(node: ast.Compare) -> Iterator[tuple[str, ast.AST]]:
    for i, op in enumerate(node.ops):
        for other in COMPARED[type(op)]:
            yield "comparison", ast.Compare(node.left, [*node.ops[:i], other(), *node.ops[i + 1 :]], node.comparators)


def _boolean(node: ast.BoolOp) -> Iterator[tuple[str, ast.AST]]:
    yield "boolean", ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    for i in range(len(node.values)):
        kept = [v for j, v in enumerate(node.values) if j != i]
        yield "term", kept[0] if len(kept) == 1 else ast.BoolOp(node.op, kept)


def _constant(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Numbers become their neighbours or twice themselves, truth values their contrary, and signs are lost."""
    if isinstance(node, ast.UnaryOp):
        if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
            yield from _number(-ast.literal_eval(node.operand))
        elif isinstance(node.op, ast.USub | ast.Not | ast.Invert):
            yield "sign", node.operand
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield "constant", ast.Constant(not node.value)
        elif isinstance(node.value, int | float):
            yield from _number(node.value)


def _number(value: float) -> Iterator[tuple[str, ast.AST]]:
    others = (value + 1, value - 1) if isinstance(value, int) else (value * 2 if value else 1.0,)
    for other in others:
        node: ast.expr = ast.Constant(abs(other))
        yield "constant", ast.UnaryOp(ast.USub(), node) if other < 0 else node


def _call(node: ast.Call, modules: set[str]) -> Iterator[tuple[str, ast.AST]]:
    args, keywords, function = node.args, node.keywords, node.func
    if _are_two(args) and _has_order(function):
        yield "swap", ast.Call(function, [args[1], args[0], *args[2:]], keywords)
    for i, keyword in enumerate(keywords):
        if keyword.arg not in (None, "strict"):
            yield "keyword", ast.Call(function, args, [*keywords[:i], *keywords[i + 1 :]])
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name in RENAMED:
        other: ast.expr = copy.copy(function)
        setattr(other, "attr" if isinstance(function, ast.Attribute) else "id", RENAMED[name])
        yield "function", ast.Call(other, args, keywords)
    if isinstance(function, ast.Attribute):
        if not (isinstance(function.value, ast.Name) and function.value.id in modules) and not _is_super(function):
            yield "call", function.value
    elif len(args) == 1 and not keywords and name not in CONVERSIONS and not isinstance(args[0], ast.Starred):
        yield "call", args[0]


def _are_two(args: list[ast.expr]) -> bool:
    """Whether there are two arguments that can change places and differ."""
    return (
        len(args) >= 2
        and not any(isinstance(a, ast.Starred) for a in args[:2])
        and ast.dump(args[0]) != ast.dump(args[1])
    )


def _has_order(function: ast.expr) -> bool:
    """Whether it matters which argument comes first, and a type checker does not see to it."""
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name not in SYMMETRIC


def _is_super(function: ast.Attribute) -> bool:
    return isinstance(function.value, ast.Call) and getattr(function.value.func, "id", "") == "super"


def _statement(node: ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    """Statements dropped: calls made for their effect, refusals, and values set or replaced."""
    if isinstance(node, ast.AugAssign):
        yield "operator", ast.AugAssign(node.target, BINARY.get(type(node.op), ast.Sub)(), node.value)
    replaces = isinstance(node, ast.Assign) and _is_replaced(node)
    refuses = isinstance(node, ast.If) and isinstance(node.body[0], ast.Raise) and not node.orelse
    if isinstance(node, ast.AugAssign) or replaces or refuses or _is_effect(node):
        yield "statement", ast.Pass()


def _is_effect(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)


def _is_replaced(node: ast.Assign) -> bool:
    """Whether it sets an attribute or an element, or a name that it also reads."""
    read = {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
    names = [n for t in node.targets for n in (t.elts if isinstance(t, ast.Tuple) else [t])]
    return all(not isinstance(n, ast.Name) or n.id in read for n in names)
