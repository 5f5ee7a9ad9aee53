"""What a drill is judged by: each miss is seen, and what was stated is none."""

from dataclasses import replace

import pytest

from proof.drill.judge import Terms, Verdict, judge, percentile
from proof.drill.ledger import FOREIGN, RESET, SERVED, SIGNED_OUT, TIMEOUT, Answer, Ledger, SignOut

NOTHING = Terms(unavailable=False, answers=frozenset())
UNAVAILABLE = replace(NOTHING, unavailable=True)

BEGAN, INJECTED, LIFTED, ENDED = 100.0, 102.0, 105.0, 110.0


def at(
    started: float,
    outcome: str = SERVED,
    *,
    kind: str = "read",
    client: int = 0,
    count: int | None = None,
    retry_after: bool = False,
) -> Answer:
    """Return an answer that took 10 ms."""
    return Answer(client, kind, started, started + 0.01, outcome, retry_after, count)


def judged(
    *answers: Answer, terms: Terms = NOTHING, sign_outs: list[SignOut] | None = None
) -> Verdict:
    """Judge these answers among good ones of another client, one each tenth of a second."""
    good = [at(BEGAN + tenth / 10, client=99) for tenth in range(100)]
    ledger = Ledger([*good, *answers], sign_outs or [], BEGAN, INJECTED, LIFTED, ENDED)
    return judge(ledger, terms)


def test_where_all_is_served_nothing_is_missed() -> None:
    verdict = judged(at(101, kind="write", count=1), at(106, count=1))
    assert verdict.misses == []
    assert verdict.failed == {}
    assert verdict.detect is None
    assert verdict.recover == 0


# --- Increments -----------------------------------------------------------------------------------


def writes(*counts: int, start: float = 101.0) -> list[Answer]:
    """Return acknowledged writes, one each tenth of a second."""
    return [at(start + place / 10, kind="write", count=count) for place, count in enumerate(counts)]


def test_an_increment_that_a_later_write_lacks_is_lost() -> None:
    verdict = judged(*writes(1, 2, 2))
    assert verdict.lost == 1
    assert verdict.losses == ["client 0, a write 0.1 s after: 1 where 2 was acknowledged"]
    assert verdict.misses == ["1 acknowledged increments lost"]


def test_an_increment_that_a_later_read_lacks_is_lost() -> None:
    assert judged(*writes(1, 2, 3), at(108, count=1)).lost == 2


def test_what_is_lost_is_counted_once() -> None:
    assert judged(*writes(1, 2, 3), at(106, count=1), at(108, count=1), at(109, count=1)).lost == 2
    assert judged(*writes(1, 2, 1, 2, 3)).lost == 2


def test_a_read_may_miss_what_was_written_a_moment_before() -> None:
    assert judged(*writes(1, 2), at(102, count=1), at(104, count=2)).lost == 0


def test_a_write_may_miss_nothing() -> None:
    assert judged(*writes(1, 2), at(101.3, kind="write", count=2)).lost == 1


def test_an_increment_without_an_answer_may_count_or_not() -> None:
    unanswered = at(103, RESET, kind="write")
    terms = replace(NOTHING, answers=frozenset({RESET}))
    for count in (2, 3):
        later = at(106, kind="write", count=count)
        assert judged(*writes(1), unanswered, later, terms=terms).misses == []


def test_the_counters_of_two_clients_are_two() -> None:
    other = at(104, kind="write", client=1, count=1)
    assert judged(*writes(1, 2, 3), other).lost == 0


def test_increments_may_be_lost_where_that_is_stated() -> None:
    terms = replace(NOTHING, loses="it is empty")
    verdict = judged(*writes(1, 2, 3), at(108, count=0), terms=terms)
    assert verdict.lost == 3
    assert verdict.misses == []


# --- Sessions -------------------------------------------------------------------------------------


def test_each_session_that_is_signed_out_is_counted_once() -> None:
    verdict = judged(
        at(103, SIGNED_OUT), at(103.5, SIGNED_OUT), at(103, SIGNED_OUT, client=1), at(104)
    )
    assert verdict.signed_out == 2
    assert verdict.misses == ["2 sessions wrongly signed out"]


