"""The stack that is drilled, and what happens on it in one cell."""

import fcntl
import signal
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from proof.drill.breaking import BreakableStack
from proof.drill.clients import USER, Crowd
from proof.drill.faults import OVERLAY, Fault, Scene
from proof.drill.ledger import Ledger
from proof.progress import say
from proof.seed import AS_DJANGO_MADE_IT, mint
from stack import ROOT, StackError

VIEWS = "scripts/proof/drill/stack/stack.yml"

BEFORE_SECONDS = 2.0
# Long enough after the last sign-out to see that it held.
STEADY_SECONDS = 2.5
WATCH_SECONDS = 12.0
LEAVERS = 8
GUESTS = 2


class DrillStack(BreakableStack):
    """The stack that is drilled."""

    def __init__(self, purpose: str = "drill", overlays: Sequence[str] = (VIEWS, OVERLAY)) -> None:
        """Name a project; one overlay at least brings the views that the clients ask for."""
        super().__init__(purpose, overlays)
        self.tls: ssl.SSLContext | None = None
        self.scene = Scene(self, "", "")

    def begin(self, engine: str, layer: str) -> None:
        """Run that engine of that layer."""
        self.settings["SESSION_LAYER"] = layer
        self.switch(engine)
        if layer == "stock":
            self.sql(AS_DJANGO_MADE_IT)
        self.scene = Scene(self, engine, layer)
        self.tls = ssl.create_default_context(cafile=str(self.ca_file()))
        if USER not in self.sql("SELECT username FROM auth_user").splitlines():
            self.manage("demo_user", "add", USER)

    def begin_anew(self, engine: str, layer: str) -> None:
        """Run that engine of that layer on a stack that knows nothing of the last one."""
        self.down("--volumes")
        self.begin(engine, layer)

    def manage(self, *command: str) -> str:
        """Run a Django command in the app's container."""
        return self.execute(self.scene.app, "python", "manage.py", *command)

    def crowd(self, clients: int) -> Crowd:
        """Return clients with new sessions."""
        minted = mint(self.manage, clients + LEAVERS, USER, {"count": 0})
        cookies = [header.partition("=")[2] for header in minted]
        scene = self.scene
        assert self.tls is not None  # noqa: S101 - begin() comes first
        clock = lambda: time.time() + scene.clock_offset  # noqa: E731
        return Crowd(self.url, self.tls, clock, cookies, LEAVERS, GUESTS)

    def drill(self, fault: Fault, clients: int, longest: float) -> Ledger:
        """Have clients ask while the fault comes and goes; return what they saw.

        Args:
            fault: what happens.
            clients: how many of them stay signed in.
            longest: the seconds that it may last.
        """
        hold = min(fault.hold, longest)
        try:
            fault.prepare(self.scene)
            crowd = self.crowd(clients)
            try:
                crowd.start()
                time.sleep(BEFORE_SECONDS / 2)
                crowd.sign_out(2)
                time.sleep(BEFORE_SECONDS / 2)
                crowd.sign_out(1)  # as it happens
                crowd.ledger.injected = time.monotonic()
                try:
                    fault.inject(self.scene)
                    crowd.sign_out(2)
                    time.sleep(hold / 2)
                    crowd.sign_out(1)
                    if hold:
                        crowd.ledger.meanwhile = crowd.ledger.sign_outs[crowd.asked - 1]
                    time.sleep(hold / 2)
                finally:
                    fault.lift(self.scene)
                crowd.ledger.lifted = lifted = time.monotonic()
                crowd.sign_out(2)
                while time.monotonic() < min(
                    lifted + WATCH_SECONDS, crowd.steady_since() + STEADY_SECONDS
                ):
                    time.sleep(0.05)
            finally:
                ledger = crowd.stop()
        finally:
            fault.clean(self.scene)
        return ledger


@contextmanager
def made(site: DrillStack) -> Iterator[None]:
    """Have the stack built, not started, and gone at the end.

    Raises:
        StackError: where another drill of this clone is at work, on the same stack.
    """
    with (ROOT / "docker-compose.yml").open() as lock:  # any file of the clone's own
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError("another drill of this clone is at work; wait for its end") from error
        try:
            say("building")
            site.create()
            yield
        finally:
            # Once is enough: what is being removed is not interrupted again.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if site.folder.exists():
                site.destroy()
