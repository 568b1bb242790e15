"""Ten thousand things at five providers, watched for an hour: each is told about as soon as the pace allows."""

from __future__ import annotations

import random
import time as real_time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tests.handlers.jobs_stage import TIMES, Provider, Stage, Time

HOUR = 3600
EACH = 2000


@dataclass(frozen=True)
class Shop:
    """`usually`: how long things take there, from and to; None: anything that ends early enough to be seen."""

    apart: float
    usually: tuple[float, float] | None = None


SHOPS = {
    "single-quick": Shop(0.3),
    "single-paced": Shop(0.6),
    "single-regular": Shop(0.4, (1200, 1500)),
    "listed-main": Shop(1.0),
    "listed-spare": Shop(2.5),
}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    time, luck = Time(), random.Random(7)
    stage = Stage({name: Provider(time, shop.apart) for name, shop in SHOPS.items()}, time, chance=luck.random)
    yield stage
    await stage.closes()


def bound(account: str) -> float:
    """Seconds: the longest pause between two looks, and a round of calls about everything that may be due by then."""
    shop = SHOPS[account]
    round_of_calls = (EACH / 100 if account.startswith("listed") else EACH) * shop.apart
    return TIMES.max_poll.total_seconds() * 1.2 + round_of_calls * (2 if account.startswith("listed") else 1) + 1


async def test_ten_thousand_things_for_an_hour(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    luck = random.Random(11)
    for account, shop in SHOPS.items():
        from_, to = shop.usually or (30.0, HOUR - bound(account))
        ready = {f"{account}-{number}": luck.uniform(from_, to) for number in range(EACH)}
        await stage.things(account, ready, due_in=lambda: luck.uniform(8, 12))
    before = real_time.process_time()

    await stage.runs_for(hours=1)

    lines = [f"{real_time.process_time() - before:.1f} s of CPU; seconds from ready to told:"]
    for account, shop in SHOPS.items():
        delays, calls = sorted(await stage.delays(account)), len(stage.providers[account].asked)
        assert len(delays) == EACH  # each once, none twice
        assert delays[0] >= 0
        assert delays[-1] <= bound(account)
        assert calls <= HOUR / shop.apart + 1
        lines.append(
            f"{account:>15}: median {delays[EACH // 2]:6.1f}, 99 of 100 {delays[EACH * 99 // 100]:6.1f}, longest "
            f"{delays[-1]:6.1f} of {bound(account):6.1f} allowed; {calls} calls, {shop.apart} s apart"
        )
    with capsys.disabled():
        print("\n" + "\n".join(lines))
    assert await stage.rows("SELECT * FROM jobs") == []
    assert await stage.rows("SELECT DISTINCT state FROM requests") == [("succeeded",)]
