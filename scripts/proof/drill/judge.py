"""What the users lost in one cell, by its ledger alone, and whether that was allowed."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil

from proof.drill.ledger import FOREIGN, SERVED, SIGNED_OUT, TIMEOUT, Answer, Ledger, SignOut
from stack import SIGN_OUT_SECONDS

RECOVERY_SECONDS = 3.0
# The same for a save whose Redis half failed: by then it is read everywhere.
STALE_SECONDS = SIGN_OUT_SECONDS
BUCKET_SECONDS = 0.5
# Where half of all requests take longer with nothing broken, others have the machine: a statement
# that waits for a processor is not told from a store that hangs.
BUSY_MILLISECONDS = 50.0

UNAVAILABLE = "503 with Retry-After"
# With strict conflicts a save is refused that does not know of the one before, such as one that was
# done and never answered, or whose Redis half failed. Nothing is lost; by default it is merged.
CONFLICT = "409"

# From best to worst, in the table of outages; "500" is any other failure.
MET = ("served", "503", "500", "hangs", "signed out", FOREIGN)


@dataclass(frozen=True, slots=True)
class Terms:
    """What may happen in a cell beside nothing."""

    unavailable: bool  # 503 with Retry-After
    answers: frozenset[str]  # other outcomes
    loses: str = ""  # why sessions and increments may be gone; empty where they may not


@dataclass(slots=True)
class Verdict:
    """What happened, counted. Times are in seconds, latencies in milliseconds."""

    requests: int = 0
    failed: dict[str, int] = field(default_factory=dict)  # by outcome
    signed_out: int = 0  # sessions that were signed in and that nobody signed out
    foreign: int = 0  # answers with another client's session in them
    lost: int = 0  # acknowledged increments
    losses: list[str] = field(default_factory=list)  # how each of them came to light
    sign_outs: int = 0  # acknowledged
    sign_outs_refused: int = 0  # answers that did not acknowledge one
    revived: int = 0  # sessions that opened after their sign-out
    detect: float | None = None  # from the fault to the first failed answer
    recover: float | None = None  # from its end to the last one; None where it did not end
    latencies: dict[str, dict[str, float]] = field(default_factory=dict)
    over_time: dict[str, list[int]] = field(default_factory=dict)  # by outcome, in each bucket
    misses: list[str] = field(default_factory=list)
    # What visitors met from the fault's beginning on, at worst, and what became of a sign-out.
    outage: dict[str, str] = field(default_factory=dict)
    busy: bool = False  # whether others had the machine
    in_doubt: bool = False  # whether they may have been the cause of all that was missed


def judge(ledger: Ledger, terms: Terms) -> Verdict:
    """Count what happened, and name what was not allowed."""
    bad = [answer for answer in ledger.answers if answer.outcome != SERVED]
    good = {SERVED, SIGNED_OUT} if terms.loses else {SERVED}
    of_clients = [answer for answer in ledger.answers if answer.kind != "sign-out"]
    losses = [loss for answers in by_client(of_clients) for loss in losses_of(answers)]
    verdict = Verdict(
        requests=len(ledger.answers),
        failed=dict(Counter(name_of(answer) for answer in bad).most_common()),
        signed_out=len({answer.client for answer in bad if answer.outcome == SIGNED_OUT}),
        foreign=sum(answer.outcome == FOREIGN for answer in bad),
        lost=sum(number for number, _ in losses),
        losses=[how for _, how in losses],
        sign_outs=sum(one.acknowledged is not None for one in ledger.sign_outs),
        sign_outs_refused=sum(answer.kind == "sign-out" for answer in bad),
        revived=sum(map(came_back, ledger.sign_outs)),
        detect=min((a.ended for a in bad if a.ended > ledger.injected), default=None),
        recover=recovery(ledger, good),
        latencies=latencies(ledger, of_clients),
        over_time=over_time(ledger),
    )
    if verdict.detect is not None:
        verdict.detect -= ledger.injected
    verdict.outage = outage(ledger, verdict)
    verdict.busy = verdict.latencies.get("before", {}).get("p50", 0.0) > BUSY_MILLISECONDS
    gone, failed = list(lost_by(terms, verdict)), list(failures_of(ledger, terms, verdict, bad))
    verdict.misses = gone + failed
    verdict.in_doubt = verdict.busy and bool(failed) and not gone
    return verdict


def lost_by(terms: Terms, verdict: Verdict) -> Iterable[str]:
    """Yield a line for each thing that was lost, and was not to be."""
    if verdict.foreign:
        yield f"{verdict.foreign} answers were somebody else's"
    if verdict.signed_out and not terms.loses:
        yield f"{verdict.signed_out} sessions wrongly signed out"
    if verdict.lost and not terms.loses:
        yield f"{verdict.lost} acknowledged increments lost"
    if verdict.revived:
        yield f"{verdict.revived} sessions opened after their sign-out"


def failures_of(ledger: Ledger, terms: Terms, verdict: Verdict, bad: list[Answer]) -> Iterable[str]:
    """Yield a line for each answer that nobody was to get, and for a recovery that took long."""
    early = sum(answer.ended < ledger.injected for answer in bad)
    if early:
        yield f"{early} requests failed before the fault"
    late = sum(conflict_late(answer, ledger) for answer in bad)
    if late:
        yield f"{late} conflicts without a cause"
    counted = {SIGNED_OUT, FOREIGN}  # by `lost_by`
    stated = {CONFLICT, *terms.answers, *([UNAVAILABLE] if terms.unavailable else [])}
    for outcome, number in verdict.failed.items():
        if outcome not in counted | stated:
            yield f"{number} requests answered by {outcome}"
    if verdict.recover is None:
        yield "not recovered when the watch ended"
    elif verdict.recover > RECOVERY_SECONDS:
        yield f"recovered after {verdict.recover:.1f} s; {RECOVERY_SECONDS:.0f} s are the goal"
    if not verdict.requests:
        yield "no request was made"


def outage(ledger: Ledger, verdict: Verdict) -> dict[str, str]:
    """Return the fault as visitors saw it: a cell of the table of outages."""
    seen = [a for a in ledger.answers if a.kind != "sign-out" and a.ended > ledger.injected]
    return {
        "signed in": worst(a for a in seen if a.client not in ledger.guests),
        "not signed in": worst(a for a in seen if a.client in ledger.guests),
        "afterwards": "lost" if verdict.signed_out else "kept",
        "sign-out": sign_out_of(ledger),
    }


def worst(answers: Iterable[Answer]) -> str:
    """Return the worst of the answers, as one of `MET`."""
    return max(map(met, answers), key=MET.index, default=MET[0])


def met(answer: Answer) -> str:
    """Return an answer as one of `MET`."""
    if answer.outcome in (SERVED, CONFLICT):
        return "served"
    if answer.outcome in (SIGNED_OUT, FOREIGN, TIMEOUT):
        return "hangs" if answer.outcome == TIMEOUT else answer.outcome
    return "503" if name_of(answer) == UNAVAILABLE else "500"


def sign_out_of(ledger: Ledger) -> str:
    """Return what became of the sign-out that was asked for while the fault lasted.

    Of a fault that ends by itself, those after it count: none before is sure to meet it. Whether
    one of them comes before the app has found its store again depends on the moment, so there only
    one that is never done counts as refused; how long that may take is the goal for recovery.
    """
    asked = [one for one in ledger.sign_outs if (one.asked or 0.0) >= ledger.lifted]
    if ledger.meanwhile is None and all(one.acknowledged is not None for one in asked):
        return "undone" if any(map(came_back, asked)) else "holds"
    if ledger.meanwhile is not None:
        asked = [ledger.meanwhile]
    clients = {one.client for one in asked}
    answers = [a for a in ledger.answers if a.kind == "sign-out" and a.client in clients]
    if any(answer.outcome != SERVED for answer in answers):
        return "refused"
    return "undone" if any(map(came_back, asked)) else "holds"


def came_back(one: SignOut) -> bool:
    """Return whether a session opened long after its sign-out was acknowledged."""
    acknowledged = one.acknowledged
    return acknowledged is not None and any(
        opening >= acknowledged + SIGN_OUT_SECONDS for opening in one.openings
    )


def conflict_late(answer: Answer, ledger: Ledger) -> bool:
    """Return whether a save was refused that no fault had kept from knowing of another."""
    since, until = ledger.injected, ledger.lifted + STALE_SECONDS
    return answer.outcome == CONFLICT and not since <= answer.started <= until


def name_of(answer: Answer) -> str:
    """Return what a failed answer is counted as."""
    return UNAVAILABLE if answer.outcome == "503" and answer.retry_after else answer.outcome


def by_client(answers: Iterable[Answer]) -> Iterable[list[Answer]]:
    """Return each client's answers, in the order they were asked for."""
    found: dict[int, list[Answer]] = {}
    for answer in sorted(answers, key=lambda answer: answer.started):
        found.setdefault(answer.client, []).append(answer)
    return found.values()


