"""The layer imports downwards only, and no package imports a sibling that may be absent."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

APP = Path(__file__).parent.parent
LAYER = APP / "hardened_sessions"

# From the top down; a module imports from its own line and from those below, never from above.
WINGS = (
    ("apps", "admin", "checks", "inventory", "management", "orm", "outages"),
    ("middleware", "cookie_names", "foreign"),
    ("backends",),
    ("session", "stored_session", "merge"),
    ("clearing",),
    ("storage",),
    ("revocation",),
    ("clients", "postgresql"),
    ("format",),
    # Open to all. What a well-formed key is, and its hash, events need as well.
    ("conf", "errors", "bounds", "events", "models", "migrations", "format.keys"),
)
PLACES = {name: rank for rank, names in enumerate(WINGS) for name in names}
SIBLINGS = {"session_stack", "config", "lab", "accounts", "tests"}
# The two modules that say what a layer is; each may import its own.
LAYERS = APP / "session_stack" / "layers"


def modules(package: Path) -> dict[str, Path]:
    """Return each module of a package that says anything, by its dotted name."""
    return {
        ".".join(path.relative_to(APP).with_suffix("").parts).removesuffix(".__init__"): path
        for path in package.rglob("*.py")
        if path.read_text().strip()
    }


def imported(path: Path) -> Iterator[str]:
    """Yield the dotted names that a module imports, inside functions as well."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def place(module: str) -> int:
    """Return the line of `WINGS` that a module of the layer stands on."""
    parts = module.split(".")[1:]
    found = [".".join(parts[:end]) for end in (2, 1) if ".".join(parts[:end]) in PLACES]
    assert found, f"{module} has no place: add it, or its folder, to WINGS"
    return PLACES[found[0]]


LAYER_MODULES = modules(LAYER)
IMPORTS = {
    module: {name for name in imported(path) if name in LAYER_MODULES and name != module}
    for module, path in LAYER_MODULES.items()
}


def test_the_layer_imports_downwards() -> None:
    assert len(LAYER_MODULES) > 40
    upwards = [
        f"{module} imports {name}"
        for module, names in IMPORTS.items()
        for name in names
        if place(name) < place(module)
    ]
    assert upwards == []


def test_no_module_of_the_layer_imports_itself_through_others() -> None:
    order = list(TopologicalSorter(IMPORTS).static_order())  # raises CycleError with the circle
    assert set(order) == set(LAYER_MODULES)


@pytest.mark.parametrize(
    ("package", "absent"),
    [
        ("hardened_sessions", SIBLINGS),
        ("session_stack", SIBLINGS - {"session_stack"} | {"hardened_sessions"}),
        ("accounts", SIBLINGS - {"session_stack", "accounts"} | {"hardened_sessions"}),
    ],
)
def test_a_package_stands_without_its_siblings(package: str, absent: set[str]) -> None:
    imports = [
        f"{module} imports {name}"
        for module, path in modules(APP / package).items()
        for name in imported(path)
        if name.split(".")[0] in absent and path.parent != LAYERS
    ]
    assert imports == []
