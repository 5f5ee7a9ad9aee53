"""Make what the stack needs to start, where it is missing; check what the operator gave.

Runs to its end before any other service, at every `docker compose up`, and changes nothing that is
right already. What can't be used is refused, one line for each, before anything is written.
"""

import sys
from collections.abc import Iterator
from itertools import chain

import capacity_files
import certificates
import own_variables
import readable
import redis_users
import secret_files
from refusal import RefusedError


def refusals() -> Iterator[str]:
    """Yield one line for each thing that can't be used."""
    parts = (readable, secret_files, own_variables, capacity_files, certificates)
    for check in chain.from_iterable(part.checks() for part in parts):
        try:
            check()
        except RefusedError as problem:
            yield str(problem)


def main() -> int:
    """Check everything, then write; return the exit status."""
    if problems := [*refusals()]:
        sys.stderr.writelines(f"init: {problem}\n" for problem in problems)
        return 1
    parts = (secret_files, own_variables, redis_users, capacity_files, certificates)
    made = [*chain.from_iterable(part.place() for part in parts)]
    sys.stderr.writelines(f"init: {line}\n" for line in made or ["nothing to do"])
    return 0


sys.exit(main())
