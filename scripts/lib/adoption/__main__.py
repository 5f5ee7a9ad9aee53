"""Read the command line, look at the project, make its folder `stack/`, report."""

import argparse
import sys
from pathlib import Path

from adoption import RefusedError, make, report
from adoption.project import DEFAULT_ENGINE, Project, find


def main(words: list[str]) -> int:
    """Adopt a project; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="adopt", usage="scripts/adopt PROJECT [OPTION ...]; see --help"
    )
    parser.add_argument("project", type=Path)
    parser.add_argument("--settings")
    parser.add_argument("--wsgi")
    parser.add_argument("--engine", default=DEFAULT_ENGINE)
    parser.add_argument("--sign-in", nargs="+", action="extend", default=[], metavar="PATH")
    parser.add_argument("--domain", default="localhost")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--dry-run", action="store_true")
    what.add_argument("--update", action="store_true")
    options = parser.parse_args(words)
    try:
        project: Project = find(options)
        if options.dry_run:
            print(*report.planned(project), sep="\n")
            return 0
        left = make.make(project)
    except RefusedError as refused:
        print(f"adopt: {refused}", file=sys.stderr)
        return 1
    if options.update:
        print(*(left or ["updated; no edit of yours met a change"]), sep="\n")
        print(f"next: cd {project.root} && stack/scripts/up {project.engine}")
    else:
        print(*report.done(project), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
