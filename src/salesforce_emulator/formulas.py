"""Formulas: the expressions of formula fields, validation rules and automation, translated to SQL.

Text, numbers, conditions, and parents' fields one step up (`Account.Name`). A formula is computed on read, so it never
moves a stamp, and whoever sees the field sees its value whether or not the fields in it are visible (documented).
Names and functions are those of Salesforce's formula reference; text compares with case, as formulas do.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput

from salesforce_emulator.schema import InvalidFieldError
from salesforce_emulator.table import quoted
from salesforce_emulator.values import COMPOUND_TYPES, NUMBER_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from salesforce_emulator.schema import FieldSchema, SObjectSchema

_GRAMMAR = r"""
?start: either
?either: both (("||") both)*
?both: compared (("&&") compared)*
?compared: joined [COMPARISON joined]
?joined: summed ("&" summed)*
?summed: product ((PLUS | MINUS) product)*
?product: unary ((TIMES | OVER) unary)*
?unary: "!" unary -> negation
      | MINUS unary -> minus
      | atom
?atom: NUMBER -> number
     | STRING -> string
     | NAME "(" [either ("," either)*] ")" -> call
     | PATH -> path
     | NAME -> path
     | "(" either ")"
COMPARISON: "<=" | ">=" | "<>" | "!=" | "==" | "=" | "<" | ">"
PLUS: "+"
MINUS: "-"
TIMES: "*"
OVER: "/"
NUMBER: /\d+(\.\d+)?/
STRING: /"(\\.|[^"\\])*"|'(\\.|[^'\\])*'/s
PATH: /[A-Za-z]\w*\.[A-Za-z]\w*/
NAME: /[A-Za-z]\w*/
%ignore /\s+/
"""

_ALIAS = "\0"
"""Stands for the alias of the row's table in translated formulas."""

TEXT, NUMBER, CONDITION, MOMENT = "text", "number", "condition", "moment"
_LONGEST = 3_900


class FormulaError(InvalidFieldError):
    """A formula that an org would not save; the text says why."""


@dataclass(frozen=True, slots=True)
class Formula:
    """A translated formula: its SQL, but for the alias of the row's table, and the kind of its result."""

    template: str
    kind: str

    def sql(self, alias: str) -> str:
        """Return the SQL over the row's table."""
        return self.template.replace(_ALIAS, alias)


def translate(text: str, schema: SObjectSchema, schemas: Mapping[str, SObjectSchema], *, zero: bool = False) -> Formula:
    """Translate a formula over an object's rows; with `zero`, blank numbers count as 0. Raises FormulaError."""
    if len(text) > _LONGEST or _ALIAS in text:
        raise FormulaError(f"a formula has at most {_LONGEST} characters")
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        raise FormulaError(f"Syntax error in formula at line {error.line}, column {error.column}") from None
    try:
        return _Translation(schema, schemas, zero=zero).of(tree)
    except RecursionError:
        raise FormulaError("the formula is nested too deeply") from None


def of_field(field: FieldSchema, schema: SObjectSchema, schemas: Mapping[str, SObjectSchema]) -> Formula:
    """Translate a formula field's formula to what the field shows. Raises FormulaError."""
    zero = field.formula_treat_null_number_as_zero
    found = translate(field.calculated_formula or "", schema, schemas, zero=zero)
    expected = _kind(field)
    if found.kind != expected:
        raise FormulaError(f"{field.name}: the formula gives {found.kind}, the field holds {expected}")
    if expected == TEXT:
        return Formula(f"(nullif({found.template}, '') COLLATE NOCASE)", TEXT)
    if expected == NUMBER:
        return Formula(f"round({found.template}, {field.scale})", NUMBER)
    return Formula(f"({found.template})", expected)


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", lexer="contextual")


