"""What a settings module says, read and never run."""

import ast
from dataclasses import dataclass, field
from pathlib import Path

from adoption import RefusedError

READERS = {"get", "getenv", "env", "config", "str", "bool", "int", "list", "db", "url"}


@dataclass
class Source:
    """Of a module and of what it imports of its own package: names with literals, what it reads."""

    names: dict[str, object] = field(default_factory=dict)  # None: set, but to no literal
    reads: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, manage: Path, module: str) -> "Source":
        """Read a module.

        Raises:
            RefusedError: where there is no such module, or no Python in it.
        """
        found = cls()
        path = manage.joinpath(*module.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if not path.is_file():
            raise RefusedError(f"there is no module {module} in {manage}; --settings may name one")
        found.read(path, manage)
        return found

    def read(self, path: Path, manage: Path) -> None:
        """Add what the file says."""
        try:
            tree = ast.parse(path.read_text())
        except (SyntaxError, UnicodeDecodeError) as error:
            raise RefusedError(f"{path} can't be read as Python: {error}") from error
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and any(name.name == "*" for name in node.names):
                below = path.parent if node.level else manage
                for _ in range(node.level - 1):
                    below = below.parent
                other = below.joinpath(*(node.module or "").split(".")).with_suffix(".py")
                if other.is_file():
                    self.read(other, manage)
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name) and target.id.isupper():
                        self.names[target.id] = literal(node.value)
            elif (
                isinstance(node, ast.Call)
                and called(node) in READERS
                and node.args
                and isinstance(name := literal(node.args[0]), str)
                and name.isupper()
            ) or (
                isinstance(node, ast.Subscript)
                and ast.unparse(node.value).endswith("environ")
                and isinstance(name := literal(node.slice), str)
            ):
                self.reads.add(name)


def literal(node: ast.expr) -> object:
    """Return the value of a literal, else None."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def called(node: ast.Call) -> str:
    """Return the last word of what is called."""
    return ast.unparse(node.func).rpartition(".")[2]
