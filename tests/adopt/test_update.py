"""An update replaces what nobody edited, keeps what somebody did, and names where both changed."""

from pathlib import Path

import pytest

from adoption import RefusedError, update

BEFORE = {
    "default.conf": "a default",
    "nginx/edited.conf": "as it was",
    "conflict.conf": "as it was",
    "removed.conf": "as it was",
    "removed-edited.conf": "as it was",
}
AFTER = {
    "default.conf": "a new default",
    "nginx/edited.conf": "as it was",
    "conflict.conf": "theirs",
    "new/file.conf": "new",
}


def folder(path: Path, files: dict[str, str], env: str) -> Path:
    """Make a folder as scripts/adopt does."""
    for name, text in {**files, ".env": env}.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    update.note(path, {"engine": "db"})
    return path


def contents(stack: Path) -> dict[str, str]:
    return {
        str(path.relative_to(stack)): path.read_text()
        for path in stack.rglob("*")
        if path.is_file() and path.name != update.MANIFEST
    }


def test_an_update_keeps_edits_and_names_what_met_a_change(tmp_path: Path) -> None:
    stack = folder(tmp_path / "stack", BEFORE, "DOMAIN=theirs.example")
    for name in ("nginx/edited.conf", "conflict.conf", "removed-edited.conf"):
        (stack / name).write_text("mine")
    (stack / "deploy").mkdir()
    (stack / "deploy/own.key").write_text("a file of theirs")
    said = update.merge(stack, folder(tmp_path / "fresh", AFTER, "DOMAIN=localhost"))
    assert contents(stack) == {
        ".env": "DOMAIN=theirs.example",
        "default.conf": "a new default",
        "nginx/edited.conf": "mine",
        "conflict.conf": "mine",
        "conflict.conf.new": "theirs",
        "removed-edited.conf": "mine",
        "new/file.conf": "new",
        "deploy/own.key": "a file of theirs",
    }
    assert [line.partition(":")[0] for line in said] == [
        "stack/conflict.conf",
        "stack/removed-edited.conf",
    ]
    # Once more with the same version: nothing changes, and nothing is said again.
    kept = contents(stack)
    assert update.merge(stack, folder(tmp_path / "again", AFTER, "")) == []
    assert contents(stack) == kept


def test_an_update_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = folder(tmp_path / "stack", BEFORE, "")
    before = contents(stack)
    fresh = folder(tmp_path / "fresh", AFTER, "")
    monkeypatch.setattr(update.shutil, "copy2", refuse)
    with pytest.raises(RefusedError, match="nothing was changed"):
        update.merge(stack, fresh)
    assert contents(stack) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fresh", "stack"]


def refuse(source: Path, target: Path) -> None:
    raise OSError(28, "No space left on device", str(target))
