"""The admin's view of products, and of sessions where the engine keeps rows."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.sessions.models import Session
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from lab.layers import layer
from lab.models import Product
from session_stack.layers import session_class


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):  # type: ignore[type-arg] # none at run time
    """What the cart is filled from."""

    list_display = ("name", "price", "note")


class SessionChangeList(ChangeList):
    """A page of sessions, each with its user: one query for all of them."""

    def get_results(self, request: HttpRequest) -> None:
        """Decode the page's rows and find their users."""
        super().get_results(request)
        contents = {row.pk: layer().read_row(row) for row in self.result_list}
        ids = {data[SESSION_KEY] for data, _ in contents.values() if SESSION_KEY in data}
        users = {str(pk): user for pk, user in get_user_model().objects.in_bulk(ids).items()}
        for row in self.result_list:
            data, row.ends = contents[row.pk]
            row.user = users.get(data.get(SESSION_KEY, ""))


class SessionAdmin(admin.ModelAdmin):  # type: ignore[type-arg] # none at run time
    """Who is signed in and until when; a key is never shown, nor part of an address."""

    list_display = ("named", "user", "ends", "live", "end_button")
    list_display_links = None
    list_per_page = 50
    ordering = ("-expire_date",)
    date_hierarchy = "expire_date"
    show_full_result_count = False
    actions = None

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that knows users."""
        return SessionChangeList

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Sessions are made by visiting."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Session | None = None) -> bool:
        """Let nobody change what a session says: that would be signing in as somebody."""
        return False

    @admin.display(description="fingerprint of the key")
    def named(self, row: Session) -> str:
        """Return a name that is no key."""
        return layer().row_fingerprint(row)

    @admin.display(empty_value="nobody")
    def user(self, row: Session) -> AbstractBaseUser | None:
        """Return who is signed in."""
        user: AbstractBaseUser | None = getattr(row, "user", None)
        return user

    @admin.display(ordering="expire_date")
    def ends(self, row: Session) -> datetime:
        """Return when the session ends."""
        moment: datetime = getattr(row, "ends", row.expire_date)
        return moment

    @admin.display(boolean=True)
    def live(self, row: Session) -> bool:
        """Return whether it has not expired."""
        return self.ends(row) > timezone.now()

    @admin.display(description="")
    def end_button(self, row: Session) -> SafeString:
        """Return a button of the form that the list stands in."""
        return format_html(
            '<button class="button" name="row" value="{}~{}" formaction="{}">End</button>',
            row.expire_date.isoformat(),
            layer().row_fingerprint(row),
            reverse("admin:sessions_session_end"),
        )

    def get_urls(self) -> list[Any]:
        """Add the address that ends a session; a row's own pages would have the key in theirs."""
        changelist = super().get_urls()[0]
        end = self.admin_site.admin_view(require_POST(self.end))
        return [changelist, path("end/", end, name="sessions_session_end")]

    def end(self, request: HttpRequest) -> HttpResponse:
        """End the session that a button names by its expiry, which is indexed, and fingerprint."""
        if not self.has_delete_permission(request):
            raise PermissionDenied
        expires, _, name = request.POST.get("row", "").partition("~")
        row = next(
            (row for row in self.expiring(expires) if layer().row_fingerprint(row) == name), None
        )
        if row is None:
            self.message_user(request, "That session is gone already.", messages.WARNING)
        else:
            layer().end(row)
            self.message_user(request, f"The session {name} has ended.", messages.SUCCESS)
        return redirect("admin:sessions_session_changelist")

    @staticmethod
    def expiring(at: str) -> list[Session]:
        """Return the rows that expire at that moment; none where it is no moment."""
        try:
            moment = datetime.fromisoformat(at)
        except ValueError:
            return []
        return list(Session.objects.filter(expire_date=moment)) if moment.tzinfo else []


if hasattr(session_class(settings.ENV.session_backend), "get_model_class"):
    admin.site.register(Session, SessionAdmin)
