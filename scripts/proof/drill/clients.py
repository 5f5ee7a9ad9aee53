"""Signed-in clients that read and write at a steady pace, and some that sign out meanwhile."""

import asyncio
import ssl
import threading
import time
from collections.abc import Callable, Coroutine
from email.utils import parsedate_to_datetime
from http.cookies import Morsel, SimpleCookie
from typing import Any

import httpx

from proof.drill.ledger import FOREIGN, RESET, SERVED, SIGNED_OUT, TIMEOUT, Answer, Ledger, SignOut
from stack import StackError

USER = "drill"
SESSION_COOKIE = "__Host-sessionid"
CSRF_TOKEN = "d" * 32  # any will do that stands in the cookie and in the header
ANSWER_SECONDS = 5.0  # longer than any answer may take
PAUSE_SECONDS = 0.25  # from one request of a client to its next
LOOK_SECONDS = 0.5  # the same of whoever holds the cookie of somebody who signs out
AGAIN_SECONDS = 0.5  # until a sign-out that was not done is asked for again
BEGIN_SECONDS = 30.0
LAST_LOOKS = 4  # at each session that was signed out of

Clock = Callable[[], float]

PATHS = {"read": "/drill/read/", "write": "/drill/write/", "sign-out": "/accounts/logout/"}


class Browser:
    """One client: a connection, the session's cookie, and what came of each request."""

    def __init__(
        self, url: str, tls: ssl.SSLContext, clock: Clock, client: int, cookie: str | None
    ) -> None:
        """Begin with the cookie of a session that is signed in, or with none: a guest's."""
        self.client = client
        self.user = USER if cookie else ""
        self.cookie = cookie
        self.clock = clock
        self.expires = float("inf")  # by that clock
        self.http = httpx.AsyncClient(
            base_url=url,
            verify=tls,
            timeout=ANSWER_SECONDS,
            headers={"Origin": url, "X-CSRFToken": CSRF_TOKEN},
            trust_env=False,  # no proxy stands before the stack
        )

    async def ask(self, kind: str, path: str = "") -> Answer:
        """Send a request and say what came of it."""
        cookie = f"__Host-csrftoken={CSRF_TOKEN}"
        if self.clock() >= self.expires:
            self.cookie = None
        if self.cookie:
            cookie += f"; {SESSION_COOKIE}={self.cookie}"
        method = "GET" if kind == "read" else "POST"
        started = time.monotonic()
        try:
            answer = await self.http.request(
                method, path or PATHS[kind], headers={"Cookie": cookie}
            )
        except httpx.TimeoutException:
            return Answer(self.client, kind, started, time.monotonic(), TIMEOUT)
        except httpx.TransportError:
            return Answer(self.client, kind, started, time.monotonic(), RESET)
        ended = time.monotonic()
        deleted = self.keep_cookie(answer)
        outcome, count = self.outcome(kind, answer, deleted=deleted)
        retry_after = "Retry-After" in answer.headers
        return Answer(self.client, kind, started, ended, outcome, retry_after, count)

    def keep_cookie(self, answer: httpx.Response) -> bool:
        """Take the session's cookie from an answer; return whether it was deleted."""
        for header in answer.headers.get_list("Set-Cookie"):
            cookie = SimpleCookie(header).get(SESSION_COOKIE)
            if cookie is not None:
                self.expires = self.expiry(cookie)
                gone = not cookie.value or self.expires <= self.clock()
                self.cookie = None if gone else cookie.value
                return gone
        return False

    def expiry(self, cookie: "Morsel[str]") -> float:
        """Return when this browser forgets a cookie, by its own clock (RFC 6265, 5.3)."""
        if cookie["max-age"]:
            return self.clock() + int(cookie["max-age"])
        if cookie["expires"]:
            return parsedate_to_datetime(cookie["expires"]).timestamp()
        return float("inf")

    def outcome(
        self, kind: str, answer: httpx.Response, *, deleted: bool
    ) -> tuple[str, int | None]:
        """Return what an answer is counted as, and the counter in it."""
        if kind == "sign-out":
            return (SERVED if answer.status_code == 302 else str(answer.status_code)), None
        if answer.status_code == 200 and "json" in answer.headers.get("Content-Type", ""):
            held = answer.json()
            if held["user"] not in ("", self.user) or held["client"] not in (None, self.client):
                return FOREIGN, held["count"]
            own = held["user"] == self.user and held["client"] == self.client
            return (SERVED if own and not deleted else SIGNED_OUT), held["count"]
        return (SIGNED_OUT if deleted else str(answer.status_code)), None


