"""Make what the stack needs to start, where it is missing; check what the operator gave.

Runs to its end before any other service, at every `docker compose up`, and changes nothing that is
right already. What can't be used is refused, one line for each, before anything is written.
"""

import sys
from collections.abc import Iterator
from itertools import chain

import certificates
import redis_users
import secret_files
from refusal import RefusedError


def refusals() -> Iterator[str]:
    """Yield one line for each thing that can't be used."""
    for check in chain(secret_files.checks(), certificates.checks()):
        try:
            check()
        except RefusedError as problem:
            yield str(problem)


def main() -> int:
    """Check everything, then write; return the exit status."""
    if problems := [*refusals()]:
        sys.stderr.writelines(f"init: {problem}\n" for problem in problems)
        return 1
    made = [*secret_files.place(), *redis_users.place(), *certificates.place()]
    sys.stderr.writelines(f"init: {line}\n" for line in made or ["nothing to do"])
    return 0


sys.exit(main())
