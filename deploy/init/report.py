"""Print what is known of secrets and certificates, as JSON: `python /init/report.py`.

Changes nothing, and prints no secret.
"""

import json
import shutil
import sys
from dataclasses import asdict
from typing import Any

import certificates
import secret_files
import volumes


def main() -> int:
    """Print one object; return the exit status."""
    usage = shutil.disk_usage(volumes.VOLUMES / "certificates")
    report = {
        "secrets": dict(ages()),
        "certificate": certificate("certificates", certificates.CHAIN),
        "authority": certificate("authority", certificates.AUTHORITY),
        "given": certificates.given(),
        "renew_below": certificates.RENEW_BELOW,
        "short_below": certificates.SHORT_BELOW,
        # One file system holds the volumes, unless somebody gave one a disk of its own.
        "disk": usage.used / (usage.used + usage.free),
    }
    json.dump(report, sys.stdout)
    return 0


def ages() -> list[tuple[str, float]]:
    """Return each secret that is there, and when it was put there: seconds since 1970."""
    found = [(secret.name, secret.readers[0]) for secret in secret_files.SECRETS]
    found += [(name, reader) for name, (_, reader) in secret_files.OPTIONAL.items()]
    paths = [(name, volumes.VOLUMES / volume / name) for name, volume in found]
    return [(name, p.stat().st_mtime) for name, p in paths if p.exists() and p.stat().st_size]


def certificate(volume: str, name: str) -> dict[str, Any] | None:
    """Return a certificate's fingerprint and its first and last moment, or None without one."""
    found = certificates.described(volumes.VOLUMES / volume / name)
    return asdict(found) if found else None


sys.exit(main())