def _kind(field: FieldSchema) -> str:
    if field.type == "boolean":
        return CONDITION
    if field.type in NUMBER_TYPES | {"int", "long"}:
        return NUMBER
    return MOMENT if field.type in {"date", "datetime", "time"} else TEXT


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class _Translation:
    def __init__(self, schema: SObjectSchema, schemas: Mapping[str, SObjectSchema], *, zero: bool) -> None:
        self.schema = schema
        self.schemas = schemas
        self.zero = zero

    def of(self, node: Tree[Token] | Token) -> Formula:
        if isinstance(node, Token):
            self.refuse(f"unexpected {node}")
        made: Formula = getattr(self, str(node.data))(node.children)
        return made

    def refuse(self, message: str) -> NoReturn:
        raise FormulaError(message)

    def wanted(self, node: Any, kind: str, where: str) -> str:
        """Translate a part that must be of a kind; text stands for blank as an empty text."""
        found = self.of(node)
        if found.kind != kind:
            self.refuse(f"Incorrect parameter type for '{where}'. Expected {kind}, received {found.kind}")
        return found.template

    # --- leaves ------------------------------------------------------------------------------------------------

    def number(self, children: Sequence[Any]) -> Formula:
        return Formula(str(children[0]), NUMBER)

    def string(self, children: Sequence[Any]) -> Formula:
        body = str(children[0])[1:-1]
        for escaped, plain in (("\\n", "\n"), ('\\"', '"'), ("\\'", "'"), ("\\\\", "\\")):
            body = body.replace(escaped, plain)
        return Formula(_literal(body), TEXT)

    def path(self, children: Sequence[Any]) -> Formula:
        text = str(children[0])
        if text.upper() in {"TRUE", "FALSE"}:
            return Formula("1" if text.upper() == "TRUE" else "0", CONDITION)
        if text.upper() == "NULL":
            return Formula("''", TEXT)
        relationship, _, name = text.rpartition(".")
        owner, column = (self.schema, _ALIAS) if not relationship else self.parent(relationship)
        field = owner.by_name.get(name.lower())
        if field is None:
            self.refuse(f"Field {text} does not exist. Check spelling.")
        if field.type in COMPOUND_TYPES or field.calculated_formula:
            self.refuse(f"Field {text} cannot be used in this formula.")
        sql = column.replace("{}", quoted(field.name)) if relationship else f"{column}.{quoted(field.name)}"
        kind = _kind(field)
        if kind == TEXT:
            return Formula(f"coalesce({sql}, '')", TEXT)
        if kind == CONDITION or (kind == NUMBER and self.zero):
            return Formula(f"coalesce({sql}, 0)", kind)
        return Formula(sql, kind)

    def parent(self, relationship: str) -> tuple[SObjectSchema, str]:
        lower = relationship.lower()
        found = next((each for each in self.schema.fields if (each.relationship_name or "").lower() == lower), None)
        target = (
            next((each for name in found.reference_to if (each := self.schemas.get(name)) and each.stored), None)
            if found
            else None
        )
        if found is None or target is None:
            self.refuse(f"Field {relationship} does not exist. Check spelling.")
        where = f"p.{quoted('Id')} = {_ALIAS}.{quoted(found.name)}"
        return target, f"(SELECT p.{{}} FROM {quoted(target.name)} p WHERE {where})"

    # --- operators -----------------------------------------------------------------------------------------------

    def either(self, children: Sequence[Any]) -> Formula:
        return Formula(f"({' OR '.join(self.wanted(each, CONDITION, '||') for each in children)})", CONDITION)

    def both(self, children: Sequence[Any]) -> Formula:
        return Formula(f"({' AND '.join(self.wanted(each, CONDITION, '&&') for each in children)})", CONDITION)

    def negation(self, children: Sequence[Any]) -> Formula:
        return Formula(f"(({self.wanted(children[0], CONDITION, '!')}) IS NOT TRUE)", CONDITION)

    def minus(self, children: Sequence[Any]) -> Formula:
        return Formula(f"(- {self.wanted(children[1], NUMBER, '-')})", NUMBER)

    def compared(self, children: Sequence[Any]) -> Formula:
        left, operator, right = children
        if operator is None:
            return self.of(left)
        one, other = self.of(left), self.of(right)
        if one.kind != other.kind:
            self.refuse(f"Incorrect parameter type for operator '{operator}': {one.kind} and {other.kind}")
        sign = {"=": "IS", "==": "IS", "<>": "IS NOT", "!=": "IS NOT"}.get(str(operator), str(operator))
        exact = " COLLATE BINARY" if one.kind == TEXT else ""
        return Formula(f"({one.template}{exact} {sign} {other.template})", CONDITION)

    def joined(self, children: Sequence[Any]) -> Formula:
        return Formula(f"({' || '.join(self.wanted(each, TEXT, '&') for each in children)})", TEXT)

    def summed(self, children: Sequence[Any]) -> Formula:
        first = self.of(children[0])
        if first.kind == TEXT and all(str(each) == "+" for each in children[1::2]):
            return self.joined(children[::2])
        return self._arithmetic(children)

    def product(self, children: Sequence[Any]) -> Formula:
        return self._arithmetic(children)

    def _arithmetic(self, children: Sequence[Any]) -> Formula:
        sql = self.wanted(children[0], NUMBER, str(children[1]))
        for operator, operand in zip(children[1::2], children[2::2], strict=True):
            right = self.wanted(operand, NUMBER, str(operator))
            sql = f"({sql} * 1.0 / {right})" if operator == "/" else f"({sql} {operator} {right})"
        return Formula(sql, NUMBER)

    # --- functions -----------------------------------------------------------------------------------------------

    def call(self, children: Sequence[Any]) -> Formula:
        name, arguments = str(children[0]).upper(), [each for each in children[1:] if each is not None]
        if name in _PLAIN:
            result, kinds, template = _PLAIN[name]
            if len(arguments) != len(kinds):
                self.refuse(f"Incorrect number of parameters for function '{name}()'. Expected {len(kinds)}")
            given = [self.wanted(each, kind, f"{name}()") for each, kind in zip(arguments, kinds, strict=True)]
            return Formula(template.format(*given), result)
        if name not in _SPECIAL or not arguments:
            self.refuse(f"Unknown function {name}. Check spelling.")
        return _SPECIAL[name](self, arguments)


