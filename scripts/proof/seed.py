"""What a stack holds before it is measured: signed-in sessions, and the table as a layer has it."""

import json
from collections.abc import Callable, Mapping

from stack import StackError

# Without what the hardened layer adds to the table, for Django's own engines.
AS_DJANGO_MADE_IT = """
DROP TRIGGER IF EXISTS hardened_sessions_deleted ON django_session;
DROP TRIGGER IF EXISTS hardened_sessions_truncated ON django_session;
ALTER TABLE django_session RESET (fillfactor);
"""


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
