"""Set, read and delete values; the change that gets lost."""

import json
from typing import Any

from django.core.exceptions import SuspiciousOperation, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from lab.limits import require_room
from lab.mistake import CODE, attempts
from lab.values import KEYS, DeleteForm, KeyForm, SetForm


@never_cache
def values(request: HttpRequest) -> HttpResponse:
    """Show what the session holds, and do to it what a form asks."""
    context: dict[str, Any] = {
        "set_form": SetForm(auto_id="set_%s"),
        "read_form": KeyForm(auto_id="read_%s"),
        "delete_form": DeleteForm(auto_id="delete_%s"),
        "mistake_code": list(CODE.values()),
    }
    if request.method == "POST":
        action = ACTIONS.get(request.POST.get("action", ""))
        if action is None:
            raise SuspiciousOperation("There is no such action on this page.")
        context |= action(request)
    context["items"] = [
        (key, pretty(value), not key.startswith("_"))
        for key, value in sorted(request.session.items())
    ]
    return render(request, "lab/values.html", context)


def set_value(request: HttpRequest) -> dict[str, Any]:
    """Set a key."""
    form = SetForm(request.POST, auto_id="set_%s")
    if form.is_valid():
        key, value = form.cleaned_data["key"], form.cleaned_data["value"]
        try:
            if key not in request.session and len(list(request.session.keys())) >= KEYS:
                raise ValidationError(f"A session may have {KEYS} keys here; delete one first.")
            require_room(request.session, {key: value})
        except ValidationError as error:
            form.add_error("value", error)
        else:
            request.session[key] = value
            return {"done": f"“{key}” is set."}
    return {"set_form": form}


def read_value(request: HttpRequest) -> dict[str, Any]:
    """Read a key."""
    form = KeyForm(request.POST, auto_id="read_%s")
    context: dict[str, Any] = {"read_form": form}
    if form.is_valid():
        key = form.cleaned_data["key"]
        if key in request.session:
            context["read"] = (key, pretty(request.session[key]))
        else:
            form.add_error("key", f"There is no “{key}” in this session.")
    return context


def delete_value(request: HttpRequest) -> dict[str, Any]:
    """Delete a key."""
    form = DeleteForm(request.POST, auto_id="delete_%s")
    if form.is_valid():
        key = form.cleaned_data["key"]
        if key in request.session:
            del request.session[key]
            return {"done": f"“{key}” is deleted."}
        form.add_error("key", f"There is no “{key}” in this session.")
    return {"delete_form": form}


def flush(request: HttpRequest) -> dict[str, Any]:
    """End the session, with all it holds and whoever is signed in."""
    request.session.flush()
    return {"done": "The session is gone, and its key with it."}


def try_mistake(request: HttpRequest) -> dict[str, Any]:
    """Run the classic mistake and its repair."""
    return {"attempts": attempts()}


ACTIONS = {
    "set": set_value,
    "read": read_value,
    "delete": delete_value,
    "flush": flush,
    "mistake": try_mistake,
}


def pretty(value: Any) -> str:
    """Return the value as JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False)
