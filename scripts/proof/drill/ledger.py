"""What the clients of a drill saw: the one thing that a drill is judged by."""

from dataclasses import dataclass, field

SERVED = "served"  # with the client's own session in it
SIGNED_OUT = "signed out"  # an answer for nobody, or one that deletes the cookie
FOREIGN = "somebody else's"  # an answer with another client's session in it
RESET = "reset"  # the connection was refused, or ended without an answer
TIMEOUT = "timeout"
# Any other outcome is the answer's status, as a word.


@dataclass(frozen=True, slots=True)
class Answer:
    """One request and what came of it. Times are of one monotonic clock, in seconds."""

    client: int
    kind: str  # read, write, sign-out
    started: float
    ended: float
    outcome: str
    retry_after: bool = False
    count: int | None = None  # what the session's counter was said to be


@dataclass(slots=True)
class SignOut:
    """A session that was signed out of, and what its cookies did before and after that."""

    client: int
    asked: float | None = None  # when it was first asked for
    acknowledged: float | None = None  # when an answer said that it was done
    openings: list[float] = field(default_factory=list)  # when a request was sent that was let in


@dataclass(slots=True)
class Ledger:
    """All that happened in one cell."""

    answers: list[Answer] = field(default_factory=list)
    sign_outs: list[SignOut] = field(default_factory=list)
    began: float = 0.0
    injected: float = 0.0  # when the fault began to be injected
    lifted: float = 0.0  # when its cause was gone
    ended: float = 0.0
    guests: frozenset[int] = frozenset()  # clients who are not signed in
    # The sign-out that was asked for when half of the fault's time was over; none where it ends by
    # itself.
    meanwhile: SignOut | None = None
