"""Expressions of generic tests, such as `(x > 10) & ~isflagged(y)`, checked and made functions by SaQC's parser."""

import ast
from collections.abc import Callable, Iterator
from typing import Any

from extractor.quality.saqc_library import ENVIRONMENT, compileGeneric, parsing

# SaQC adds this one when it runs an expression.
_FUNCTIONS = frozenset(ENVIRONMENT) | {"isflagged"}

# They call any other method of pandas by its name, those that write files too.
_BY_NAME = frozenset({"aggregate", "transform"})


def expression_of(written: object) -> str:
    """What is written as one expression, in Python's own spelling.

    SaQC puts the text between parentheses of a call: one that closes them could add arguments, which SaQC evaluates
    before it looks at them.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(written, str):
        raise ValueError("flagGeneric needs an expression, such as 'x > 10'")  # noqa: TRY004 - a wrong setting
    try:
        return ast.unparse(ast.parse(written.strip(), mode="eval"))
    except SyntaxError as error:
        raise ValueError(f"{written!r} is no expression ({error.msg})") from error


def compiled(expression: str) -> Callable[..., Any]:
    """The expression as a function of its variables.

    SaQC's parser knows which constructs and methods an expression may hold. It lets any function of Python's through
    (`open`, `eval`), and methods that are named by a text; those are refused here.

    Raises:
        ValueError: the expression holds something else.
    """
    for call in _calls(expression):
        if isinstance(call.func, ast.Name) and call.func.id not in _FUNCTIONS:
            raise ValueError(f"{call.func.id!r} is not one of {', '.join(sorted(_FUNCTIONS))}")
        if isinstance(call.func, ast.Attribute) and call.func.attr in _BY_NAME:
            _check_method(call.func.attr, call)
    try:
        function: Callable[..., Any] = compileGeneric(f"({expression})")
    except (TypeError, AttributeError, NameError) as error:
        raise ValueError(f"{expression!r}: {error}") from error
    return function


def _calls(expression: str) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(expression, mode="eval")) if isinstance(node, ast.Call))


def _check_method(method: str, call: ast.Call) -> None:
    named = call.args[:1] + [keyword.value for keyword in call.keywords if keyword.arg == "func"]
    names = [node.value for node in named if isinstance(node, ast.Constant)]
    if len(names) != len(named) or len(named) != 1 or names[0] not in parsing.allowed_series_methods:
        raise ValueError(f"{method} takes the name of one of {', '.join(sorted(parsing.allowed_series_methods))}")
