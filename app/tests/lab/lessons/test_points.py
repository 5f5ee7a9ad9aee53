"""Every point that tutorials teach is shown by a test that carries its number."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from lab.lessons.points import ELSEWHERE, POINTS

ROOT = Path(__file__).resolve().parents[4]


def marks(path: Path) -> Iterator[int]:
    """Yield the numbers of every `lesson` mark on a test, or on all tests, of a file."""
    tree = ast.parse(path.read_text())
    marked = [
        *(node for node in tree.body if isinstance(node, ast.Assign) and of_all_tests(node)),
        *(
            decorator
            for node in tree.body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
            for decorator in node.decorator_list
        ),
    ]
    for part in marked:
        for node in ast.walk(part):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.lesson":
                yield from (ast.literal_eval(number) for number in node.args)


def of_all_tests(node: ast.Assign) -> bool:
    return any(isinstance(name, ast.Name) and name.id == "pytestmark" for name in node.targets)


def test_each_point_is_shown_by_a_test_of_either_tree() -> None:
    shown = {
        number
        for tree in ("app/tests", "tests")
        for path in (ROOT / tree).rglob("test_*.py")
        for number in marks(path)
    }
    assert shown | set(ELSEWHERE) == set(POINTS) == set(range(1, 48))
    assert not shown & set(ELSEWHERE)


def test_a_mark_counts_on_a_test_alone(tmp_path: Path) -> None:
    path = tmp_path / "test_x.py"
    path.write_text(
        "import pytest\n"
        "pytestmark = [pytest.mark.lesson(1, 2)]\n"
        "other = pytest.mark.lesson(3)\n"
        "@pytest.mark.lesson(4)\n"
        "def test_a() -> None: ...\n"
        "@pytest.mark.lesson(5)\n"
        "def helper() -> None: ...\n"
    )
    assert list(marks(path)) == [1, 2, 4]


@pytest.mark.lesson(29)
def test_redis_is_reached_by_django_redis_and_holds_json() -> None:
    cache = settings.CACHES[settings.SESSION_CACHE_ALIAS]
    assert cache["BACKEND"] == "django_redis.cache.RedisCache"
    assert cache["OPTIONS"]["SERIALIZER"] == "django_redis.serializers.json.JSONSerializer"


@pytest.mark.lesson(47)
def test_the_five_packages_are_what_carries_the_app() -> None:
    project = tomllib.loads((ROOT / "app/pyproject.toml").read_text())["project"]
    names = {line.split(">")[0].split("[")[0] for line in project["dependencies"]}
    assert {"django", "psycopg", "django-redis", "gunicorn", "whitenoise"} <= names
