"""Cookies' names, compared byte for byte before Django reads them.

A browser lets only this host set a cookie whose name begins with `__Host-`. Django strips every
blank of Unicode off a name, so `U+2000__Host-sessionid`, which any neighbour may set, would be read
as that cookie, and in its place.
"""

import re
from collections.abc import Collection

from django.http import HttpRequest

# Names that browsers keep for cookies of some kind (RFC 6265bis, 4.1.3); `__Host-Http-` is one.
PREFIXES = ("__Host-", "__Secure-", "__Http-")

# From the first to the last character that a name may have (RFC 9110, 5.6.2).
CORE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-](?s:.*[!#$%&'*+.^_`|~0-9A-Za-z-])?")


def genuine(header: str, once: Collection[str], also: str) -> tuple[str, set[str]]:
    """Return a Cookie header without what passes for a guarded cookie, and why parts were refused.

    Blanks and tabs around a name count for nothing (RFC 6265, 5.2); any other byte makes another
    name. Of a cookie that came twice nobody can tell which one is this host's, so it is none.

    Args:
        header: as WSGI and ASGI have it, one character a byte.
        once: names that are guarded beside those with a prefix.
        also: a name that is guarded too, yet may come twice where it has no prefix: hosts of one
            domain lawfully share Django's `csrftoken`.
    """
    kept: list[str] = []
    places: dict[str, list[int]] = {}
    refused: set[str] = set()
    for part in header.split(";"):
        written, equals, _ = part.partition("=")
        written = written.strip(" \t")
        core = CORE.search(written)
        name = core[0] if core and equals else ""
        if name in once or name == also or name.startswith(PREFIXES):
            if name != written:
                refused.add("planted")
                continue
            places.setdefault(name, []).append(len(kept))
        kept.append(part)
    for name, found in places.items():
        if len(found) > 1 and (name in once or name.startswith(PREFIXES)):
            refused.add("sent twice")
            for place in found:
                kept[place] = ""
    return ";".join(filter(None, kept)), refused


def guard(request: HttpRequest, once: Collection[str], also: str) -> set[str]:
    """Take out of a request what `genuine` refuses; return why."""
    header, refused = genuine(request.META.get("HTTP_COOKIE", ""), once, also)
    if refused:
        request.META["HTTP_COOKIE"] = header
        for cached in ("COOKIES", "headers"):
            if hasattr(type(request), cached):  # else somebody assigned it by hand
                vars(request).pop(cached, None)
    return refused
