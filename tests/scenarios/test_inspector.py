"""Each command on the inspector page, run as it stands there, shows what the page shows."""

import ast
import json
import re
import subprocess
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest
from conftest import Visitor

from stack import Stack

COMMAND = re.compile(r'data-command="([a-z -]+)">(.*?)</code>', re.DOTALL)
AT_MOST = timedelta(seconds=60)  # between loading the page and running the command


def shell(stack: Stack, line: str, cookie: str) -> str:
    """Run a line as a person would, with the cookie pasted where it says so."""
    done = subprocess.run(
        ["bash", "-c", line.replace("paste its value here", cookie)],
        cwd=stack.folder,
        env=stack.environment({}),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


def shown(place: str, what: str) -> str:
    match = re.search(rf'data-shown="{what}">(.*?)</', place, re.DOTALL)
    assert match, what
    return unescape(match[1]).strip()


def value_of(text: str) -> Any:
    """Return what a command printed, as JSON or as Python writes it."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return ast.literal_eval(text)


def test_every_command_shows_what_the_page_shows(
    site: Stack, engine: str, visitor: Visitor
) -> None:
    for _ in range(3):
        visitor.visit()
    page = visitor.http.get("/inspector/").text
    assert visitor.cookie
    assert visitor.cookie not in page
    places = page.split("data-place")[1:]
    assert len(places) == (2 if engine == "cached_db" else 1)
    ran = set()
    for place in places:
        for kind, line in COMMAND.findall(place):
            printed = shell(site, unescape(line), visitor.cookie)
            ran.add(kind)
            if kind == "raw":
                assert printed == shown(place, "raw")
            elif kind == "decoded":
                assert value_of(printed) == json.loads(shown(page, "decoded"))
            elif kind == "expires":
                assert near(datetime.fromisoformat(printed), ends(place))
            elif kind == "seconds left":
                assert near(
                    datetime.now().astimezone() + timedelta(seconds=int(printed)), ends(place)
                )
            else:
                assert near(
                    datetime.fromtimestamp(int(printed)).astimezone(), datetime.now().astimezone()
                )
    assert value_of(shown(page, "decoded")) == {"visits": 3}
    assert ran


def ends(place: str) -> datetime:
    """Return when the page says that it ends."""
    match = re.search(r'<time datetime="([^"]+)"', place)
    assert match
    return datetime.fromisoformat(match[1])


def near(one: datetime, other: datetime) -> bool:
    return abs(one - other) < AT_MOST


EXPECTED = {
    "columns": r"session_key\|session_data\|expire_date\n[0-9a-z]+\|[\x20-\x7e]+\|\d{4}-\d\d-\d\d ",
    "decoded": r"(?m)^\{'visits': 1\}$",
    "scan": r"session",
    "refused": r"NOPERM[^\n]*\n+[^\n]*NOPERM",
    "listing": r"-sessionid[0-9a-z]+",
    "file": r"^[\x20-\x7e\s]+$",
    "cookie": r'^\{"visits": 1\}$',
    "nothing": r"\A\d+\Z",
}


@pytest.mark.lesson(27, 28, 30, 39)
def test_every_command_by_hand_runs_as_it_is_printed(site: Stack, visitor: Visitor) -> None:
    visitor.visit()
    commands = COMMAND.findall(visitor.http.get("/by-hand/").text)
    assert commands
    for slug, line in commands:
        assert re.search(EXPECTED[slug], shell(site, unescape(line), visitor.cookie)), slug
