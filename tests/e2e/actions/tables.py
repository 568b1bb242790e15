"""Everything that can be asked of anybody, and by provider."""

from __future__ import annotations

from tests.e2e.actions import instantly, mailapi, mailin, scaledmail, smailor

TABLES = {one.CASES[0].provider: one for one in (mailin, scaledmail, smailor, instantly, mailapi)}
CASES = [case for table in TABLES.values() for case in table.CASES]
OTHER_WAYS = [case for table in TABLES.values() for case in table.OTHER_WAYS]
