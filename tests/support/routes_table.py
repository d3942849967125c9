"""The README's table of routes, made from the routes themselves: `python -m tests.support.routes_table`."""

from collections.abc import Iterator

from bridge.http.openapi.operation import Operation, Route
from bridge.http.routes import ROUTES


def routes_table() -> str:
    """Markdown: method and path, scope, what it does, status codes where all is well, those of its own errors."""
    rows = ["| route | scope | what it does | answers | errors of its own |", "|---|---|---|---|---|"]
    for route in ROUTES:
        rows += _rows(route)
    return "\n".join(rows) + "\n"


def _rows(route: Route) -> Iterator[str]:
    for operation in route.operations:
        scope = f"`{operation.scope}`" if operation.scope else ""
        answers = _statuses(answer.status for answer in operation.answers)
        yield (
            f"| `{operation.method} {route.path}` | {scope} | {operation.does} | {answers} | {_own_errors(operation)} |"
        )


def _own_errors(operation: Operation) -> str:
    return _statuses(error.status for error in operation.errors)


def _statuses(statuses: Iterator[int]) -> str:
    return ", ".join(map(str, sorted(set(statuses))))


if __name__ == "__main__":
    print(routes_table(), end="")
