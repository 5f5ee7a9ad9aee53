"""Why each header of an answer is there, and which attack it stops."""

from dataclasses import dataclass

from django.conf import settings

from session_stack.sign_in import device


@dataclass(frozen=True, slots=True)
class Reason:
    """What a header says, and what happens without it."""

    why: str
    stops: str


HEADERS = {
    "Content-Security-Policy": Reason(
        "The browser runs and shows only what comes from this server; nothing inline.",
        "Script that an attacker smuggled into a page, which would act in the visitor’s session.",
    ),
    "Strict-Transport-Security": Reason(
        "The browser never asks this host over http again.",
        "Somebody on the network who answers the first, plain request.",
    ),
    "X-Content-Type-Options": Reason(
        "The browser takes the declared type and does not guess.",
        "A text or an image that is really a script.",
    ),
    "X-Frame-Options": Reason(
        "No page frames this one; for browsers that do not read frame-ancestors.",
        "Clickjacking: a visitor presses a button that lies under another page.",
    ),
    "Referrer-Policy": Reason(
        "Other sites do not learn which page a visitor came from.",
        "Tokens and private addresses that leak in the Referer header.",
    ),
    "Cross-Origin-Opener-Policy": Reason(
        "A page that opens this one gets no handle on its window.",
        "Other sites that steer or spy on a window of this one.",
    ),
    "Cross-Origin-Resource-Policy": Reason(
        "Pages of other sites get no bytes of this one: no picture, no script, no style.",
        "Spectre: another site that loads an answer into its own process and reads it there.",
    ),
    "Cache-Control": Reason(
        "Nobody keeps this answer: it belongs to one session.",
        "One visitor’s page, served to the next one by a shared cache.",
    ),
    "Expires": Reason(
        "The same, for caches from before Cache-Control.",
        "As above.",
    ),
    "Vary": Reason(
        "The answer differs with the cookie.",
        "A cache that takes one visitor’s page for everybody’s.",
    ),
    "Server-Timing": Reason(
        "What the session cost: milliseconds, SQL statements, Redis commands. "
        "Your browser’s network panel draws it.",
        "None; it is for people who look for slow sessions.",
    ),
    "Content-Type": Reason(
        "What this is, and in which character set.",
        "Text in another character set that turns into a script.",
    ),
}

SESSION_COOKIE = {
    "__Host-": Reason(
        "The name itself demands Secure, Path=/ and no Domain; the browser checks, and the server "
        "takes no other name for it.",
        "A neighbouring subdomain that plants a session cookie of its own (session fixation).",
    ),
    "Secure": Reason(
        "Sent over https only.",
        "Somebody on the network who reads it from a plain request.",
    ),
    "HttpOnly": Reason(
        "No script reads it.",
        "Injected script that carries the session away.",
    ),
    "SameSite=Lax": Reason(
        "Other sites’ forms and frames send no cookie; links to this site do.",
        "Cross-site request forgery, beside the CSRF token.",
    ),
    "Path=/": Reason(
        "For the whole site, as __Host- demands.",
        "Two cookies of one name for different paths.",
    ),
    "Max-Age": Reason(
        "The browser forgets it after that many seconds; the server decides by itself.",
        "A cookie that lies in a browser for years.",
    ),
}

OTHER_COOKIES = {
    settings.CSRF_COOKIE_NAME: Reason(
        "A secret that each form repeats; the server compares the two.",
        "Cross-site request forgery.",
    ),
    device.COOKIE: Reason(
        "Set when somebody signs in: this browser has signed in before.",
        "Strangers who guess at a password until its owner has to wait, too.",
    ),
    "__Host-witness": Reason(
        "Set on the Expiry page only: a second session that shows whether the server lets go.",
        "None; it is an experiment.",
    ),
}


@dataclass(frozen=True, slots=True)
class Explained:
    """A header as it was sent, and its reason."""

    name: str
    value: str
    reason: Reason | None


def explained(headers: list[tuple[str, str]]) -> list[Explained]:
    """Return every header but cookies with its reason, in the order of `HEADERS`."""
    order = list(HEADERS)
    found = [
        Explained(name, value, HEADERS.get(name)) for name, value in headers if name != "Set-Cookie"
    ]
    return sorted(found, key=lambda header: order.index(header.name) if header.reason else -1)
