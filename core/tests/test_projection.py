"""The same inputs in any order, any number of times, mean the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from attrs import evolve
from channelmix.projection import (
    Answer,
    Close,
    Heard,
    Said,
    best_labels,
    fold,
    project,
    revision,
)
from channelmix.records import Deletion, Edit, Identity, Kind, Message, Road, TicketState
from hypothesis import given
from hypothesis import strategies as st

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(minutes):
    return START + timedelta(minutes=minutes)


def said(name, sent, arrived=None, **more):
    return Said(
        id=name, sent_at=at(sent), arrived_at=at(sent if arrived is None else arrived), **more
    )


def message(text, sent=0, **more):
    return Message(
        id="m",
        kind=Kind.COMMENT,
        thread="t",
        sent_at=at(sent),
        text=text,
        author=Identity(id="eva"),
        **more,
    )


def heard(inbound, arrived, road=Road.PUSH):
    return Heard(inbound=inbound, arrived_at=at(arrived), road=road)


def text_of(what):
    folded = fold(what).message
    return folded and folded.text


times = st.integers(0, 60_000)
inbounds = st.one_of(
    st.builds(message, st.sampled_from(["a", "b", "c"]), times),
    st.builds(
        lambda minute, text, hidden: Edit(
            id="m", at=at(minute), revision=str(minute), text=text, hidden=hidden
        ),
        times,
        st.sampled_from([None, "x", "y"]),
        st.sampled_from([None, True, False]),
    ),
    st.builds(lambda minute: Deletion(id="m", at=at(minute)), times),
)
hearing = st.lists(st.builds(heard, inbounds, times, st.sampled_from(Road)), min_size=1, max_size=8)


@given(hearing, st.randoms())
def test_folding_is_the_same_in_any_order_and_again(what, random):
    shuffled = what + what[: len(what) // 2]
    random.shuffle(shuffled)
    assert fold(shuffled) == fold(what)


messages = st.lists(
    st.builds(
        said,
        st.sampled_from("abcdefgh"),
        times,
        times,
        deleted=st.booleans(),
        service=st.sampled_from([None, True, False]),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda one: one.id,
)
covers = st.frozensets(st.sampled_from("abcdefgh"))
answers = st.lists(
    st.builds(
        lambda minute, which, sent: Answer(at=at(minute), covers=which, delivered=sent),
        times,
        st.none() | covers,
        st.booleans(),
    ),
    max_size=4,
)
closes = st.lists(
    st.builds(
        lambda minute, which, again: Close(at=at(minute), covers=which, reopen=again),
        times,
        covers,
        st.booleans(),
    ),
    max_size=4,
)


@given(messages, answers, closes, st.randoms())
def test_projecting_is_the_same_in_any_order_and_again(talk, given_answers, given_closes, random):
    expected = project(talk, given_answers, given_closes)
    for inputs in (talk, given_answers, given_closes):
        random.shuffle(inputs)
    again = project(talk, given_answers * 2, given_closes * 2)
    assert again == expected


@given(messages, answers, closes)
def test_every_message_is_in_exactly_one_ticket(talk, given_answers, given_closes):
    tickets = project(talk, given_answers, given_closes)
    assert sorted(name for one in tickets for name in one.messages) == sorted(m.id for m in talk)


@given(messages, answers)
def test_what_nobody_answered_waits(talk, given_answers):
    unanswered = [
        m
        for m in talk
        if not m.deleted and m.service is not False and not any(a.answers(m) for a in given_answers)
    ]
    open_tickets = [t for t in project(talk, given_answers) if t.state is TicketState.OPEN]
    for one in unanswered:
        assert any(one.id in ticket.messages for ticket in open_tickets)


def test_a_message_that_comes_in_late_reopens_what_was_closed_without_it():
    close = Close(at=at(10), covers=frozenset({"a"}))
    early = said("b", sent=5, arrived=30)
    (ticket,) = project([said("a", 0), early], [], [close])
    assert ticket.state is TicketState.OPEN
    assert ticket.waiting_since == at(5)


def test_an_answer_does_not_cover_what_came_after_it_was_written():
    answer = Answer(at=at(10), covers=frozenset({"a"}))
    (ticket,) = project([said("a", 0), said("b", sent=9, arrived=11)], [answer])
    assert ticket.state is TicketState.OPEN


def test_an_answer_typed_at_the_network_covers_what_was_there():
    (ticket,) = project([said("a", 0)], [Answer(at=at(3))])
    assert (ticket.state, ticket.first_response_at) == (TicketState.ANSWERED, at(3))


def test_long_after_a_close_a_message_is_a_new_request():
    close = Close(at=at(10), covers=frozenset({"a"}))
    first, second = project([said("a", 0), said("b", 60 * 24 * 30)], [], [close])
    assert (first.state, second.state) == (TicketState.CLOSED, TicketState.OPEN)
    assert second.episode == 1


def test_reopening_puts_an_answered_ticket_back_until_the_next_answer():
    talk, which = [said("a", 0)], frozenset({"a"})
    answer, reopened = Answer(at=at(1), covers=which), Close(at=at(2), covers=which, reopen=True)
    assert project(talk, [answer], [reopened])[0].state is TicketState.OPEN
    later = Answer(at=at(3), covers=which)
    assert project(talk, [answer, later], [reopened])[0].state is TicketState.ANSWERED


def test_what_is_taken_back_needs_no_answer():
    (ticket,) = project([said("a", 0, deleted=True)])
    assert (ticket.state, ticket.reason) == (TicketState.CLOSED, "taken back by the customer")


def test_what_is_no_request_is_filtered_and_kept():
    assert project([said("a", 0, service=False)])[0].state is TicketState.FILTERED
    both = [said("a", 0, service=False), said("b", 1)]
    assert project(both)[0].state is TicketState.OPEN


def test_a_time_in_the_future_is_no_time():
    (ticket,) = project([said("a", sent=10_000, arrived=5)])
    assert ticket.waiting_since == at(5)


def test_an_edit_counts_over_an_older_text_and_under_a_newer_look():
    edit = Edit(id="m", at=at(5), revision="5", text="mended")
    assert text_of([heard(edit, 6), heard(message("broken"), 9)]) == "mended"
    look = heard(message("mended again"), 20, Road.POLL)
    assert text_of([look, heard(edit, 6), heard(message("broken"), 1)]) == "mended again"


def test_a_deletion_that_overtakes_its_message_still_counts():
    gone = fold([heard(Deletion(id="m", at=at(5)), 1), heard(message("hello", 0), 9)])
    assert gone.deleted_at == at(5)


def test_the_text_is_a_revision_where_the_network_names_none():
    assert revision(message("a")) == revision(message("a", sent=3)) != revision(message("b"))
    assert revision(message("a", revision="7")) == "7"
    assert revision(evolve(message("a"), text="\ud800"))


def test_a_person_overrules_a_confident_machine():
    labels = [("service", "no", 0.99, "model"), ("service", "yes", 0.2, "person")]
    assert best_labels(labels) == {"service": "yes"}
