from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("engine", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="FailedSignIns",
            fields=[
                ("slot", models.PositiveIntegerField(primary_key=True, serialize=False)),
                ("tag", models.BigIntegerField()),
                ("failures", models.FloatField()),
                ("wait", models.FloatField()),
                ("counted_at", models.DateTimeField()),
            ],
        ),
    ]
