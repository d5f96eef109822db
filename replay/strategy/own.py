"""What a strategy file declares of its own, PARAMS and MEMORY, and where the core keeps it; must never run the file.

instrument["user"]["gamma"]    is read from   instrument["param"]["user_00"]
instrument["memory"]["ewma"]   stands in      instrument["memory"]["real"][0]
"""

import ast
from collections.abc import Iterator
from typing import NamedTuple

from mmfold.engine.declared import (
    NAME,
    NAME_TEXT,
    USER_REAL_MAX,
    USER_WHOLE_MAX,
    DeclaredError,
    check_memory,
    memory_places,
)
from mmfold.engine.schema import USER_PARAM_COUNT, USER_PARAMS

PARAMS, MEMORY = "PARAMS", "MEMORY"
USER_FIELD, MEMORY_FIELD = "user", "memory"
NAMED_BY = {USER_FIELD: PARAMS, MEMORY_FIELD: MEMORY}
EXAMPLES = {PARAMS: 'PARAMS = {"gamma": 0.1}', MEMORY: 'MEMORY = {"ewma": 0.0, "count": 0}'}
Number = int | float


class Place(NamedTuple):
    """What of a strategy's own an expression names: a field of the instrument, and a name in it."""

    field: str
    name: str


class Mistake(NamedTuple):
    """One thing that a declaration may not say, and what to say instead."""

    node: ast.expr
    what: str
    instead: str


def is_declaration(name: str, value: ast.expr | None) -> bool:
    """Tell whether an assignment at the top of a file declares something; a constant of that name is a constant."""
    return name in EXAMPLES and isinstance(value, ast.Dict)


def declared_numbers(source: ast.Module, name: str) -> dict[str, Number]:
    """Return what a checked file declares by a name, in its order; empty where it does not."""
    for node in source.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.Dict() as value) if target == name:
                return read_numbers(name, value)[0]
    return {}


def read_numbers(name: str, value: ast.Dict) -> tuple[dict[str, Number], list[Mistake]]:
    """Return the numbers that a dict declares, and what is wrong with it."""
    numbers: dict[str, Number] = {}
    wrong = [Mistake(*one) for one in mistakes_of(name, value, numbers)]
    if name == PARAMS and len(numbers) > USER_PARAM_COUNT:
        wrong.append(Mistake(value, f"{len(numbers)} PARAMS", f"{USER_PARAM_COUNT} at most: the rest are constants"))
    if name == MEMORY and not wrong:
        try:
            check_memory(numbers)
        except DeclaredError as error:
            wrong.append(Mistake(value, f"MEMORY of {error}", "keep what the next call needs, and no more"))
    return numbers, wrong


def mistakes_of(name: str, value: ast.Dict, numbers: dict[str, Number]) -> Iterator[tuple[ast.expr, str, str]]:
    """Yield what is wrong with the keys and values of a declaration, and note the rest."""
    for key, number_node in zip(value.keys, value.values, strict=True):
        number = plain_number(number_node)
        if not isinstance(key, ast.Constant) or not isinstance(key.value, str) or not NAME.fullmatch(key.value):
            shown = "**" if key is None else ast.unparse(key)
            yield key or value, f"{shown} as a name in {name}", f"a name is a text: {NAME_TEXT}"
        elif key.value in numbers:
            yield key, f"{key.value} a second time", "give it another name"
        elif number is None:
            yield number_node, f"{ast.unparse(number_node)} in {name}", f"a plain number, as in {EXAMPLES[name]}"
        elif not is_in_range(name, number):
            most = f"{USER_WHOLE_MAX:,}" if name == MEMORY and isinstance(number, int) else f"{USER_REAL_MAX:g}"
            yield number_node, f"{key.value}: {number!r} in {name}", f"a number is below {most}, on both sides of 0"
        else:
            numbers[key.value] = number


def is_in_range(name: str, number: Number) -> bool:
    """Tell whether a declared number is one that a setting, or the memory, may have."""
    most = USER_WHOLE_MAX if name == MEMORY and isinstance(number, int) else USER_REAL_MAX
    return -most < number < most


def plain_number(node: ast.expr) -> Number | None:
    """Return a number that is written out, None for anything else."""
    match node:
        case ast.Constant(value=bool()):
            return None
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            number = plain_number(operand)
            return None if number is None else -number
    return None


def place_of(node: ast.AST) -> Place | None:
    """Return what of a strategy's own an expression names, None where it names none."""
    match node:
        case ast.Subscript(
            value=ast.Subscript(value=ast.Name(), slice=ast.Constant(value=("user" | "memory") as field)),
            slice=ast.Constant(value=str(name)),
        ):
            return Place(field, name)
    return None


def is_own_field(node: ast.AST) -> bool:
    """Tell whether an expression is all of a strategy's own, which has no value by itself."""
    match node:
        case ast.Subscript(slice=ast.Constant(value=("user" | "memory" | "memory_before"))):
            return True
    return False


class Placed(ast.NodeTransformer):
    """Puts the places of the core where a checked file names its own; lines stay where they are."""

    def __init__(self, params: dict[str, Number], memory: dict[str, Number]) -> None:
        self.params = dict(zip(params, USER_PARAMS, strict=False))
        self.places = memory_places(memory)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        """Replace a read or a write of one name."""
        place = place_of(node)
        if place is None:
            return self.generic_visit(node)  # type: ignore[return-value]  # the node itself
        assert isinstance(node.value, ast.Subscript)
        owner = ast.unparse(node.value.value)
        if place.field == USER_FIELD:
            text = f"{owner}['param']['{self.params[place.name]}']"
        else:
            kind, index = self.places[place.name]
            text = f"{owner}['memory']['{kind}'][{index}]"
        return at_line(ast.parse(text, mode="eval").body, node, node.ctx)

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        """Let a whole number of the memory take whole numbers alone: no float has a bitwise or (target.py)."""
        place = place_of(node.targets[0])
        self.generic_visit(node)
        if place is not None and self.places[place.name][0] == "whole":
            node.value = ast.copy_location(ast.BinOp(node.value, ast.BitOr(), zero_at(node.value)), node.value)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        """Write `a += b` of the memory as `a = a + b`, and as any other assignment."""
        if place_of(node.target) is None:
            return self.generic_visit(node)  # type: ignore[return-value]  # the node itself
        before = at_line(ast.parse(ast.unparse(node.target), mode="eval").body, node, ast.Load())
        value = ast.copy_location(ast.BinOp(before, node.op, node.value), node)
        return self.visit_Assign(ast.copy_location(ast.Assign([node.target], value), node))


def at_line(made: ast.expr, node: ast.AST, context: ast.expr_context) -> ast.expr:
    """Return an expression that was made for a node, at its place in the file."""
    for one in ast.walk(made):
        ast.copy_location(one, node)
    if isinstance(made, ast.Subscript):
        made.ctx = context
    return made


def zero_at(node: ast.expr) -> ast.Constant:
    """Return a zero at a node's place in the file."""
    return ast.copy_location(ast.Constant(0), node)
