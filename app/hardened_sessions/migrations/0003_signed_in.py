"""The list of signed-in sessions; `migrate` itself makes the triggers on the user's table."""

from importlib import import_module

from django.db import migrations, models

on_postgres = import_module("hardened_sessions.migrations.0001_initial").on_postgres

NO_TRIGGERS = "DROP FUNCTION IF EXISTS hardened_sessions_user_changed() CASCADE"


class Migration(migrations.Migration):
    dependencies = [("hardened_sessions", "0002_floods")]

    operations = [
        migrations.CreateModel(
            name="SignedInSession",
            fields=[
                (
                    "name",
                    models.CharField(max_length=40, primary_key=True, serialize=False),
                ),
                ("user_id", models.CharField(db_index=True, max_length=64)),
                ("epoch", models.BigIntegerField()),
                ("created", models.DateTimeField()),
                ("last_seen", models.DateTimeField()),
                ("client", models.CharField(blank=True, max_length=60)),
                ("address", models.CharField(blank=True, max_length=43)),
                ("backend", models.CharField(max_length=200)),
            ],
        ),
        migrations.RunPython(migrations.RunPython.noop, on_postgres(NO_TRIGGERS)),
    ]
