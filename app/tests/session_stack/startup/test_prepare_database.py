"""A migration takes the time that it needs, and nobody waits behind it for long."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models.signals import pre_migrate


@pytest.fixture
def bounded_to_a_moment() -> Iterator[None]:
    """Connect with a bound such as a view's statements have."""
    connection.close()
    options = connection.settings_dict["OPTIONS"]
    before, options["options"] = options["options"], "-c statement_timeout=100ms"
    yield
    connection.close()
    options["options"] = before


@pytest.mark.django_db(transaction=True)
def test_a_migration_has_no_statement_timeout_but_a_bound_for_locks(
    bounded_to_a_moment: None,
) -> None:
    found: list[Any] = []

    def slow(**kwargs: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.3)")
            for name in ("lock_timeout", "idle_in_transaction_session_timeout"):
                cursor.execute(f"SHOW {name}")
                found.append(cursor.fetchone()[0])

    pre_migrate.connect(slow)
    try:
        call_command("prepare_database", verbosity=0)
    finally:
        pre_migrate.disconnect(slow)
    assert found[:2] == ["5s", "0"]
