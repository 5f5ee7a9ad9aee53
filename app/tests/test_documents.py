"""The documents name files that exist, and the README stays the first ten minutes."""

import re
from pathlib import Path

import pytest

from lab.lessons.choose import pays_from

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
DOCUMENTS = [
    ROOT / "README.md",
    *(path for top in ("app", "deploy", "scripts") for path in (ROOT / top).rglob("*.md")),
]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(path: Path) -> None:
    targets = re.findall(r"\]\(([^)\s#]+)[^)\s]*\)", path.read_text())
    assert [t for t in targets if "://" not in t and not (path.parent / t).exists()] == []


def test_what_to_edit_exists_and_the_readme_is_short() -> None:
    table = README.split("## To change ... edit ...")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 15
    for row in rows:
        paths = [word for word in re.findall(r"`([^`]+)`", row) if "/" in word or "." in word]
        assert paths, row
        for name in paths:
            assert name == ".env" or (ROOT / name).exists(), name
        for setting in re.findall(r"`([A-Z_]{4,})`", row):
            assert f"\n#{setting}=" in (ROOT / ".env.example").read_text(), setting
    assert README.count("\n") <= 150


def test_the_recommendation_is_the_lessons_own() -> None:
    assert f"`cached_db` from about {pays_from()} requests" in README
