"""What serves a Django project by this repository's compose file."""

from django.apps import AppConfig


class SessionStackConfig(AppConfig):
    name = "session_stack"
    label = "engine"  # the table and the migrations of running stacks have this name

    def ready(self) -> None:
        from session_stack import checks  # noqa: F401 - registers the checks
