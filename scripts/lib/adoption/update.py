"""Bring a newer stack to a project: what nobody edited is replaced, an edit stays."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from adoption import RefusedError

MANIFEST = ".adopted.json"
OPERATORS = (".env", MANIFEST)  # written once, and never replaced


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file, by its path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in OPERATORS
    }


def note(made: Path, options: dict[str, object]) -> None:
    """Write down how the folder was made, for the next update."""
    text = json.dumps({"options": options, "files": digests(made)}, indent=1)
    (made / MANIFEST).write_text(f"{text}\n")


def noted(stack: Path) -> dict[str, dict[str, str]]:
    """Return what the folder was made with.

    Raises:
        RefusedError: where nobody made it, or it can't be read.
    """
    try:
        found: dict[str, dict[str, str]] = json.loads((stack / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise RefusedError(
            f"{stack}/{MANIFEST} can't be read, so there is nothing to update"
        ) from error
    return found


def merge(stack: Path, fresh: Path) -> list[str]:
    """Replace the folder by its update, whole or not at all; return what a person has to look at.

    Args:
        stack: the folder as it is.
        fresh: the same as this version makes it, which is used up.
    """
    before, now, new = noted(stack)["files"], digests(stack), digests(fresh)
    made = Path(tempfile.mkdtemp(prefix=".stack-", dir=stack.parent))
    made.rmdir()
    former = made.with_suffix(".former")
    try:
        shutil.copytree(stack, made, symlinks=True)
        said = list(apply(made, fresh, before, now, new))
        shutil.copy2(fresh / MANIFEST, made / MANIFEST)
        stack.rename(former)
        made.rename(stack)
    except OSError as error:
        if former.exists() and not stack.exists():
            former.rename(stack)
        raise RefusedError(f"{error.filename}: {error.strerror}; nothing was changed") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    shutil.rmtree(former, ignore_errors=True)
    return said


def apply(
    made: Path, fresh: Path, before: dict[str, str], now: dict[str, str], new: dict[str, str]
) -> Iterator[str]:
    """Change the copy; yield a line for each edit that meets a change."""
    for name in sorted(before.keys() | new.keys()):
        old, mine, theirs = before.get(name), now.get(name), new.get(name)
        if theirs in (old, mine):
            continue
        target = made / name
        if theirs is None:
            if mine == old:
                target.unlink()
            elif mine is not None:
                yield f"stack/{name}: this version has it no more; your edited one stays"
        elif mine == old or (mine is None and old is None):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(fresh / name, target)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(fresh / name, target.with_name(f"{target.name}.new"))
            yield f"stack/{name}: you edited it and this version changed it; theirs is {name}.new"
