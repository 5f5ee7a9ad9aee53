"""The session engine of this stack: which one is in force, and what it needs."""

from django.apps import AppConfig


class EngineConfig(AppConfig):
    name = "engine"

    def ready(self) -> None:
        from engine import checks  # noqa: F401 - registers the checks
