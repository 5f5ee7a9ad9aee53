"""`manage.py rehash_sessions`: store every row under the hash of its key."""

import time
from typing import Any

from django.contrib.sessions.models import Session
from django.core.management.base import BaseCommand, CommandError
from django.db import connections, transaction

from hardened_sessions.clearing.rows import LOCK_TIMEOUT, ExpiredRows
from hardened_sessions.clients.database import database
from hardened_sessions.conf import options as layer_options
from hardened_sessions.storage import related

PAGES = 1000  # a step: 8 MB
PAUSE_SECONDS = 0.05


class Command(BaseCommand):
    help = (
        "Rename the rows that are still stored under their key, a few pages at a time. "
        'Needs HARDENED_SESSIONS["KEYS"] = "hash" in every worker; once it is through, '
        '"GRACE_UNTIL" may become None.'
    )

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[layer_options().database]
        if layer_options().keys != "hash":
            raise CommandError(
                'HARDENED_SESSIONS["KEYS"] is "read"; it must be "hash", in every worker, before '
                "rows are renamed"
            )
        if connection.vendor != "postgresql":
            raise CommandError(
                "rows can be renamed on PostgreSQL only; here they go as they expire"
            )
        table = connection.ops.quote_name(Session._meta.db_table)
        pages, renamed = ExpiredRows().pages(table), 0
        for page in range(0, pages, PAGES):
            with (
                transaction.atomic(using=layer_options().database),
                connection.cursor() as cursor,
            ):
                cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                cursor.execute(
                    f"UPDATE {table} SET session_key = "
                    "left(encode(sha256(convert_to(session_key, 'UTF8')), 'hex'), 40) "
                    f"WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE ctid >= %s::tid AND "
                    "ctid < %s::tid AND length(session_key) = 32 FOR UPDATE SKIP LOCKED))",
                    [f"({page},0)", f"({page + PAGES},0)"],
                )
                renamed += cursor.rowcount
                for other, column in related.columns(database(layer_options().database)):
                    hashed = f"left(encode(sha256(convert_to({column}, 'UTF8')), 'hex'), 40)"
                    cursor.execute(
                        f"UPDATE {other} SET {column} = {hashed} WHERE length({column}) = 32 "
                        f"AND {hashed} IN (SELECT session_key FROM {table})"
                    )
            if options["verbosity"]:
                self.stdout.write(
                    f"page {min(page + PAGES, pages):,} of {pages:,}: {renamed:,} rows renamed"
                )
            time.sleep(PAUSE_SECONDS)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table} WHERE length(session_key) = 32")
            (left,) = cursor.fetchone()
        if left:
            raise CommandError(f"{left} rows were in use; run this again")
        self.stdout.write("every row lies under a hash; the grace may end")
