"""Whether this site's cookies travel over plain http, asked of the visitor's own browser.

nginx's plain port answers `/cookies/over-http/` by a redirect to the page of cookies, which says in
its query what arrived: `nginx/snippets/over-http.conf`.
"""

from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse


@dataclass(frozen=True, slots=True)
class Finding:
    """What came over http, in words, and whether that is as it should be."""

    says: str
    good: bool


LOCAL = Finding(
    "Your cookies arrived over http, because this site’s name is localhost. Browsers take that "
    "name for secure, as the request never leaves your machine. Under any other name no cookie "
    "arrives.",
    good=True,
)
FINDINGS = {
    "none": Finding("Your browser asked over http, and sent no cookie.", good=True),
    "other": Finding(
        "Your browser asked over http, and sent cookies, but none of this site’s. They belong to "
        "something else under the same name.",
        good=True,
    ),
    "site": Finding(
        "Your browser asked over http, and sent this site’s cookies. It does not keep to Secure: "
        "do not use it for anything private.",
        good=False,
    ),
    "https": Finding(
        "Your browser was told to ask over http, and asked over https instead. It does so where it "
        "knows HSTS of a site, or always tries https first.",
        good=True,
    ),
}


def address() -> str:
    """Return the address, over plain http, that says what arrived."""
    env = settings.ENV
    port = "" if env.http_port == 80 else f":{env.http_port}"
    return f"http://{env.domain}{port}{reverse('over_http')}"


def finding(word: str) -> Finding | None:
    """Return what a word of nginx means; None for any other word."""
    if word == "site" and settings.ENV.domain == "localhost":
        return LOCAL
    return FINDINGS.get(word)
