"""What an engine is stands at its module and at its service; all else reads it from there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from session_stack.layers import engines

ROOT = Path(__file__).resolve().parents[2]
ENGINES = engines("hardened")

# Where an engine is at home.
HOMES = (
    "docker-compose.yml",
    "deploy/elsewhere.yml",  # laid over its services
    *(f"app/hardened_sessions/backends/{name}.py" for name in ENGINES),
)
# Who names engines for another reason.
ALLOWED = {
    "app/lab/words.py": "where each keeps a session, in a visitor's words",
    "app/lab/lessons/choose.py": "the advice is an engine",
    "nginx/html/503-localhost.html": "nginx makes no list; test_copies compares it with compose",
    "scripts/verify-stack": "what a copy of a cookie may do differs where the cookie is the store",
    "scripts/proof/bench/__main__.py": "which engines a quick benchmark takes",
    "scripts/proof/bench/goals.py": "the goals are set for that engine",
    "scripts/proof/drill/faults/__init__.py": "which cells a quick drill takes",
    "scripts/proof/drill/faults/model.py": "where rows hold sessions",
    "scripts/proof/drill/report.py": "the cell whose chart is shown",
}
# Words that mean much else too, and here do.
OTHERWISE = {
    "app/hardened_sessions/clearing": "file",  # the unit of a clearing's progress
    "app/hardened_sessions/clients/redis.py": "db",  # a keyword of redis-py
    "app/hardened_sessions/checks/__init__.py": "cache",  # a module of checks
    "app/lab/lessons/by_hand.py": "file",
    "app/session_stack/layers/stock.py": "file",
    "scripts/lib/adoption/source.py": "db",  # a method of django-environ
}

SEARCHED = ("app", "deploy", "nginx", "scripts")
SUFFIXES = {"", ".py", ".yml", ".sh", ".html", ".js", ".conf", ".template"}
NAMES = "|".join(ENGINES)
# The two names that are no other word, and every service; in a template, what is compared.
IN_TEXT = re.compile(rf"app-(?:{NAMES})\b|\b(?:cached_db|signed_cookies)\b")
IN_TEMPLATE = re.compile(rf"\{{%[^%]*[\"'](?:{NAMES})[\"'][^%]*%\}}|--profile (?:{NAMES})\b")


def files() -> Iterator[tuple[str, str]]:
    """Yield name and text of every file of code, but of tests and of what a tool made."""
    yield "docker-compose.yml", (ROOT / "docker-compose.yml").read_text()
    for folder in SEARCHED:
        for path in sorted((ROOT / folder).rglob("*")):
            name = str(path.relative_to(ROOT))
            made = re.search(r"^app/tests/|/\.|/__pycache__/|^app/staticfiles/", name)
            if path.is_file() and path.suffix in SUFFIXES and not made:
                yield name, path.read_text()


def strings(text: str) -> Iterator[str]:
    """Yield every string of a Python file."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def literals(name: str, text: str) -> list[str]:
    """Return the engines' names that stand in a file as code."""
    if name.endswith(".py") or text.startswith("#!/usr/bin/env python3"):
        return [word for word in strings(text) if re.fullmatch(rf"(?:app-)?(?:{NAMES})", word)]
    if name.endswith(".html"):
        return IN_TEMPLATE.findall(text)
    return IN_TEXT.findall(re.sub(r"(^|\s)#.*", "", text, flags=re.MULTILINE))


def test_engines_are_named_where_they_are_at_home_and_in_a_few_files_more() -> None:
    found = {name: words for name, text in files() if (words := literals(name, text))}
    for start, word in OTHERWISE.items():
        for name in found:
            if name.startswith(start):
                found[name] = [other for other in found[name] if other != word]
    named = {name for name, words in found.items() if words} - set(HOMES)
    assert named == set(ALLOWED)
    assert len(ALLOWED) <= 10


def test_the_count_sees_a_name_in_each_kind_of_file() -> None:
    assert literals("x.py", 'engines = ("db", "app-file")') == ["db", "app-file"]
    assert literals("x.yml", "  app-cache: *app  # cached_db\n") == ["app-cache"]
    assert literals("x", "engine == signed_cookies") == ["signed_cookies"]
    assert literals("x.html", "{% if engine == 'db' %}") == ["{% if engine == 'db' %}"]


def test_no_test_has_a_list_of_all_engines_of_its_own() -> None:
    for path in sorted([*(ROOT / "app/tests").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text())):
            words = [
                child.value
                for child in getattr(node, "elts", [])
                if isinstance(child, ast.Constant) and isinstance(child.value, str)
            ]
            assert not set(ENGINES) <= set(words), f"{path.relative_to(ROOT)}: {words}"
