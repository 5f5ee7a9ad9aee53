"""What must hold before this container serves, asked again until it does."""

import logging
import time
from collections.abc import Callable, Iterator

from django.conf import settings
from django.core import checks
from django.db import OperationalError, connection, connections
from django.db.migrations.executor import MigrationExecutor

from session_stack import capacity
from session_stack.layers import layer
from session_stack.startup.claim import Claim, EngineTakenError, TakeoverPendingError
from session_stack.startup.probes import (
    StoreUnavailableError,
    needed_probes,
    postgres_reason,
    probe_postgres,
)

type Step = Callable[[], None]

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
REPEAT_SECONDS = 60.0  # a reason that stays is logged again after this long


class NotReadyError(Exception):
    """A reason not to serve yet: one line with the repair, without a secret."""


def unsafe_settings() -> list[str]:
    """Return one line for each message of `check --deploy` that nobody silenced."""
    lines = []
    databases = checks.run_checks(tags=[checks.Tags.database], databases=list(connections))
    for message in [*checks.run_checks(include_deployment_checks=True), *databases]:
        line = f"{message.id}: {' '.join(str(message.msg).split())}"
        if message.hint:
            line += f" {' '.join(str(message.hint).split())}"
        if message.id in layer().UNVERIFIED:
            # An outage must not keep this container from starting.
            logger.warning(line)
        elif message.level >= checks.WARNING and not message.is_silenced():
            lines.append(line)
    return lines


def require_room() -> None:
    """Raise NotReadyError where gunicorn would outgrow the container's limits, or Postgres's."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('max_connections')::int")
        connections = cursor.fetchone()[0]
    env = settings.ENV
    if found := [*capacity.problems(env.workers, env.app_threads, connections)]:
        raise NotReadyError("; ".join(found))


def require_migrations() -> None:
    """Raise NotReadyError while the database lacks a migration of this code."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise NotReadyError(
            "the database lacks a migration of this release; "
            "repair: docker compose run --rm migrate"
        )


def steps() -> Iterator[Step]:
    """Yield what to ask, in the order in which each builds on the one before."""
    yield probe_postgres
    yield require_room
    yield require_migrations
    yield from needed_probes()
    yield Claim(settings.ENV.session_backend).attempt


def wait_for(step: Step, deadline: float | None = None) -> None:
    """Ask one step once a second until it holds.

    A reason is logged when it changes, and once a minute while it stays. Meanwhile nothing listens,
    so the container's health says that it is of no use.

    Args:
        step: what to ask; it raises the reason not to go on.
        deadline: `time.monotonic()` value after which the reason is raised; None waits on.

    Raises:
        NotReadyError: with the last reason, past the deadline.
    """
    logged: tuple[str, float] | None = None
    while refused := refusal(step):
        (level, reason), now = refused, time.monotonic()
        if deadline is not None and now >= deadline:
            raise NotReadyError(reason)
        if logged is None or logged[0] != reason or now - logged[1] >= REPEAT_SECONDS:
            logger.log(level, reason)
            logged = reason, now
        time.sleep(RETRY_SECONDS)


def refusal(step: Step) -> tuple[int, str] | None:
    """Return the log level and the text of the step's reason, if it gives one."""
    try:
        step()
    except TakeoverPendingError as wait:
        return logging.INFO, str(wait)
    except (NotReadyError, StoreUnavailableError, EngineTakenError) as error:
        return logging.ERROR, str(error)
    except OperationalError as error:
        return logging.ERROR, postgres_reason(error)
    finally:
        connection.close()  # the next attempt, and the server after this, start on a fresh one
    return None


def wait_until_ready() -> None:
    """Ask every step in turn, each until it holds."""
    for step in steps():
        wait_for(step)