def losses_of(answers: list[Answer]) -> Iterable[tuple[int, str]]:
    """Yield how many acknowledged increments one client's counter lacked, and where that was seen.

    The client writes one after another. A write must find all that was acknowledged before it, a
    read what was acknowledged some time before. One that was not acknowledged may count or not.
    """
    acknowledged = [(0, 0.0)]  # the counter, and when it was known
    for answer in answers:
        if answer.outcome != SERVED or answer.count is None:
            continue
        write = answer.kind == "write"
        found = answer.count - write
        known = answer.started - (0 if write else STALE_SECONDS)
        wanted, at = max(entry for entry in acknowledged if entry[1] <= known)
        if found < wanted:
            age = answer.started - at
            where = f"client {answer.client}, a {answer.kind} {age:.1f} s after"
            yield wanted - found, f"{where}: {found} where {wanted} was acknowledged"
            acknowledged = [(answer.count, 0.0)]  # what is lost is counted once
        elif write:
            acknowledged.append((answer.count, answer.ended))


def recovery(ledger: Ledger, good: set[str]) -> float | None:
    """Return how long after the fault's end the last failed answer came; None: it went on."""
    last_failed = max((a.ended for a in ledger.answers if a.outcome not in good), default=0.0)
    last_good = max((a.started for a in ledger.answers if a.outcome in good), default=0.0)
    return max(0.0, last_failed - ledger.lifted) if last_failed < last_good else None


