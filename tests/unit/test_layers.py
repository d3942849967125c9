"""The layers of `bridge/`: imports one way only, no cycle of packages, rooms that one can take in."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BRIDGE = ROOT / "bridge"
# From above to below; each may import what stands below it. Those of one line do not import each other.
LAYERS = (
    {"cli"},
    {"doctor"},
    {"http"},
    {"services"},
    {"mqtt", "metrics"},
    {"jobs", "auth"},
    {"slurm"},
    {"config"},
    {"policy", "client"},
    {"core"},
)
HEIGHTS = {name: -number for number, names in enumerate(LAYERS) for name in names}
MODULES_MAX = 15
LINES_MAX = 350
# The child process only. The web process's side starts it, and its entry points are all that it names.
WORKER, WORKER_STARTER = "bridge.slurm.worker", "bridge.slurm.client"


def modules() -> list[Path]:
    return sorted(BRIDGE.rglob("*.py"))


def imported_names(path: Path) -> Iterator[str]:
    """Every module of `bridge` that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("bridge"))
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith("bridge"):
            assert node.level == 0, f"{path}: imports are absolute"
            for alias in node.names:
                below = BRIDGE.parent / node.module.replace(".", "/") / f"{alias.name}.py"
                yield f"{node.module}.{alias.name}" if below.exists() else node.module


def layer_of(module: str) -> str | None:
    return module.split(".")[1] if "." in module else None


def against_the_direction(importer: str, imported: str) -> bool:
    upper, lower = layer_of(importer), layer_of(imported)
    if upper is None or lower is None or upper == lower:
        return False
    return HEIGHTS[lower] >= HEIGHTS[upper]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_imports_go_one_way() -> None:
    wrong = {
        f"{name_of(path)} imports {imported}"
        for path in modules()
        if name_of(path) != "bridge.__main__"
        for imported in imported_names(path)
        if against_the_direction(name_of(path), imported)
    }
    assert wrong == set()


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("bridge.core.errors", "bridge.slurm.errors"),
        ("bridge.slurm.gateway", "bridge.jobs.requests.metadata"),
        ("bridge.jobs.status.lookup", "bridge.auth.callers"),
        ("bridge.services", "bridge.http.app"),
    ],
)
def test_an_import_against_the_direction_is_found(importer: str, imported: str) -> None:
    assert against_the_direction(importer, imported)
    assert not against_the_direction("bridge.http.app", imported)


def test_no_packages_import_each_other() -> None:
    imports: dict[str, set[str]] = {}
    for path in modules():
        package = name_of(path.parent)
        for imported in imported_names(path):
            target = BRIDGE.parent / imported.replace(".", "/")
            other = imported if target.is_dir() else imported.rpartition(".")[0]
            if other != package and other != "bridge" and package != "bridge":
                imports.setdefault(package, set()).add(other)
    assert list(cycles(imports)) == []


def cycles(imports: dict[str, set[str]]) -> Iterator[str]:
    """Each package from which imports lead back to it."""
    for start in imports:
        seen: set[str] = set()
        ahead = set(imports[start])
        while ahead:
            package = ahead.pop()
            if package not in seen:
                seen.add(package)
                ahead |= imports.get(package, set())
        if start in seen:
            yield start


def test_a_cycle_is_found() -> None:
    assert sorted(cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}})) == ["b", "c"]


def test_rooms_can_be_taken_in() -> None:
    for folder in {path.parent for path in modules()}:
        count = len([path for path in folder.glob("*.py") if path.name != "__init__.py"])
        assert count <= MODULES_MAX, f"{folder} holds {count} modules"
    for path in modules():
        lines = len(path.read_text().splitlines())
        assert lines <= LINES_MAX, f"{path} has {lines} lines"


def test_only_the_child_process_imports_the_workers_package() -> None:
    for path in modules():
        if not name_of(path).startswith((WORKER, WORKER_STARTER)):
            assert [name for name in imported_names(path) if name.startswith(WORKER)] == [], path


def test_the_client_stands_apart() -> None:
    """It may import what stands below it; of the service only the command line imports it."""
    importers = {
        layer_of(name_of(path))
        for path in modules()
        if any(name.startswith("bridge.client") for name in imported_names(path))
    }
    assert importers == {"cli", "client"}
