"""Tables of the layer beside Django's own `django_session`.

The change feed is not among them: it is made by SQL, on PostgreSQL only (see the migrations).
"""

from django.db import models


class RevokedCookie(models.Model):
    """A signed cookie that was signed out, or replaced, before its time."""

    sid = models.CharField(max_length=40, primary_key=True)
    # A rotation replaced it; the successor ends with it if the old one is signed out.
    rotated = models.BooleanField()
    successor = models.CharField(max_length=40, blank=True)
    at = models.DateTimeField()
    # No cookie with this id can be good after that, so the row may go. Former versions of the layer
    # wrote an earlier moment, so clearing looks at `at` as well.
    expire_date = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.sid[:8]}… {'rotated' if self.rotated else 'ended'} {self.at:%F %T}"


class PurgePosition(models.Model):
    """The page of `django_session` that the next clearing begins at; one row."""

    page = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"page {self.page}"


class SignedInSession(models.Model):
    """A session that somebody is signed in with; nothing in it opens the session."""

    name = models.CharField(max_length=40, primary_key=True)
    user_id = models.CharField(max_length=64, db_index=True)
    # The user's epoch (see `revocation.users`) at that time.
    epoch = models.BigIntegerField()
    created = models.DateTimeField()
    # No index has it, so that PostgreSQL updates the row in place.
    last_seen = models.DateTimeField()
    client = models.CharField(max_length=60, blank=True)
    address = models.CharField(max_length=43, blank=True)
    backend = models.CharField(max_length=200)

    def __str__(self) -> str:
        return f"user {self.user_id}: {self.client or 'unknown client'} {self.address}".strip()


class SignOutEpoch(models.Model):
    """Since when a user's sessions count; the user '' stands for all (see `revocation.users`)."""

    user_id = models.CharField(max_length=64, primary_key=True)
    epoch = models.BigIntegerField()

    def __str__(self) -> str:
        return f"user {self.user_id}: {self.epoch}"
