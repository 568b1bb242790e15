"""What is owed to Slack: in order within a lane, one at a time, and owed until the newest revision is there."""

from __future__ import annotations

from datetime import timedelta

from storage.outbox import Owed
from storage.records import MessageKind, RequestState
from tests.storage.scenes import LEASE, Scene, note


async def claim(scene: Scene) -> list[Owed]:
    return await scene.store.outbox.claim(scene.clock.now, scene.clock.now + LEASE)


async def post(scene: Scene, owed: Owed) -> None:
    ts = owed.message.ts or f"17000.{owed.message.id}"
    await scene.store.outbox.sent(owed.message, ts=ts, posted_in=owed.message.channel)


async def deliver_everything(scene: Scene) -> list[str]:
    """Post all that is owed; returns what was posted, in order."""
    posted = []
    while claimed := await claim(scene):
        for owed in claimed:
            await post(scene, owed)
            posted.append(told(owed))
    return posted


def told(owed: Owed) -> str:
    return str(owed.message.body["fact"]) if owed.message.kind is MessageKind.NOTE else owed.message.kind.value


async def test_the_thread_is_told_in_order_after_its_parent_and_the_card_beside_it(scene: Scene) -> None:
    request = await scene.waiting()
    await scene.vote(request)

    assert {told(owed) for owed in await claim(scene)} == {"parent", "card"}
    assert await claim(scene) == []  # the notes wait for the parent, which is being posted

    scene.clock.passes(minutes=2)
    posted = await deliver_everything(scene)
    assert [one for one in posted if one != "card"] == ["parent", "asked", "voted"]


async def test_a_note_knows_where_its_thread_is(scene: Scene) -> None:
    await scene.waiting()
    for owed in await claim(scene):
        assert owed.parent is None
        await post(scene, owed)

    (asked,) = await claim(scene)
    assert asked.parent is not None
    assert asked.parent.ts == f"17000.{asked.parent.id}"


async def test_a_message_is_claimed_by_one_process_only(scene: Scene, elsewhere: Scene) -> None:
    await scene.waiting()
    here, there = await claim(scene), await claim(elsewhere)

    assert len(here) == 2
    assert there == []


async def test_a_claim_that_lapses_is_taken_up_and_says_that_it_may_have_been_posted(scene: Scene) -> None:
    await scene.waiting()
    first = await claim(scene)
    assert not any(owed.begun_before for owed in first)

    scene.clock.passes(seconds=60)
    assert await claim(scene) == []  # it lapses only after its last moment
    scene.clock.passes(seconds=1)
    again = await claim(scene)

    assert {told(owed) for owed in again} == {"parent", "card"}
    assert all(owed.begun_before for owed in again)
    assert [owed.message.attempts for owed in again] == [2, 2]


async def test_a_claim_lapses_also_where_the_clock_was_set_back(scene: Scene) -> None:
    await scene.waiting()
    first = await claim(scene)
    scene.clock.passes(hours=-3)  # and whoever had claimed them has died
    again = await claim(scene)

    assert [one.message.id for one in again] == [one.message.id for one in first]
    assert all(owed.begun_before for owed in again)
    assert await claim(scene) == []


async def test_a_post_that_surely_failed_was_never_begun(scene: Scene) -> None:
    await scene.waiting()
    for owed in await claim(scene):
        await scene.store.outbox.postponed(owed.message, due_at=scene.clock.now, maybe_posted=False)

    assert not any(owed.begun_before for owed in await claim(scene))


async def test_a_post_that_may_have_arrived_is_remembered_as_begun(scene: Scene) -> None:
    await scene.waiting()
    for owed in await claim(scene):
        await scene.store.outbox.postponed(owed.message, due_at=scene.clock.now, maybe_posted=True)

    assert all(owed.begun_before for owed in await claim(scene))


async def test_a_surface_that_changes_while_it_is_posted_stays_owed(scene: Scene) -> None:
    request = await scene.waiting()
    claimed = await claim(scene)
    await scene.vote(request)
    for owed in claimed:
        await post(scene, owed)

    owed_again = await claim(scene)
    assert {told(owed) for owed in owed_again} == {"parent", "card"}
    assert all(owed.request.state is RequestState.APPROVED for owed in owed_again)
    assert all(owed.message.ts for owed in owed_again)  # an update of what is there, not a second post
    assert not any(owed.begun_before for owed in owed_again)
    for owed in owed_again:
        await post(scene, owed)
    assert await deliver_everything(scene) == ["asked", "voted"]


