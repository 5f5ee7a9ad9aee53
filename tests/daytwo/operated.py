"""One stack in an operator's hands: each verb as it is typed, while clients are signed in."""

import subprocess
from collections.abc import Callable

from proof.drill.faults import Fault
from proof.drill.faults.model import nothing
from proof.drill.judge import Terms, Verdict, judge
from proof.drill.stage import VIEWS, DrillStack
from stack import ROOT, run

CLIENTS = 10
MANUAL = ROOT / "deploy" / "OPERATING.md"


def manual(section: str) -> list[str]:
    """Return the commands of a section of the operator's manual, in its order."""
    _, heading, rest = MANUAL.read_text().partition(f"\n## {section}\n")
    assert heading, section
    lines = rest.partition("\n## ")[0].splitlines()
    return [line.strip() for line in lines if line.startswith("    ")]


class Site(DrillStack):
    """The stack, and whoever types at it."""

    def __init__(self) -> None:
        super().__init__("daytwo", [VIEWS])
        self.settings["COMPOSE_FILE"] = ":".join(self.files)

    def destroy(self) -> None:
        """Remove the image of the backups too."""
        super().destroy()
        run("docker", "image", "rm", "--force", f"{self.settings['APP_IMAGE']}-backup", check=False)

    def type(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the clone; stdout and stderr as one."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def visited(self, verb: Callable[[], object], terms: Terms | None = None) -> Verdict:
        """Return the drill's verdict on what clients met while a verb ran."""

        def inject(_: object) -> None:
            verb()

        fault = Fault("verb", "", "client", inject, nothing, hold=0)
        return judge(self.drill(fault, CLIENTS, 0), terms or Terms(False, frozenset()))
