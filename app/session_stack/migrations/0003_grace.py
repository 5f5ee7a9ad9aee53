"""Remember whether sessions were stored under their key, and until when those are found."""

from typing import Any

from django.db import migrations, models


def history_unknown(apps: Any, schema_editor: Any) -> None:
    """Have a stack that ran before this release count as one that stored sessions under keys."""
    apps.get_model("engine", "EngineInForce").objects.update(wrote_keys=True)


class Migration(migrations.Migration):
    dependencies = [("engine", "0002_failed_sign_ins")]

    operations = [
        migrations.AddField(
            "EngineInForce", "grace_until", models.DateTimeField(null=True, default=None)
        ),
        migrations.AddField("EngineInForce", "wrote_keys", models.BooleanField(default=False)),
        migrations.RunPython(history_unknown, migrations.RunPython.noop),
    ]