async def test_many_changes_are_shown_once(scene: Scene) -> None:
    request = await scene.waiting()
    await deliver_everything(scene)
    await scene.vote(request)
    await scene.begin(request)
    await scene.conclude(request, RequestState.SUCCEEDED)

    assert sorted(await deliver_everything(scene)) == ["card", "parent", "succeeded", "voted"]


async def test_a_postponed_message_holds_back_its_lane_and_no_other(scene: Scene) -> None:
    await scene.waiting()
    later = scene.clock.now + timedelta(minutes=5)
    for owed in await claim(scene):
        if told(owed) == "parent":
            await scene.store.outbox.postponed(owed.message, due_at=later, maybe_posted=False)
        else:
            await post(scene, owed)

    assert await claim(scene) == []
    assert await scene.store.outbox.next_due() == later  # not sooner for the note that waits behind it
    scene.clock.passes(minutes=5)
    assert await deliver_everything(scene) == ["parent", "asked"]
    assert await scene.store.outbox.next_due() is None


async def test_a_claimed_message_is_not_due_before_its_lease_is_over(scene: Scene) -> None:
    await scene.waiting()
    assert await scene.store.outbox.next_due() == scene.clock.now
    await claim(scene)

    assert await scene.store.outbox.next_due() == scene.clock.now + LEASE


async def test_a_message_can_be_sent_elsewhere_or_anew(scene: Scene) -> None:
    request = await scene.waiting()
    await deliver_everything(scene)
    await scene.vote(request)
    parent = next(owed for owed in await claim(scene) if told(owed) == "parent")
    await scene.store.outbox.postponed(
        parent.message, due_at=scene.clock.now, maybe_posted=False, channel="U0ANA", forget_ts=True
    )

    (again,) = [owed for owed in await claim(scene) if told(owed) == "parent"]
    assert (again.message.channel, again.message.ts) == ("U0ANA", "")
    assert not again.begun_before


async def test_what_no_change_causes_can_be_said_too(scene: Scene) -> None:
    request = await scene.waiting()
    await scene.store.outbox.owe(request.id, note("card_not_posted"), scene.clock.now)

    posted = await deliver_everything(scene)
    assert [one for one in posted if one != "card"] == ["parent", "asked", "card_not_posted"]


async def test_claims_come_in_the_order_in_which_things_were_owed(scene: Scene) -> None:
    requests = [await scene.waiting() for _ in range(30)]

    now = scene.clock.now
    claimed = await scene.store.outbox.claim(now, now + LEASE, limit=50)
    assert [owed.message.request_id for owed in claimed] == [one.id for one in requests[:25] for _ in range(2)]


async def test_claiming_walks_neither_through_what_was_sent_nor_through_what_waits_for_a_closed_channel(
    scene: Scene,
) -> None:
    """With a million messages in the past, or thousands owed to a full channel, a claim that reads them all holds up
    every click: each statement has to enter the index of what is owed at a place."""
    await scene.waiting()
    statements: list[str] = []
    scene.database._writer.conn.set_trace_callback(statements.append)
    now = scene.clock.now
    claimed = await scene.store.outbox.claim(now, now + LEASE, closed=["C0OUTREACH"])
    assert [owed.message.channel for owed in claimed] == ["C0APPROVALS"]

    questions = [one for one in statements if " FROM messages " in one and "request_id =" not in one]
    assert len(questions) == 4  # the two places and no third; what is owed at the open one
    for question in questions:
        plan = " · ".join(str(row[3]) for row in await scene.rows(f"EXPLAIN QUERY PLAN {question}"))
        assert "INDEX messages_owed_by_place (place" in plan
        assert "C0OUTREACH" not in question or "place > " in question


async def test_a_thread_whose_channel_is_closed_goes_on_elsewhere_from_its_beginning(scene: Scene) -> None:
    request = await scene.waiting()
    await deliver_everything(scene)
    await scene.vote(request)
    await scene.store.outbox.move_thread(request.id, "U0ANA", scene.clock.now)

    moved = [owed for owed in await claim(scene) if told(owed) == "parent"]
    assert [(owed.message.channel, owed.message.ts) for owed in moved] == [("U0ANA", "")]
    await post(scene, moved[0])
    (note_of_it,) = await claim(scene)
    assert told(note_of_it) == "voted"
    assert note_of_it.message.channel == "U0ANA"
    assert note_of_it.parent is not None
    assert note_of_it.parent.posted_in == "U0ANA"
