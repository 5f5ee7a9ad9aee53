"""The admin's list of who is signed in where; what it offers is to end it."""

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from hardened_sessions import inventory
from hardened_sessions.errors import SessionUnavailableError
from hardened_sessions.models import SignedInSession


@admin.register(SignedInSession)
class SignedInSessionAdmin(admin.ModelAdmin):  # type: ignore[type-arg] # none at run time
    """Sessions by their users; those that ended lately stay until the clearing."""

    list_display = ("user_id", "client", "address", "created", "last_seen", "backend")
    list_display_links = None
    search_fields = ("=user_id",)
    ordering = ("user_id", "-created")
    show_full_result_count = False
    actions = ("end", "end_all_of_user")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Sessions are made by signing in."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let nobody change what the list says."""
        return False

    def get_actions(self, request: HttpRequest, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Leave out the deletion of rows, which ends nothing."""
        actions = super().get_actions(request, *args, **kwargs)
        actions.pop("delete_selected", None)
        return actions

    @admin.action(description="End these sessions", permissions=["delete"])
    def end(self, request: HttpRequest, rows: QuerySet[SignedInSession]) -> None:
        """End each session."""
        self.tell(request, inventory.end_session, rows)

    @admin.action(description="End every session of these users", permissions=["delete"])
    def end_all_of_user(self, request: HttpRequest, rows: QuerySet[SignedInSession]) -> None:
        """End all of each user's, listed or not."""
        names = set(rows.values_list("user_id", flat=True))
        self.tell(request, inventory.end_all_of, names)

    def tell(self, request: HttpRequest, end: Callable[[Any], None], what: Iterable[Any]) -> None:
        """End each, and say whether that was done."""
        try:
            for each in what:
                end(each)
        except (SessionUnavailableError, ValueError) as error:
            self.message_user(request, f"Not all have ended: {error}", messages.ERROR)
        else:
            self.message_user(request, "They have ended.", messages.SUCCESS)