def latencies(ledger: Ledger, answers: list[Answer]) -> dict[str, dict[str, float]]:
    """Return the 50th and 99th percentile before, during and after the fault."""
    phases: dict[str, list[float]] = {"before": [], "during": [], "after": []}
    for answer in answers:
        phase = (
            "before"
            if answer.started < ledger.injected
            else "during"
            if answer.started < ledger.lifted
            else "after"
        )
        phases[phase].append((answer.ended - answer.started) * 1000)
    return {
        phase: {"p50": percentile(times, 0.5), "p99": percentile(times, 0.99)}
        for phase, times in phases.items()
        if times
    }


def percentile(values: list[float], share: float) -> float:
    """Return the least value that this share of all does not exceed."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


def over_time(ledger: Ledger) -> dict[str, list[int]]:
    """Return how many answers of each outcome came in each bucket; the good ones stand first."""
    length = max((answer.ended for answer in ledger.answers), default=ledger.began) - ledger.began
    number = int(length / BUCKET_SECONDS) + 1
    outcomes = Counter(map(name_of, ledger.answers))
    kinds = [SERVED, *(kind for kind, _ in outcomes.most_common() if kind != SERVED)]
    found = {kind: [0] * number for kind in kinds}
    for answer in ledger.answers:
        found[name_of(answer)][int((answer.ended - ledger.began) / BUCKET_SECONDS)] += 1
    return found
