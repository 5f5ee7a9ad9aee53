"""The nine pages, in the order in which they stand in the navigation."""

from dataclasses import dataclass

from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Page:
    """One entry of the navigation."""

    name: str  # of its URL
    title: str
    shows: str


PAGES = (
    Page("home", "Home", "The visit counter, and where this stack keeps sessions."),
    Page("values", "Values", "Set, read and delete a key; the change that gets lost."),
    Page("cart", "Cart", "A cart that survives signing in, with money kept as text."),
    Page("expiry", "Expiry", "When a session ends in the browser, and when on the server."),
    Page("inspector", "Inspector", "Your own session, down to the stored bytes."),
    Page("compare", "Compare", "The five engines side by side, and a measurement."),
    Page("account", "Account", "Sign in and out, and watch the key change."),
    Page("cookies", "Cookies and headers", "What this server sends, and which attack it stops."),
    Page("pitfalls", "Pitfalls", "What goes wrong with sessions, and what this stack does."),
)


def navigation(request: HttpRequest) -> dict[str, object]:
    """Give every template the pages, and the name of the one it is part of; a context processor."""
    match = request.resolver_match
    current = match.url_name if match else None
    if match and match.route.startswith("accounts/"):
        current = "account"
    return {"pages": PAGES, "current_page": current}
