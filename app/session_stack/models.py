"""The row that says which session backend is in force."""

from django.db import models
from django.utils import timezone


class EngineInForce(models.Model):
    """One row for the whole stack: every app container reads it before it serves.

    Two engines behind one address would send a visitor's requests to two session stores in turn.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    backend = models.CharField(max_length=16)
    since = models.DateTimeField(default=timezone.now)
    # Whether the process that started last stores sessions under their key, as Django does.
    wrote_keys = models.BooleanField(default=False)
    # Until when sessions are found that lie under their key; None where there never were any.
    grace_until = models.DateTimeField(null=True, default=None)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=models.Q(id=1), name="engine_in_force_is_one_row"),
        )

    def __str__(self) -> str:
        return f"{self.backend} since {self.since:%Y-%m-%d %H:%M:%S %Z}"


class FailedSignIns(models.Model):
    """One counter of wrong passwords; see `session_stack.sign_in.counters`."""

    slot = models.PositiveIntegerField(primary_key=True)
    tag = models.BigIntegerField()
    failures = models.FloatField()
    wait = models.FloatField()  # seconds after counted_at
    counted_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.failures:.1f} failures by {self.counted_at:%Y-%m-%d %H:%M:%S %Z}"
