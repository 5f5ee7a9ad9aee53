"""One word for one thing, and one thing for one name."""

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("app", "deploy", "nginx", "scripts", "tests")
TEXTS = {
    path.relative_to(ROOT): path.read_text()
    for part in PARTS
    for path in (ROOT / part).rglob("*")
    if "secrets" not in path.parts  # which only root may read
    and path.suffix in {"", ".py", ".md", ".html", ".yml", ".conf", ".template", ".lua", ".js"}
    and path.is_file()
    and path != Path(__file__)
}

# The table of `PurgePosition`, the migrations that running stacks have applied, restic's option.
HISTORY = re.compile(r"purge_?position|hardened_sessions/migrations/|--prune", re.IGNORECASE)

# What Django looks up by name, one a module.
BY_NAME = {"Command", "Migration", "SessionStore"}


def test_expired_sessions_are_cleared_and_nothing_else() -> None:
    others = re.compile(r"\b(purg|prun|sweep)\w*", re.IGNORECASE)
    found = [
        f"{path}:{number}: {line.strip()}"
        for path, text in TEXTS.items()
        for number, line in enumerate(text.splitlines(), 1)
        if others.search(line) and not HISTORY.search(f"{path} {line}")
    ]
    assert found == []


@pytest.mark.parametrize(
    "part",
    [
        "app/hardened_sessions",
        "app/session_stack",
        "app/lab",
        "app/accounts",
        "deploy/init",
        "scripts/lib",
        "scripts/proof",
    ],
)
def test_no_part_has_two_classes_of_one_name(part: str) -> None:
    names = Counter(
        name
        for path, text in TEXTS.items()
        if path.suffix == ".py" and str(path).startswith(f"{part}/")
        for name in re.findall(r"^class (\w+)", text, re.MULTILINE)
    )
    assert names
    assert [name for name, times in names.items() if times > 1 and name not in BY_NAME] == []
