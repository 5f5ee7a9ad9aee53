"""The pages, in the groups and the order in which they stand in the navigation."""

from dataclasses import dataclass

from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Page:
    """One entry of the navigation."""

    name: str  # of its URL
    title: str
    shows: str


GROUPS = {
    "Use": (
        Page("home", "Home", "The visit counter, and where this stack keeps sessions."),
        Page("values", "Values", "Set, read and delete a key; the change that gets lost."),
        Page("cart", "Cart", "A cart that survives signing in, with money kept as text."),
        Page("expiry", "Expiry", "When a session ends in the browser, and when on the server."),
        Page("account", "Account", "Sign in and out, and watch the key change."),
    ),
    "Look inside": (
        Page("inspector", "Inspector", "Your own session, down to the stored bytes."),
        Page("by_hand", "By hand", "The commands that show what a store holds."),
        Page("two_engines", "Two engines", "The same values as two engines store them."),
        Page(
            "session_settings", "Settings", "Each setting in force, and the line that changes it."
        ),
        Page("middleware", "Middleware", "A request on its way, and what a wrong order breaks."),
        Page("custom_engine", "Your own engine", "An engine in sixty lines, and what it lacks."),
    ),
    "Decide": (
        Page("choose", "Choose", "Four questions, and one engine."),
        Page("compare", "Compare", "The five engines side by side, and a measurement."),
        Page("tokens", "Session, cookie, token", "What is kept where, and who can take it back."),
    ),
    "Keep safe": (
        Page("cookies", "Cookies and headers", "What is sent, and which attack it stops."),
        Page("pitfalls", "Pitfalls", "What goes wrong with sessions, and what this stack does."),
        Page("myths", "Myths", "What tutorials get wrong, disproved."),
    ),
}


def navigation(request: HttpRequest) -> dict[str, object]:
    """Give every template the pages and the name of its own; a context processor."""
    match = request.resolver_match
    current = match.url_name if match else None
    if match and match.route.startswith("accounts/"):
        current = "account"
    return {"page_groups": GROUPS, "current_page": current}
