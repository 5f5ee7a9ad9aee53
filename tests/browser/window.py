"""A browser window, and what it reports."""

from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request

CHROMIUM = Path(__file__).parent / "chromium"
# As root, as in a container, Chromium's own sandbox can't be set up.
ARGUMENTS = ("--no-sandbox", "--host-resolver-rules=MAP www.example.org 127.0.0.1")

# Before the page's own scripts run.
WATCH = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy violation: ${event.violatedDirective} ${event.blockedURI}`);
});
"""


@dataclass
class Visit:
    """A browser window with a profile of its own, and what went wrong in it."""

    context: BrowserContext
    page: Page
    url: str
    problems: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Load a page of the site."""
        self.page.goto(self.url + path)
        return self.page

    def sign_in(self, name: str, password: str) -> None:
        """Fill in the form."""
        self.open("/accounts/login/")
        self.page.get_by_label("Username").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("main").get_by_role("button", name="Sign in").click()

    def watch(self) -> None:
        """Note whatever the page complains about, and every request that leaves the site."""
        self.context.add_init_script(WATCH)
        self.page.on("request", self.requested)
        self.page.on("console", self.said)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))

    def requested(self, request: Request) -> None:
        """Note a request to anywhere else."""
        if not request.url.startswith(f"{self.url}/"):
            self.problems.append(f"a request to {request.url}")

    def said(self, message: ConsoleMessage) -> None:
        """Note an error or a warning on the console."""
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.text} at {message.location['url']}")
