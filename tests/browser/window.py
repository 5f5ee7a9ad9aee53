"""A browser window, and what it reports."""

from dataclasses import dataclass, field

from playwright.sync_api import BrowserContext, Page

# What a page can't report itself: a violation before its own scripts run.
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
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

    def collect(self) -> None:
        """Note the policy violations of the page that is open."""
        self.problems += self.page.evaluate("window.violations || []")
