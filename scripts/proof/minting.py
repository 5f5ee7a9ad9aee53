"""Signed-in sessions for a stack, without signing in through HTTP."""

import json
from collections.abc import Callable, Mapping

from stack import StackError


def mint(
    manage: Callable[..., str], number: int, user: str, data: Mapping[str, object]
) -> list[str]:
    """Return that many Cookie headers, each of a session of its own.

    They are not told apart by their values: Django's `signed_cookies` of one second and one content
    are one.

    Args:
        manage: runs a Django command in the app's container and returns what it prints.
        number: how many.
        user: whose; a demo user that is there.
        data: what each session holds.

    Raises:
        StackError: when there are more or fewer.
    """
    printed = manage("mint_sessions", str(number), f"--user={user}", f"--data={json.dumps(data)}")
    cookies = printed.splitlines()
    if len(cookies) != number:
        raise StackError(f"{number} sessions were to be minted, not {len(cookies)}")
    return cookies