class Crowd:
    """All clients of one cell, in a thread of their own."""

    def __init__(
        self,
        url: str,
        tls: ssl.SSLContext,
        clock: Clock,
        cookies: list[str],
        leavers: int,
        guests: int = 0,
    ) -> None:
        """Give each cookie to a client; the last `leavers` of them are there to sign out.

        `clock` is theirs: seconds since 1970, or what they take for it. `guests` are more clients,
        who have a session and are not signed in.
        """
        all_cookies = [*cookies, *[None] * guests]
        browsers = [Browser(url, tls, clock, client, one) for client, one in enumerate(all_cookies)]
        first = len(cookies) - leavers
        self.leavers = browsers[first : len(cookies)]
        self.stayers = browsers[:first] + browsers[len(cookies) :]
        # Who signs out has the same page open in another tab, and somebody may have the cookie.
        self.tabs = [Browser(url, tls, clock, one.client, one.cookie or "") for one in self.leavers]
        self.ledger = Ledger(
            sign_outs=[SignOut(one.client) for one in self.leavers],
            guests=frozenset(one.client for one in self.stayers if not one.user),
        )
        self.error: Exception | None = None
        self.asked = 0
        self.begun, self.stopping = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.live, name="clients")

    # --- From the drill's thread ------------------------------------------------------------------

    def start(self) -> None:
        """Begin, once each session answers.

        Raises:
            StackError: when one does not.
        """
        self.thread.start()
        self.begun.wait()
        if self.error is not None:
            raise self.error

    def sign_out(self, number: int) -> None:
        """Have that many more clients sign out, each until it is told that it is done."""
        for one in self.ledger.sign_outs[self.asked : self.asked + number]:
            one.asked = time.monotonic()
        self.asked += number

    def steady_since(self) -> float:
        """Return when the last request failed, or a sign-out was acknowledged; infinity: not yet.

        Who was signed out by a fault stays so: that is not waited for.
        """
        asked = [one for one in self.ledger.sign_outs if one.asked is not None]
        if any(one.acknowledged is None for one in asked):
            return float("inf")
        failed = [a.ended for a in self.ledger.answers if a.outcome not in (SERVED, SIGNED_OUT)]
        return max([*failed, *(one.acknowledged or 0.0 for one in asked), self.ledger.lifted])

    def stop(self) -> Ledger:
        """End after the last looks at what was signed out of, and return what happened."""
        self.stopping.set()
        if self.thread.ident is not None:
            self.thread.join()
        if self.error is not None:
            raise self.error
        return self.ledger

    # --- In the clients' thread -------------------------------------------------------------------

    def live(self) -> None:
        """Run every client until told to stop."""
        try:
            asyncio.run(self.all())
        except Exception as error:  # noqa: BLE001 - raised again in the drill's thread
            self.error = error
        self.begun.set()

    async def all(self) -> None:
        """Begin with every session, then let each client do what it does."""
        browsers = [*self.stayers, *self.leavers, *self.tabs]
        try:
            await asyncio.gather(*(self.begin(one) for one in (*self.stayers, *self.leavers)))
            for leaver, tab in zip(self.leavers, self.tabs, strict=True):
                tab.cookie = leaver.cookie
            self.ledger.began = time.monotonic()
            self.begun.set()
            tasks: list[Coroutine[Any, Any, None]] = [self.stay(one) for one in self.stayers]
            for leaver, tab, one in zip(
                self.leavers, self.tabs, self.ledger.sign_outs, strict=True
            ):
                tasks += [self.leave(leaver, tab, one), self.look(tab, leaver, one)]
            await asyncio.gather(*tasks)
            self.ledger.ended = time.monotonic()
            await asyncio.gather(
                *(
                    self.last_looks(tab, one)
                    for tab, one in zip(self.tabs, self.ledger.sign_outs, strict=True)
                )
            )
        finally:
            await asyncio.gather(*(one.http.aclose() for one in browsers))

    async def begin(self, browser: Browser) -> None:
        """Have the session know whose it is; a guest's is made by that."""
        deadline = time.monotonic() + BEGIN_SECONDS
        while True:
            path = f"/drill/{'begin' if browser.user else 'guest'}/{browser.client}/"
            answer = await browser.ask("write", path)
            if answer.outcome == SERVED:
                return
            if time.monotonic() > deadline:
                raise StackError(f"a new session was answered by: {answer.outcome}")
            await asyncio.sleep(AGAIN_SECONDS)

    async def stay(self, browser: Browser) -> None:
        """Read and write in turn."""

        async def step(number: int) -> None:
            self.ledger.answers.append(await browser.ask("write" if number % 2 else "read"))

        # Not all at one moment.
        await asyncio.sleep(PAUSE_SECONDS * browser.client / len(self.stayers))
        await self.paced(PAUSE_SECONDS, step, first=browser.client)

    async def leave(self, leaver: Browser, tab: Browser, one: SignOut) -> None:
        """Sign out once asked to, and again until it is acknowledged."""
        while not self.stopping.is_set() and one.acknowledged is None:
            if one.asked is None:
                await asyncio.sleep(0.02)
                continue
            # One jar, until it is emptied.
            leaver.cookie, leaver.expires = tab.cookie, tab.expires
            answer = await leaver.ask("sign-out")
            self.ledger.answers.append(answer)
            if answer.outcome == SERVED:
                one.acknowledged = answer.ended
            else:
                await asyncio.sleep(AGAIN_SECONDS)

    async def look(self, tab: Browser, leaver: Browser, one: SignOut) -> None:
        """Write with the cookie of somebody who signs out, whatever becomes of it."""

        async def step(_: int) -> None:
            held = tab.cookie, tab.expires
            answer = await tab.ask("write")
            if answer.outcome == SERVED:
                one.openings.append(answer.started)
            if tab.cookie is None:  # who holds a copy deletes nothing
                tab.cookie, tab.expires = held

        await self.paced(LOOK_SECONDS, step, first=leaver.client)

    async def last_looks(self, tab: Browser, one: SignOut) -> None:
        """Ask a few times more, all at once: so that different processes answer."""
        for answer in await asyncio.gather(*(tab.ask("read") for _ in range(LAST_LOOKS))):
            if answer.outcome == SERVED:
                one.openings.append(answer.started)

    async def paced(
        self, pause: float, step: Callable[[int], Coroutine[Any, Any, None]], first: int
    ) -> None:
        """Take a step now and then until told to stop; one that is late is not made up for."""
        due, number = time.monotonic(), first
        while not self.stopping.is_set():
            await step(number)
            number += 1
            due = max(due + pause, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
