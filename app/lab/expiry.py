"""The choices of when a session ends."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import ValidationError
from django.utils import timezone

from lab.cookie import UNTIL_BROWSER_CLOSES
from session_stack.env import COOKIE_AGE_MAX_SECONDS

CHOICE = "expiry_choice"
HOUR_SECONDS = 3600


class ExpiryForm(forms.Form):
    """When the session shall end."""

    choice = forms.ChoiceField(
        label="The session ends",
        widget=forms.RadioSelect,
        choices=[
            ("default", "as the settings say"),
            ("browser", "when the browser closes"),
            ("seconds", "some seconds after its last change"),
            ("date", "at a date"),
            ("both", "when the browser closes, and some seconds after its last change"),
        ],
        initial="default",
    )
    seconds = forms.IntegerField(
        min_value=1,
        max_value=COOKIE_AGE_MAX_SECONDS,
        required=False,
        initial=HOUR_SECONDS,
        help_text=f"{HOUR_SECONDS} is an hour; up to {COOKIE_AGE_MAX_SECONDS} (400 days).",
        error_messages={"invalid": "This is no whole number."},
    )
    date = forms.DateTimeField(
        label="Date",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text="In UTC, up to 400 days ahead.",
        error_messages={"invalid": "This is no date and time."},
    )

    def clean(self) -> dict[str, Any]:
        """Ask for what the choice needs."""
        cleaned: dict[str, Any] = super().clean() or {}
        choice = cleaned.get("choice")
        if choice in ("seconds", "both"):
            self.require("seconds")
        if choice == "date":
            self.require("date")
            ends = cleaned.get("date")
            ahead = (ends - timezone.now()) if ends else None
            if ahead and not timedelta() < ahead <= timedelta(seconds=COOKIE_AGE_MAX_SECONDS):
                self.add_error("date", "This is not within the next 400 days.")
        return cleaned

    def require(self, name: str) -> None:
        """Say beside the field that this choice needs it, unless something else is wrong there."""
        if self.cleaned_data.get(name) is None and name not in self.errors:
            self.add_error(name, ValidationError("This choice needs it.", code="required"))


def apply(session: SessionBase, cleaned: dict[str, Any]) -> None:
    """Give the session that expiry, in Django's own words."""
    session[CHOICE] = cleaned["choice"]
    session[UNTIL_BROWSER_CLOSES] = cleaned["choice"] == "both"
    if cleaned["choice"] in ("seconds", "both"):
        session.set_expiry(cleaned["seconds"])
    elif cleaned["choice"] == "date":
        session.set_expiry(cleaned["date"])
    elif cleaned["choice"] == "browser":
        session.set_expiry(0)
    else:
        session.set_expiry(None)


def current(session: SessionBase) -> dict[str, Any]:
    """Return what the form shows before anybody chose anew."""
    return {"choice": session[CHOICE]} if CHOICE in session else {}
