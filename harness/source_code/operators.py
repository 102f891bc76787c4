"""Operators, comparisons and choices of a script, worked out where both sides are known."""

import ast
from collections.abc import Mapping

from harness.source_code import folding
from harness.source_code.values import (
    GAP,
    Function,
    Kind,
    Known,
    Many,
    Outer,
    Scope,
    Table,
    Thing,
    Value,
    constant,
    joined,
    known,
    text_of,
    truth,
)

MOST_ITEMS = 512
_THERE = (Function, Kind, Thing, Many, Table)


class Operators:
    """What operators make of values; see :class:`harness.source_code.expressions.Expressions`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)

    def value(self, node: ast.expr | None, scope: Scope) -> Value:
        """What an expression is."""
        raise NotImplementedError

    def mixed(self, node: ast.BinOp, left: Value, right: Value) -> frozenset[str]:
        """Further tags of what an operator makes of two values."""
        raise NotImplementedError

    def _binary(self, node: ast.BinOp, scope: Scope) -> Value:
        left, right = self.value(node.left, scope), self.value(node.right, scope)
        return self.operated(node, node.op, left, right)

    def operated(self, node: ast.AST, op: ast.operator, left: Value, right: Value) -> Value:
        """What an operator makes of two values."""
        if isinstance(left, Known) and isinstance(right, Known):
            one, two = left.value, right.value
            if isinstance(op, ast.Div) and isinstance(one, str):
                return known(folding.joined_path([one, text_of(right)]), left, right)
            if isinstance(op, ast.Add) and isinstance(one, str) and isinstance(two, str):
                return known(one + two, left, right)
            if isinstance(op, ast.Mod) and isinstance(one, str):
                return known(
                    one.replace("%s", text_of(right), 1).replace("%d", text_of(right), 1),
                    left,
                    right,
                )
            try:
                return known(folding.combined(op, one, two), left, right)
            except (ValueError, TypeError, ArithmeticError):
                return joined(left, right)
        if (
            isinstance(op, ast.Add)
            and isinstance(left, Value)
            and (
                (isinstance(left, Known) and isinstance(left.value, str))
                or (isinstance(right, Known) and isinstance(right.value, str))
            )
        ):
            return known(text_of(left) + text_of(right), left, right)
        if isinstance(op, ast.Div) and isinstance(left, Known) and isinstance(left.value, str):
            return known(folding.joined_path([left.value, GAP]), left, right)
        if isinstance(op, ast.Add) and isinstance(left, Many) and isinstance(right, Many):
            made = joined(left, right)
            items = (left.items + right.items)[:MOST_ITEMS]
            return Many(items, left.open or right.open, tags=made.tags, settings=made.settings)
        made = joined(left, right)
        drops = isinstance(op, ast.Div | ast.FloorDiv)
        if drops and "tokens" in made.tags:
            made.tags = made.tags - {"tokens"}
        made.tags |= self.mixed(node, left, right) if isinstance(node, ast.BinOp) else frozenset()
        return made

    def _unary(self, node: ast.UnaryOp, scope: Scope) -> Value:
        value = self.value(node.operand, scope)
        if isinstance(node.op, ast.Not):
            holds = truth(value)
            return joined(value) if holds is None else known(not holds, value)
        number = constant(value)
        if isinstance(number, int | float) and isinstance(node.op, ast.USub):
            return known(-number, value)
        if isinstance(node.op, ast.USub) and "nll" in value.tags:
            return Value(tags=value.tags | {"minus_nll"}, settings=value.settings)
        return joined(value)

    def _bool(self, node: ast.BoolOp, scope: Scope) -> Value:
        wanted = isinstance(node.op, ast.Or)
        seen: list[Value] = []
        unsure = False
        for part in node.values:
            value = self.value(part, scope)
            seen.append(value)
            holds = truth(value)
            unsure |= holds is None
            if holds is wanted:
                if unsure:
                    return known(wanted, *seen) if isinstance(value, Known) else joined(*seen)
                return with_settings(value, *seen)
        return joined(*seen) if unsure else with_settings(seen[-1], *seen)

    def _compare(self, node: ast.Compare, scope: Scope) -> Value:
        left = self.value(node.left, scope)
        seen = [left]
        result: bool | None = True
        for op, part in zip(node.ops, node.comparators, strict=True):
            right = self.value(part, scope)
            seen.append(right)
            holds = self._compared(op, left, right)
            if holds is False:
                return known(False, *seen)
            result = None if holds is None else result
            left = right
        return joined(*seen) if result is None else known(True, *seen)

    def _compared(self, op: ast.cmpop, left: Value, right: Value) -> bool | None:
        if isinstance(op, ast.In | ast.NotIn):
            holds = self._contains(right, left)
            return holds if holds is None or isinstance(op, ast.In) else not holds
        if isinstance(left, Known) and isinstance(right, Known):
            if not (left.whole and right.whole):
                return None
            try:
                return folding.compared(op, left.value, right.value)
            except (ValueError, TypeError):
                return None
        there = isinstance(left, _THERE)
        if there and isinstance(right, Known) and right.value is None:
            if isinstance(op, ast.Is | ast.Eq):
                return False
            return True if isinstance(op, ast.IsNot | ast.NotEq) else None
        return None

    def _contains(self, box: Value, item: Value) -> bool | None:
        wanted = constant(item)
        if isinstance(box, Outer) and box.name == "os.environ" and isinstance(wanted, str):
            return wanted in self.environment
        if isinstance(box, Many) and wanted is not None and not box.open:
            items = [constant(one) for one in box.items]
            return wanted in items if None not in items else None
        if isinstance(box, Table) and wanted is not None and wanted in box.items:
            return True
        text = constant(box)
        if isinstance(text, str) and isinstance(wanted, str):
            return wanted in text
        return None

    def _choice(self, node: ast.IfExp, scope: Scope) -> Value:
        test = self.value(node.test, scope)
        holds = truth(test)
        if holds is not None:
            chosen = self.value(node.body if holds else node.orelse, scope)
            return with_settings(chosen, test, chosen)
        one, other = self.value(node.body, scope), self.value(node.orelse, scope)
        if isinstance(one, Thing | Function):
            return one
        return other if isinstance(other, Thing | Function) else joined(test, one, other)


def with_settings(value: Value, *sources: Value) -> Value:
    """The value, decided by the settings of ``sources`` too."""
    if isinstance(value, Known):
        of = joined(*sources)
        if of.settings != value.settings:
            return Known(value.value, tags=value.tags, settings=of.settings)
    return value
