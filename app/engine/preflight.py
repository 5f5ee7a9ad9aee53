"""What must hold before this container serves, asked again until it does."""

import logging
import time
from collections.abc import Callable, Iterator

from django.conf import settings
from django.core import checks
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from engine.claim import Claim
from engine.stores import StoreUnavailableError, needed_probes, postgres_reason, probe_postgres

type Step = Callable[[], None]

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
REPEAT_SECONDS = 60.0  # a reason that stays is logged again after this long


class NotReadyError(Exception):
    """A reason not to serve yet: one line with the repair, without a secret."""


def unsafe_settings() -> list[str]:
    """Return one line for each message of `check --deploy` that nobody silenced."""
    messages = checks.run_checks(include_deployment_checks=True)
    return [
        f"{message.id}: {' '.join(str(message.msg).split())}"
        + (f" {' '.join(str(message.hint).split())}" if message.hint else "")
        for message in messages
        if message.level >= checks.WARNING and not message.is_silenced()
    ]


def require_migrations() -> None:
    """Raise NotReadyError while the database lacks a migration of this code."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise NotReadyError(
            "the database lacks a migration of this release; "
            "repair: docker compose run --rm migrate"
        )


def require_claim(claim: Claim) -> None:
    """Raise NotReadyError while another engine is in force."""
    if other := claim.attempt():
        raise NotReadyError(
            f"the engine in force is {other} and this is app-{claim.backend}; "
            f"two would share one address; repair: ./scripts/up {claim.backend}, "
            f"or stop the other: docker compose --profile {other} stop app-{other}"
        )


def steps() -> Iterator[Step]:
    """Yield what to ask, in the order in which each builds on the one before."""
    claim = Claim(settings.ENV.session_backend)
    yield probe_postgres
    yield require_migrations
    yield from needed_probes()
    yield lambda: require_claim(claim)


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
    while reason := refusal(step):
        now = time.monotonic()
        if deadline is not None and now >= deadline:
            raise NotReadyError(reason)
        if logged is None or logged[0] != reason or now - logged[1] >= REPEAT_SECONDS:
            logger.error(reason)
            logged = reason, now
        time.sleep(RETRY_SECONDS)


def refusal(step: Step) -> str | None:
    """Return the reason that the step gives, if any."""
    try:
        step()
    except (NotReadyError, StoreUnavailableError) as error:
        return str(error)
    except OperationalError as error:
        return postgres_reason(error)
    finally:
        connection.close()  # the next attempt, and the server after this, start on a fresh one
    return None


def wait_until_ready() -> None:
    """Ask every step in turn, each until it holds."""
    for step in steps():
        wait_for(step)
