"""What becomes of a form until it is asked: whose it is, where it goes, what the audit has, what is never stored."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from pydantic import SecretStr

from handlers.policy import Conditions, Rule
from handlers.requests import SEEN, Asker
from providers.action import Quote
from storage.records import Request
from tests.handlers.money_stage import MAIN, SPARE, Burn, Buy, Core, Lock, Mend, S, policy, refused, terms
from tests.handlers.stage import ANA, APPROVALS, BEA, CHANNEL, DORA, FINANCE, FINN, OLGA, OMAR, OWN

EXPIRED = "This form has expired, so nothing was asked. Type the command again to get a fresh one."
SENT = "You have already sent this request; it was not sent again. Its thread tells how it goes."
LOCK = Lock(things=["box"], password=SecretStr("open sesame"))


async def filled(core: Core, draft: Request, action: Buy | Lock, view_id: str = "V1") -> Request:
    return await core.drafts.fill(draft, action, account=MAIN, reason="A campaign", view_id=view_id)


async def test_a_form_belongs_to_who_opened_it_and_is_sent_once(core: Core) -> None:
    draft = (await core.reviewed(ANA, Buy(things=["cup"]))).draft
    assert (await core.drafts.own(draft.id, ANA)).id == draft.id
    for whose, by in ((draft.id, BEA), ("req_none", ANA)):
        assert str(await refused(core.drafts.own(whose, by))) == EXPIRED
        assert str(await refused(core.drafts.submit(whose, by, seen=draft.fingerprint))) == EXPIRED
    await core.submitted(draft)
    assert str(await refused(core.drafts.own(draft.id, ANA))) == SENT
    assert str(await refused(filled(core, draft, Buy(things=["hat"])))) == SENT
    assert str(await refused(core.drafts.place(draft, OWN))) == SENT
    assert (await core.now(draft)).input == {"things": ["cup"]}


async def test_each_price_that_was_shown_is_in_the_audit_and_nothing_where_there_was_none(core: Core) -> None:
    review = await core.reviewed(ANA, Buy(things=["cup"]), account=SPARE)
    assert await core.last(review.draft) == (ANA, "quoted", {"quote": review.draft.quote, "account": SPARE})
    free = await core.reviewed(ANA, Mend(things=["jug"]))
    assert (free.draft.quote, await core.facts(free.draft)) == (None, [])


async def test_the_review_is_by_the_rules_for_who_asks(core: Core) -> None:
    core.workspace.groups["S0TEAM"] = {ANA}
    core.opens(policy(rules=(Rule("team", Conditions(requesters=("S0TEAM",)), terms(approvers=(DORA,))),)))
    for by, name in ((ANA, "team"), (BEA, "")):
        review = await core.reviewed(by, Buy(things=["cup"]))
        assert review.asked is not None
        assert review.asked.ruling is not None
        assert review.asked.ruling["rule"] == name


# Where it is asked.


async def test_a_form_from_nowhere_is_asked_where_its_channel_was_chosen_by_the_rules_of_there(core: Core) -> None:
    own = Rule("own", Conditions(channel=OWN), terms(approvers=(DORA,)))
    core.opens(policy(rules=(own,)))
    draft = await core.drafts.open("thing buy", Asker("T0ACME", ANA, ""))
    assert (draft.chooses_channel, draft.channel, draft.state) == (True, "", S.DRAFT)
    placed = await core.drafts.place(draft, CHANNEL)
    review = await core.drafts.review(await filled(core, placed, Buy(things=["cup"])))
    assert review is not None
    assert review.draft.fingerprint
    core.clock.passes(seconds=1)
    moved = await core.drafts.place(review.draft, OWN)
    assert (moved.channel, moved.quote, moved.fingerprint, moved.updated_at) == (OWN, None, "", core.clock.now())
    said = await refused(core.drafts.submit(draft.id, ANA, seen=review.draft.fingerprint))
    assert "was changed or sent from another window" in str(said)

    again = await core.drafts.review(await filled(core, moved, Buy(things=["cup"])))
    assert again is not None
    asked = await core.drafts.submit(draft.id, ANA, seen=again.draft.fingerprint[:SEEN])
    assert (asked.channel, core.requests.ruling_of(asked).rule) == (OWN, "own")
    assert await core.cards(asked) == [APPROVALS]


async def test_a_form_that_knows_its_channel_stays_there(core: Core) -> None:
    draft = await core.drafts.open("thing buy", Asker("T0ACME", ANA, CHANNEL))
    assert not draft.chooses_channel
    await refused(core.drafts.place(draft, OWN))
    assert (await core.now(draft)).channel == CHANNEL


# Read later.


async def test_what_was_read_after_it_was_sent_is_for_that_sending_alone(core: Core) -> None:
    draft = await core.drafts.open("thing lock", Asker("T0ACME", ANA, CHANNEL))
    given = {"unread": ["F1"]}
    sent = await core.drafts.fill_unread(draft, Lock, given, account=SPARE, reason="A campaign", view_id="V1")
    assert (sent.input, sent.account, sent.provider, sent.checking_since) == (given, SPARE, "till", core.clock.now())
    core.clock.passes(seconds=1)
    read = await core.drafts.fill_read(sent, LOCK)

    assert read is not None
    assert (read.input, read.account, read.provider) == (LOCK.stored(), SPARE, "till")
    assert (read.reason, read.view_id, read.requester) == ("A campaign", "V1", ANA)
    assert not core.requests.vault.lacks(draft.id, LOCK)
    assert "sesame" not in str(await core.everything())
    assert await core.drafts.fill_read(sent, Lock(things=["jug"], password=SecretStr("another"))) is None
    assert (await core.now(draft)).input == LOCK.stored()
    review = await core.drafts.review(read)
    assert review is not None
    assert isinstance(review.action, Lock)
    assert review.action.password.get_secret_value() == "open sesame"


async def test_a_form_whose_secret_was_lost_says_so_and_is_not_asked(core: Core) -> None:
    draft = await core.drafts.open("thing lock", Asker("T0ACME", ANA, CHANNEL))
    sent = await filled(core, draft, LOCK)
    core.opens(policy())
    review = await core.drafts.review(sent)

    assert review is not None
    assert (review.asked, review.draft.fingerprint) == (None, "")
    [(where, said)] = review.problems.items()
    assert where == ""
    assert said.endswith("Nothing was asked: type it once more.")


@pytest.mark.parametrize("price", ["10", "12.50"])
async def test_the_same_typed_again_keeps_its_review_and_anything_else_does_not(core: Core, price: str) -> None:
    core.till.prices = {"cup": Decimal(price)}
    review = await core.reviewed(ANA, Buy(things=["cup"]))
    same = await filled(core, review.draft, Buy(things=["cup"]), "V2")
    assert (same.fingerprint, same.quote) == (review.draft.fingerprint, review.draft.quote)
    other = await filled(core, review.draft, Buy(things=["hat"]), "V2")
    assert (other.fingerprint, other.quote) == ("", None)
    await refused(core.drafts.submit(other.id, ANA, seen=review.draft.fingerprint))


async def test_another_reason_is_reviewed_anew(core: Core) -> None:
    review = await core.reviewed(ANA, Buy(things=["cup"]))
    other = await core.drafts.fill(review.draft, Buy(things=["cup"]), account=MAIN, reason="Another", view_id="V2")
    assert (other.fingerprint, other.quote, other.reason) == ("", None, "Another")


async def test_a_check_that_ends_after_it_was_asked_changes_nothing_of_it(core: Core) -> None:
    draft = await core.drafts.open("thing buy", Asker("T0ACME", ANA, CHANNEL))
    sent = await filled(core, draft, Buy(things=["cup"]))
    review = await core.drafts.review(sent)
    assert review is not None
    asked = await core.submitted(review.draft)
    assert asked.checking_since == sent.checking_since is not None
    before = await core.everything()

    core.till.prices = {"cup": Decimal(99)}
    assert await core.drafts.review(sent) is None
    assert await core.everything() == before
    assert await core.drafts.resume_checks(core.clock.now() + timedelta(hours=1)) == []
    later = core.clock.now() + timedelta(hours=1)
    assert await core.store.drafts.interrupted(later) == []
    assert await core.store.drafts.resume_check(asked.id, checking_since=core.clock.now(), now=later) is None


async def test_of_forms_that_are_checked_at_the_same_moment_each_is_itself(core: Core) -> None:
    drafts = [await core.drafts.open("thing buy", Asker("T0ACME", ANA, CHANNEL)) for _ in range(3)]
    first, second, third = [await filled(core, one, Buy(things=["cup"])) for one in drafts]
    begun = core.clock.now()
    await core.drafts.review_shown(first)
    core.clock.passes(seconds=1)
    await core.store.drafts.resume_check(second.id, checking_since=begun, now=core.clock.now())
    now = [(await core.now(one)).checking_since for one in (first, second, third)]
    assert now == [None, core.clock.now(), begun]
    await core.drafts.review_shown(second)  # somebody else has taken that check up
    assert (await core.now(second)).checking_since == core.clock.now()


async def test_only_who_opened_a_form_is_shown_what_it_shows_and_of_no_other_form(core: Core) -> None:
    theirs, other = [await core.drafts.open("thing burn", Asker("T0ACME", ANA, CHANNEL)) for _ in range(2)]
    before = await core.everything()
    forged = replace(theirs, requester=BEA)
    await refused(core.drafts.begin_reveal(forged, Burn(things=["box"]), MAIN, "V1"))
    assert await core.everything() == before
    await core.drafts.begin_reveal(theirs, Burn(things=["box"]), MAIN, "V1")
    assert await core.now(other) == other


# The check.


async def test_the_check_asks_the_account_that_was_chosen_and_breaking_over_it_is_said(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    async def breaks(action: Buy, client: object) -> None:
        asked.append(client)
        raise RuntimeError("Ours.")

    monkeypatch.setattr(Buy, "check", breaks)
    review = await core.reviewed(ANA, Buy(things=["cup"]), confirmable=False)
    assert asked == [core.till]
    said = (
        "Something broke in Postroom while it was checking this. Nothing was asked. Try again; if it stays like this, "
        "tell whoever runs it."
    )
    assert review.problems == {"": said}
    assert (str(review.sorry), review.quote, review.asked) == (said, None, None)


async def test_a_review_of_what_was_typed_before_is_shown_to_nobody(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = await core.drafts.open("thing buy", Asker("T0ACME", ANA, CHANNEL))
    sent = await filled(core, draft, Buy(things=["cup"]))

    async def typed_anew(action: Buy, client: object) -> None:
        core.clock.passes(seconds=1)
        await filled(core, draft, Buy(things=["hat"]), "V2")

    monkeypatch.setattr(Buy, "check", typed_anew)
    assert await core.drafts.review(sent) is None
    now = await core.now(draft)
    assert (now.input, now.quote, now.fingerprint) == ({"things": ["hat"]}, None, "")
    assert await core.facts(draft) == []


async def test_a_check_whose_process_died_is_taken_up_once_and_not_after_it_was_shown(core: Core) -> None:
    draft = await core.drafts.open("thing buy", Asker("T0ACME", ANA, CHANNEL))
    sent = await filled(core, draft, Buy(things=["cup"]))
    assert await core.drafts.resume_checks(core.clock.now()) == []
    core.clock.passes(seconds=1)
    [resumed] = await core.drafts.resume_checks(core.clock.now())
    assert (resumed.id, resumed.checking_since) == (draft.id, core.clock.now())
    assert await core.drafts.resume_checks(core.clock.now()) == []
    assert await core.drafts.review(sent) is None
    review = await core.drafts.review(resumed)
    assert review is not None
    assert (review.action, review.quote) == (Buy(things=["cup"]), Quote.model_validate(review.draft.quote))
    await core.drafts.review_shown(resumed)
    core.clock.passes(seconds=1)
    assert (await core.now(draft)).checking_since is None
    assert await core.drafts.resume_checks(core.clock.now()) == []


async def test_what_needs_no_second_look_is_asked_when_it_was_checked(core: Core) -> None:
    draft = await core.drafts.open("thing mend", Asker("T0ACME", ANA, CHANNEL))
    sent = await core.drafts.fill(draft, Mend(things=["jug"]), account=MAIN, reason="A campaign", view_id="V1")
    review = await core.drafts.review(sent)
    assert review is not None
    asked = await core.drafts.submit_checked(review.draft)

    assert (asked.state, asked.id, asked.checking_since) == (S.APPROVED, draft.id, None)
    assert str(await refused(core.drafts.submit_checked(review.draft))) == SENT


async def test_a_secret_is_forgotten_with_its_form_and_kept_while_its_request_is_open(core: Core) -> None:
    draft = await core.drafts.open("thing lock", Asker("T0ACME", ANA, CHANNEL))
    await filled(core, draft, LOCK)
    kept, ended = await core.asked("jug", kind=Lock), await core.asked("pin", kind=Lock)
    assert core.database is not None
    await core.database.write(lambda db: db.execute("UPDATE requests SET state = 'failed' WHERE id = ?", [ended.id]))
    await core.drafts.forget_secrets()
    assert sorted(core.requests.vault.requests()) == sorted([draft.id, kept.id])
    await core.database.write(lambda db: db.execute("DELETE FROM requests WHERE id = ?", [draft.id]))
    await core.drafts.forget_secrets()
    assert list(core.requests.vault.requests()) == [kept.id]


# Asked already.


async def test_who_has_asked_for_the_same_is_named_to_those_who_may_know(core: Core) -> None:
    request = await core.asked("cup")
    asked = core.clock.now()
    core.clock.passes(hours=1)
    begins = f"This has been asked already and is not finished: cup ({request.id})."
    ends = "Nothing was asked. /postroom jobs shows how it is getting on."

    async def said(by: str, channel: str) -> tuple[str, str, object]:
        sorry = (await core.reviewed(by, Buy(things=["cup"]), channel=channel, confirmable=False)).sorry
        assert sorry is not None
        return sorry.sentence, sorry.who, sorry.times

    named = (f"{begins} {{who}} has asked for it {{asked}}. {ends}", ANA, {"asked": asked})
    assert await said(BEA, CHANNEL) == await said(ANA, OWN) == named
    assert await said(BEA, OWN) == (f"{begins} {ends}", "", {})
    approved = await core.says(request, OMAR)
    goes = {"asked": asked, "goes_on": approved.not_before}
    assert await said(BEA, CHANNEL) == (
        f"{begins} {{who}} has asked for it {{asked}}; it goes on {{goes_on}}. {ends}", ANA, goes,
    )  # fmt: skip
    core.clock.passes(seconds=31)
    assert await said(BEA, CHANNEL) == named


async def test_that_a_rule_approved_it_is_in_the_audit_with_what_was_asked(core: Core) -> None:
    small = Rule("small", Conditions(action="thing buy"), terms(auto_below=Decimal(99)))
    core.opens(policy(rules=(small,)))
    asked = [await core.asked("cup"), await core.asked("box", kind=Burn), await core.asked("jug", kind=Mend)]
    details = [(await core.last(one))[2] for one in asked]
    assert [(one["rule"], one.get("auto")) for one in details] == [("small", True), ("", None), (None, None)]


# Shown once.


async def test_credentials_are_for_those_who_may_approve_or_whom_the_settings_name(core: Core) -> None:
    action, told = Burn(things=["box"]), {"command": "thing burn", "account": MAIN, "of": ["box"]}
    for may, whom, allowed in (
        (None, "those who may approve", (OMAR, FINN, OLGA)),
        ((BEA, FINANCE), "those whom Postroom's settings name for that", (BEA, OMAR, FINN)),
        ((), "those whom Postroom's settings name for that", ()),
    ):
        core.opens(policy(may_reveal=may))
        for by in (OMAR, FINN, OLGA, BEA, ANA):
            if by in allowed:
                await core.drafts.may_reveal(by, action, MAIN)
                continue
            said = str(await refused(core.drafts.may_reveal(by, action, MAIN)))
            assert said == f"Credentials are shown only to {whom}. Nothing was shown."
            [(actor, what, request_id, detail)] = await core.rows(
                "SELECT actor, what, request_id, detail FROM audit ORDER BY seq DESC LIMIT 1"
            )
            assert (actor, what, request_id, json.loads(detail)) == (by, "reveal_refused", "", told)
    core.workspace.is_silent = True
    core.opens(policy())
    assert "Slack did not say" in str(await refused(core.drafts.may_reveal(OMAR, action, MAIN)))


async def test_a_form_shows_a_credential_once_and_the_audit_has_it_before(core: Core) -> None:
    action, told = Burn(things=["box"]), {"command": "thing burn", "account": MAIN, "of": ["box"]}
    draft = await core.drafts.open("thing burn", Asker("T0ACME", ANA, CHANNEL))
    begun = await core.drafts.begin_reveal(draft, action, MAIN, "V1")
    assert (begun.id, begun.state, begun.account, begun.provider) == (draft.id, S.DRAFT, MAIN, "till")
    assert (begun.input, begun.view_id, begun.checking_since) == ({"things": ["box"]}, "V1", core.clock.now())
    assert await core.last(draft) == (ANA, "reveal_begun", told)
    said = str(await refused(core.drafts.begin_reveal(draft, action, MAIN, "V1")))
    assert said.startswith("You have already sent this form, and it was not sent again")
    assert await core.facts(draft) == [(ANA, "reveal_begun")]

    await core.drafts.note_revealed(ANA, action, MAIN, request_id=draft.id)
    assert await core.last(draft) == (ANA, "revealed", told)
    await core.drafts.note_revealed(ANA, action, MAIN, request_id=draft.id, what="reveal_failed")
    assert await core.last(draft) == (ANA, "reveal_failed", told)
    await core.drafts.note_not_revealed(begun, "It broke off.")
    assert await core.last(draft) == (
        "postroom", "reveal_failed", {"command": "thing burn", "account": MAIN, "why": "It broke off."},
    )  # fmt: skip
    await core.drafts.note_revealed(BEA, action, MAIN)
    rows = await core.rows("SELECT actor, request_id, at FROM audit ORDER BY seq DESC LIMIT 1")
    assert rows == [(BEA, "", core.clock.now().isoformat(timespec="microseconds"))]
