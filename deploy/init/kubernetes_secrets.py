"""Print what init has placed as Kubernetes Secrets, one for each reader: `kubectl apply -f -`."""

import json
import sys

import volumes


def secret(volume: str) -> dict[str, object]:
    """Return the Secret that holds the files of a volume, under the volume's name."""
    files = {path.name: path.read_text() for path in sorted((volumes.VOLUMES / volume).iterdir())}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": volume},
        "stringData": files,
    }


def main() -> None:
    """Print a list of all; the authority's own key stays where it is, and no pod takes backups."""
    kept_here = ("authority", "backup-secrets")
    items = [secret(volume) for volume in volumes.OWNERS if volume not in kept_here]
    json.dump({"apiVersion": "v1", "kind": "List", "items": items}, sys.stdout)


main()
