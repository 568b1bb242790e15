"""A provider that does late what it seemed not to have done: nobody is told meanwhile that it was not done."""

from __future__ import annotations

from pathlib import Path

from providers.simulator import Fault
from storage.records import RequestState
from tests.house import open_house


async def test_a_template_that_is_there_a_minute_after_the_line_broke(tmp_path: Path) -> None:
    async with open_house(tmp_path, accounts=("smailor-main",)) as house:
        smailor = house.sandboxes["smailor"]
        form = await house.form(house.ana, "/postroom template-add Thanks")
        smailor.faults.add("create_template", Fault.cut_before())
        html = "<p>Hi {{customer_name}}</p>"
        await house.ana.fills(form, subject="Re: {{subject}}", body_html=html)
        await house.ana.submits(form)
        story = await house.story_of(house.ana)
        await house.runs_for(seconds=40)
        assert await story.state() is RequestState.UNKNOWN

        smailor.add_template("Thanks")
        await house.runs_for(minutes=5)
        assert await story.state() is RequestState.SUCCEEDED
        assert "The template “Thanks” is there." in story.thread[-1]


async def test_a_template_that_is_still_listed_a_moment_after_the_line_broke(tmp_path: Path) -> None:
    async with open_house(tmp_path, accounts=("smailor-main",)) as house:
        smailor = house.sandboxes["smailor"]
        smailor.add_template("Thanks")
        form = await house.form(house.ana, "/postroom template-delete Thanks")
        await house.ana.fills(form, reason="Spring")
        await house.ana.submits(form)
        await house.ana.submits(await house.ana.sees_modal("review"))
        story = await house.story_of(house.ana)
        smailor.faults.add("delete_template", Fault.cut_before())
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(seconds=40)
        assert await story.state() is RequestState.UNKNOWN

        smailor.templates.clear()
        await house.runs_for(minutes=5)
        assert await story.state() is RequestState.SUCCEEDED
        assert "The template “Thanks” is gone." in story.thread[-1]