def _all_of(operator: str) -> Callable[[_Translation, Sequence[Any]], Formula]:
    def build(self: _Translation, arguments: Sequence[Any]) -> Formula:
        parts = [self.wanted(each, CONDITION, operator) for each in arguments]
        return Formula(f"({f' {operator} '.join(parts)})", CONDITION)

    return build


def _if(self: _Translation, arguments: Sequence[Any]) -> Formula:
    if len(arguments) != 3:  # noqa: PLR2004 - condition, then, else
        self.refuse("Incorrect number of parameters for function 'IF()'. Expected 3")
    condition = self.wanted(arguments[0], CONDITION, "IF()")
    one = self.of(arguments[1])
    other = self.wanted(arguments[2], one.kind, "IF()")
    return Formula(f"iif({condition}, {one.template}, {other})", one.kind)


def _case(self: _Translation, arguments: Sequence[Any]) -> Formula:
    if len(arguments) < 4 or len(arguments) % 2:  # noqa: PLR2004 - value, case, result, else
        self.refuse("Incorrect number of parameters for function 'CASE()'")
    value, first = self.of(arguments[0]), self.of(arguments[2])
    cases = "".join(
        f" WHEN {self.wanted(each, value.kind, 'CASE()')} THEN {self.wanted(result, first.kind, 'CASE()')}"
        for each, result in zip(arguments[1:-1:2], arguments[2:-1:2], strict=True)
    )
    exact = " COLLATE BINARY" if value.kind == TEXT else ""
    default = self.wanted(arguments[-1], first.kind, "CASE()")
    return Formula(f"(CASE {value.template}{exact}{cases} ELSE {default} END)", first.kind)


def _is_blank(self: _Translation, arguments: Sequence[Any]) -> Formula:
    found = self.of(arguments[0])
    return Formula(f"(coalesce({found.template}, '') = '')", CONDITION)


def _blank_value(self: _Translation, arguments: Sequence[Any]) -> Formula:
    found = self.of(arguments[0])
    other = self.wanted(arguments[-1], found.kind, "BLANKVALUE()")
    return Formula(f"coalesce(nullif({found.template}, ''), {other})", found.kind)


def _as_text(self: _Translation, arguments: Sequence[Any]) -> Formula:
    found = self.of(arguments[0])
    shown = f"printf('%.15g', {found.template})" if found.kind == NUMBER else found.template
    return Formula(f"iif({found.template} IS NULL, '', {shown})", TEXT)


_SPECIAL: dict[str, Callable[[_Translation, Sequence[Any]], Formula]] = {
    "AND": _all_of("AND"),
    "OR": _all_of("OR"),
    "IF": _if,
    "CASE": _case,
    "ISBLANK": _is_blank,
    "ISNULL": _is_blank,
    "BLANKVALUE": _blank_value,
    "NULLVALUE": _blank_value,
    "TEXT": _as_text,
}
_PLAIN: dict[str, tuple[str, tuple[str, ...], str]] = {
    "NOT": (CONDITION, (CONDITION,), "(({0}) IS NOT TRUE)"),
    "ISPICKVAL": (CONDITION, (TEXT, TEXT), "({0} COLLATE BINARY IS {1})"),
    "CONTAINS": (CONDITION, (TEXT, TEXT), "(instr({0}, {1}) > 0)"),
    "BEGINS": (CONDITION, (TEXT, TEXT), "(instr({0}, {1}) = 1)"),
    "LEN": (NUMBER, (TEXT,), "length({0})"),
    "UPPER": (TEXT, (TEXT,), "upper({0})"),
    "LOWER": (TEXT, (TEXT,), "fold({0})"),
    "TRIM": (TEXT, (TEXT,), "trim({0})"),
    "LEFT": (TEXT, (TEXT, NUMBER), "substr({0}, 1, {1})"),
    "RIGHT": (TEXT, (TEXT, NUMBER), "substr({0}, -{1})"),
    "MID": (TEXT, (TEXT, NUMBER, NUMBER), "substr({0}, {1}, {2})"),
    "SUBSTITUTE": (TEXT, (TEXT, TEXT, TEXT), "replace({0}, {1}, {2})"),
    "VALUE": (NUMBER, (TEXT,), "CAST({0} AS REAL)"),
    "ABS": (NUMBER, (NUMBER,), "abs({0})"),
    "ROUND": (NUMBER, (NUMBER, NUMBER), "round({0}, {1})"),
    "MOD": (NUMBER, (NUMBER, NUMBER), "({0} % {1})"),
    "MAX": (NUMBER, (NUMBER, NUMBER), "max({0}, {1})"),
    "MIN": (NUMBER, (NUMBER, NUMBER), "min({0}, {1})"),
}
"""Functions whose arguments have one kind each: result, arguments, SQL."""
