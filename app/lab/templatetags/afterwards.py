"""Template tags that leave room for what only the finished answer knows."""

from typing import Any

from django import template
from django.utils.safestring import SafeString, mark_safe

from lab.afterwards import leave_mark, session_cookie_line
from lab.headers import explained

register = template.Library()


@register.simple_tag(takes_context=True)
def afterwards(context: dict[str, Any], name: str) -> SafeString:
    """Fill in that template once the answer is finished."""
    return mark_safe(leave_mark(context["request"], name))  # noqa: S308 - random digits


register.filter("session_cookie_line", session_cookie_line)
register.filter("explained", explained)