def test_nothing_excuses_an_answer_that_is_somebody_elses() -> None:
    answers = at(103, FOREIGN, count=7), at(103.5, FOREIGN), at(104)
    for terms in (NOTHING, replace(UNAVAILABLE, loses="it is empty")):
        verdict = judged(*answers, terms=terms)
        assert (verdict.foreign, verdict.signed_out, verdict.lost) == (2, 0, 0)
        assert verdict.misses == ["2 answers were somebody else's"]
    assert judged(at(104)).foreign == 0


def test_sessions_may_be_gone_where_that_is_stated() -> None:
    gone = [at(103 + tenth / 10, SIGNED_OUT) for tenth in range(70)]
    assert judged(*gone, terms=replace(NOTHING, loses="it is empty")).misses == []
    assert judged(*gone).misses == [
        "1 sessions wrongly signed out",
        "not recovered when the watch ended",
    ]


def test_a_session_that_opens_after_its_sign_out_is_revived() -> None:
    one = SignOut(5, asked=102.9, acknowledged=103.0, openings=[102.0, 106.0, 107.0])
    verdict = judged(sign_outs=[one])
    assert verdict.revived == 1
    assert verdict.misses == ["1 sessions opened after their sign-out"]


def test_no_statement_excuses_a_revived_session() -> None:
    one = SignOut(5, asked=102.9, acknowledged=103.0, openings=[106.0])
    assert judged(sign_outs=[one], terms=replace(NOTHING, loses="it is empty")).misses


def test_a_sign_out_holds_within_its_bound_and_only_once_acknowledged() -> None:
    soon = SignOut(5, asked=102.9, acknowledged=103.0, openings=[102.0, 104.9])
    refused = SignOut(6, asked=102.9, acknowledged=None, openings=[104.0, 109.0])
    verdict = judged(sign_outs=[soon, refused])
    assert (verdict.revived, verdict.sign_outs) == (0, 1)
    assert verdict.misses == []


def test_a_refused_sign_out_is_no_lost_session() -> None:
    refused = at(103, "503", kind="sign-out", retry_after=True)
    verdict = judged(refused, terms=UNAVAILABLE)
    assert verdict.sign_outs_refused == 1
    assert verdict.misses == []


# --- Answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["500", "502", "400", "404", RESET, TIMEOUT])
def test_an_answer_that_nobody_may_get_is_a_miss(outcome: str) -> None:
    expected = [f"1 requests answered by {outcome}"]
    assert judged(at(103, outcome), terms=UNAVAILABLE).misses == expected


def test_503_must_say_when_to_ask_again() -> None:
    assert judged(at(103, "503", retry_after=True), terms=UNAVAILABLE).misses == []
    verdict = judged(at(103, "503"), terms=UNAVAILABLE)
    assert verdict.misses == ["1 requests answered by 503"]


def test_503_is_for_an_engine_whose_store_is_down() -> None:
    verdict = judged(at(103, "503", retry_after=True))
    assert verdict.misses == ["1 requests answered by 503 with Retry-After"]


def test_a_killed_process_may_answer_with_its_own_failures() -> None:
    terms = replace(UNAVAILABLE, answers=frozenset({"502", RESET}))
    assert judged(at(103, "502"), at(104, RESET), terms=terms).misses == []


def test_a_failure_before_the_fault_is_a_miss() -> None:
    verdict = judged(at(101, "503", retry_after=True), terms=UNAVAILABLE)
    assert verdict.misses == ["1 requests failed before the fault"]


def test_a_conflict_needs_a_fault_that_explains_it() -> None:
    assert judged(at(103, "409"), at(106.5, "409", client=1)).misses == []
    assert judged(at(107.5, "409")).misses == ["1 conflicts without a cause"]


# --- Times ----------------------------------------------------------------------------------------


def test_recovery_counts_from_the_lift_to_the_last_failure() -> None:
    answers = at(103.5, "503", retry_after=True), at(107.49, "503", retry_after=True)
    verdict = judged(*answers, terms=UNAVAILABLE)
    assert verdict.detect == pytest.approx(1.51)
    assert verdict.recover == pytest.approx(2.5)
    assert verdict.misses == []


def test_a_slow_recovery_is_a_miss() -> None:
    verdict = judged(at(108.49, "503", retry_after=True), terms=UNAVAILABLE)
    assert verdict.misses == ["recovered after 3.5 s; 3 s are the goal"]


def test_what_never_recovers_is_a_miss() -> None:
    verdict = judged(at(111, "503", retry_after=True), terms=UNAVAILABLE)
    assert verdict.recover is None
    assert verdict.misses == ["not recovered when the watch ended"]


