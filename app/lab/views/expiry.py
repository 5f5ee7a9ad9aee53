"""When a session ends."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache

from lab import expiry as expiries
from lab import witness
from lab.cookie import attributes, ends_with_browser
from lab.facts import answer
from lab.layers import backend, layer
from session_stack.layers import layer as session_layer
from session_stack.layers import session_class


@never_cache
def expiry(request: HttpRequest) -> HttpResponse:
    """Show when this session ends in the browser and on the server, and change that."""
    form = expiries.ExpiryForm(initial=expiries.current(request.session))
    chosen = None
    if request.method == "POST":
        form = expiries.ExpiryForm(request.POST)
        if form.is_valid():
            chosen = form.cleaned_data
            expiries.apply(request.session, chosen)
    session = request.session
    context = {
        "form": form,
        "chosen": chosen,
        "exists": not session.is_empty(),
        "attributes": attributes(session),
        "with_browser": ends_with_browser(session),
        "ends": session.get_expiry_date(),
        "seconds_left": session.get_expiry_age(),
        "witness": None if chosen else witness.ask(request),
        "now": timezone.now(),
        "layer": layer().describe(),
        "backend": backend(),
        "in_cookie": layer().in_cookie(backend()),
        "in_folder": "folder" in session_layer().stores(session_class(backend())),
        "holds": answer("ends on the server", backend()),
    }
    response = render(request, "lab/expiry.html", context)
    if chosen:
        witness.summon(request, response, chosen)
    return response
