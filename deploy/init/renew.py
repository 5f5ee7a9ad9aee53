"""Keep the certificate good while the stack runs: the service `certificates`.

It looks once an hour: it renews this stack's own leaf in time (`certificates.RENEW_BELOW`), and
installs what is new in deploy/certs if that can be used; nginx serves either within seconds.
`python /init/renew.py health` fails where too little is left (`certificates.SHORT_BELOW`).
"""

import sys
import time
from pathlib import Path

import certificates
import volumes
from refusal import RefusedError

LOOK_SECONDS = 3600
DAY = 86400
REFUSED = Path("/tmp/refused")  # noqa: S108 - a tmpfs of this container's own


def look() -> str:
    """Renew or install what is due; return why not, or nothing."""
    try:
        for check in certificates.checks():
            check()
        say(*certificates.place())
    except (RefusedError, OSError) as problem:
        return str(problem)
    return ""


def short() -> str:
    """Return how much of the certificate's life is left, where that is too little."""
    found = certificates.described(volumes.VOLUMES / "certificates" / certificates.CHAIN)
    if found is None:
        return "there is no certificate"
    left, life = found.ends - time.time(), found.ends - found.begins
    if left >= life * certificates.SHORT_BELOW:
        return ""
    return f"{left / DAY:.1f} of the certificate's {life / DAY:.0f} days are left"


def reason() -> str:
    """Return what is wrong: too little left, a refusal, or both."""
    refused = REFUSED.read_text() if REFUSED.exists() else ""
    return "; ".join(filter(None, (short(), refused)))


def keep() -> None:
    """Look once an hour; say what is refused when that changes, and once a day."""
    said, at = "", 0.0
    while True:
        REFUSED.write_text(look())
        told = reason()
        if told and (told != said or time.monotonic() - at >= DAY):
            say(told)
            at = time.monotonic()
        said = told
        time.sleep(LOOK_SECONDS)


def say(*lines: str) -> None:
    """Write lines to the log."""
    sys.stderr.writelines(f"certificates: {line}\n" for line in lines)


def main(arguments: list[str]) -> int:
    """Keep it, or return the exit status of the health check."""
    if arguments != ["health"]:
        keep()
    if not short():
        return 0
    sys.stdout.write(f"{reason()}\n")
    return 1


sys.exit(main(sys.argv[1:]))
