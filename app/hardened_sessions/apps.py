"""The app: system checks, and a new key at every sign-in."""

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_migrate
from django.dispatch import receiver


class HardenedSessionsConfig(AppConfig):
    name = "hardened_sessions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register what listens, and have Django's model take keys and names alike."""
        from hardened_sessions import checks, orm  # noqa: F401 - registers the checks

        orm.teach()

        post_migrate.connect(watch_users, sender=self, dispatch_uid="hardened_sessions")


def watch_users(using: str, **kwargs: Any) -> None:
    """Have the user's table tell of users who are deactivated, deleted or get a new password."""
    from hardened_sessions.revocation import deactivation

    deactivation.watch(using)


# Before any models.py is imported, so that other receivers find the key that the visitor gets.
@receiver(user_logged_in, dispatch_uid="hardened_sessions")
def rotate_at_sign_in(sender: Any, request: Any, **kwargs: Any) -> None:
    """Change the key also where the same user signs in again: Django does not (ASVS 7.2.4)."""
    from hardened_sessions.session import HardenedSession

    session = getattr(request, "session", None)
    if isinstance(session, HardenedSession) and (session.renewing or not session.rotated):
        session.cycle_key_anew()
