"""MDN's HTTP Observatory, by its own code."""

import json
import sys
from collections.abc import Callable

from stack import Stack

SCAN = "/observatory/node_modules/@mdn/mdn-http-observatory/src/scan.js"


def test_the_observatory_gives_130_or_more(public_site: Stack, grader: Callable[..., str]) -> None:
    found = json.loads(grader("node", SCAN, public_site.settings["DOMAIN"]))
    modifiers = {name: test["scoreModifier"] for name, test in found["tests"].items()}
    sys.stdout.write(f"result: score {found['scan']['score']}, grade {found['scan']['grade']}\n")
    assert found["scan"]["score"] >= 130, modifiers
    assert min(modifiers.values()) >= 0, modifiers
