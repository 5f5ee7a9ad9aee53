"""Cookies that only look like this host's own are taken out of a request, whatever the layer."""

import logging

from django.conf import settings
from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin

from session_stack.cookie_names import guard

logger = logging.getLogger(__name__)


class CookieNamesMiddleware(MiddlewareMixin):
    """Drop cookies whose names only look like the site's; stands above all that read `COOKIES`."""

    def process_request(self, request: HttpRequest) -> None:
        """Have Django parse only what is left."""
        refused = guard(request, (settings.SESSION_COOKIE_NAME,), settings.CSRF_COOKIE_NAME)
        if refused:
            logger.warning("cookies refused", extra={"reason": " and ".join(sorted(refused))})