def test_a_cell_without_requests_proves_nothing() -> None:
    assert "no request was made" in judge(Ledger(), NOTHING).misses


def test_latencies_belong_to_the_phase_in_which_a_request_began() -> None:
    slow = Answer(0, "read", 104.9, 106.9, SERVED)
    found = judged(slow).latencies
    assert found["before"]["p99"] == pytest.approx(10)
    assert found["during"]["p99"] == pytest.approx(2000)
    assert found["after"]["p99"] == pytest.approx(10)


def test_a_machine_that_others_have_may_be_the_cause_of_failures_and_not_of_losses() -> None:
    slow = [Answer(n, "read", 100 + n / 100, 101.5 + n / 100, SERVED) for n in range(40)]
    failed = at(103, "500")
    assert judged(*slow, failed).in_doubt
    assert not judged(failed).in_doubt
    assert not judged(*slow).in_doubt
    assert not judged(*slow, failed, at(104, SIGNED_OUT, client=1)).in_doubt


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert percentile([3.0, 1.0, 2.0, 4.0], 0.5) == 2
    assert percentile([3.0, 1.0, 2.0, 4.0], 0.99) == 4
    assert percentile([7.0], 0.5) == 7


def test_answers_over_time_are_counted_by_outcome() -> None:
    verdict = judged(at(103.1, "503", retry_after=True), terms=UNAVAILABLE)
    assert {kind: numbers[6] for kind, numbers in verdict.over_time.items()} == {
        SERVED: 5,
        "503 with Retry-After": 1,
    }
    assert sum(map(sum, verdict.over_time.values())) == verdict.requests


# --- The table of outages -------------------------------------------------------------------------


LATER = "503 later"  # with Retry-After


def seen(*outcomes: str, client: int = 0, kind: str = "read", since: float = 4.0) -> list[Answer]:
    """Return the answers that a client had."""
    return [
        at(since, outcome.split()[0], kind=kind, client=client, retry_after=True)
        if outcome == LATER
        else at(since, outcome, kind=kind, client=client)
        for outcome in outcomes
    ]


@pytest.mark.parametrize(
    ("outcomes", "worst"),
    [
        ((SERVED, "409"), "served"),
        ((SERVED, LATER), "503"),
        ((LATER, "503"), "500"),
        (("502", SERVED), "500"),
        ((RESET, TIMEOUT), "hangs"),
        ((TIMEOUT, SIGNED_OUT), "signed out"),
        ((SIGNED_OUT, FOREIGN), "somebody else's"),
    ],
)
def test_the_worst_that_was_met_stands_in_the_table(outcomes: tuple[str, ...], worst: str) -> None:
    before = Answer(0, "read", 1.0, 1.1, SIGNED_OUT)
    answers = [before, *seen(*outcomes), *seen(SERVED, client=9)]
    ledger = Ledger(answers, [], 0.0, 3.0, 6.0, 9.0, frozenset({9}))
    found = judge(ledger, Terms(True, frozenset())).outage
    assert (found["signed in"], found["not signed in"]) == (worst, "served")


@pytest.mark.parametrize(
    ("asked", "first", "opened", "word"),
    [
        (4.0, LATER, [], "refused"),
        (4.0, SERVED, [], "holds"),
        (4.0, SERVED, [9.0], "undone"),
        (4.0, LATER, [9.0], "refused"),
        (7.0, LATER, [], "holds"),
        (7.0, LATER, [12.0], "undone"),
        (7.0, None, [], "refused"),
    ],
)
def test_a_sign_out_that_was_asked_for_meanwhile_is_in_the_table(
    asked: float, first: str | None, opened: list[float], word: str
) -> None:
    before = SignOut(1, asked=2.9, acknowledged=3.5)
    done = asked + 2.5 if first else None
    meanwhile = SignOut(2, asked=asked, acknowledged=done, openings=opened)
    answers = [
        *seen(LATER, SERVED, client=1, kind="sign-out", since=3.2),
        *seen(*([first, SERVED] if first else [LATER]), client=2, kind="sign-out", since=asked),
    ]
    lasting = meanwhile if asked < 6 else None
    ledger = Ledger(answers, [before, meanwhile], 0.0, 3.0, 6.0, 9.0, meanwhile=lasting)
    assert judge(ledger, Terms(True, frozenset())).outage["sign-out"] == word
