"""testssl.sh, Debian's package."""

import json
import sys
from collections.abc import Callable

from stack import Stack


def test_testssl_gives_a_plus(public_site: Stack, grader: Callable[..., str]) -> None:
    report = "testssl --quiet --color 0 --add-ca /ca.pem --jsonfile /tmp/report"
    site = f"{public_site.settings['DOMAIN']}:443"
    found = grader("sh", "-c", f"{report} {site} >/dev/null; cat /tmp/report")
    findings = {one["id"]: one for one in json.loads(found)}
    grade, score = (findings[name]["finding"] for name in ("overall_grade", "final_score"))
    sys.stdout.write(f"result: grade {grade}, score {score}\n")
    serious = [one["id"] for one in findings.values() if one["severity"] in ("HIGH", "CRITICAL")]
    # An authority of the test's own has nowhere to say what it revoked.
    assert [name for name in serious if not name.startswith("cert_revocation")] == []
    assert grade == "A+"
