"""Print what matters of a service's log: `complaint.py SERVICE < LOG`."""

import json
import re
import sys
from collections.abc import Sequence

# Lines of one line each that this stack refuses with: all of them count.
REFUSAL = re.compile(r"(?:init|env|certificates|CommandError): .+|.*\b\w+\.[EW]\d{3}[:)].*")
# An exception as Python ends a traceback with it; its message may go on over further lines.
EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Configured|Warning)\b.*")
EXPLAINED = re.compile(rf": {EXCEPTION.pattern}")
# How other programs mark what went wrong, the gravest first.
MARKS = (
    re.compile(r"\[emerg\]|\bPANIC:|FATAL CONFIG|^>>> "),
    re.compile(r"\bFATAL:|\[alert\]|\[crit\]|Can't |Fatal "),
    re.compile(r"\[error\]|\bERROR:|^# |[Ee]rror[: ]|[Dd]enied|not found|[Cc]annot |could not "),
)
USAGE = re.compile(r"Type '.*' for usage\.|usage: .*|\W*|HINT: .*|DETAIL: .*")


def complaints(log: str) -> list[str]:
    """Return the lines of a log that say why its service is not well."""
    lines = [line.rstrip() for line in log.splitlines() if line.strip()]
    errors, others = split(lines)
    if errors:
        return [*filter(EXPLAINED.search, errors), errors[-1]][:1]
    if refused := dict.fromkeys(line for line in others if REFUSAL.fullmatch(line)):
        return [*refused]
    if raised := exceptions(others):
        return raised[-1:]
    for mark in MARKS:
        if marked := [number for number, line in enumerate(others) if mark.search(line)]:
            # Redis says in the next line what is wrong with the one that it shows.
            shown = others[marked[-1]].startswith(">>> ")
            return [": ".join(others[marked[-1] : marked[-1] + 1 + shown])]
    said = [line for line in others if not USAGE.fullmatch(line)]
    return (said or others or lines)[-1:]


def split(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the messages of errors that were logged as JSON, and the lines that are no JSON."""
    errors: list[str] = []
    others: list[str] = []
    for line in lines:
        try:
            entry = json.loads(line)
            grave = entry["level"] in ("ERROR", "CRITICAL")
        except (ValueError, TypeError, KeyError):
            others.append(line)
            continue
        if grave:
            cause = exceptions(str(entry.get("exc_info", "")).splitlines())
            errors.append(": ".join([entry["message"], *cause[-1:]]))
    return errors, others


def exceptions(lines: Sequence[str]) -> list[str]:
    """Return the first line of each exception that ends a traceback."""
    found: list[str] = []
    inside = False
    for line in lines:
        if line.startswith("Traceback (most recent call last)"):
            inside = True
        elif inside and EXCEPTION.match(line):
            found.append(line)
            inside = False
    return found


if __name__ == "__main__":
    for complaint in complaints(sys.stdin.read()):
        name = sys.argv[1]
        print(complaint if complaint.startswith(f"{name}: ") else f"{name}: {complaint}")
