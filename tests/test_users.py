"""People, their passwords, what a proxy says of them, and tickets; on both databases."""

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from daemons.access import Access, Identity, Role, SignInRefused
from daemons.common_passwords import is_common
from daemons.database import Database
from daemons.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from daemons.events import SessionEnded
from daemons.models import AuditTable, UserTable
from daemons.passwords import VERIFIED_AT_ONCE, TooManyTries, WeakPassword
from tests.fake_clock import FakeClock
from tests.recorder import Recorder

HERE = "192.0.2.1"
GOOD = "rain on a tin roof"
OTHER = "nine quiet herons"


@pytest.fixture
async def access(database: Database, clock: FakeClock) -> AsyncIterator[Access]:
    roles = {"Crew": Role.OPERATOR, "chiefs": Role.ADMIN}
    async with Access(database, clock, password="correct horse", proxy_roles=roles) as access:
        await access.users.add("ana", Role.ADMIN, GOOD)
        yield access


async def signed_in(access: Access, name: str = "ana", password: str = GOOD) -> Identity:
    """Return the identity of a new session of `name`."""
    identity = await access.session(await access.sign_in_with_password(password, origin=HERE, name=name))
    assert identity is not None
    return identity


async def stands(access: Access, identity: Identity) -> bool:
    return not await access.ended({str(identity.id)})


async def test_a_user_signs_in_by_name_however_it_is_written(access: Access) -> None:
    identity = await signed_in(access, " Ana ")

    user = await access.users.get("ana")
    assert (identity.name, identity.role, identity.user_id) == ("ana", Role.ADMIN, user.id)
    assert [session.user for session in await access.sessions(identity)] == ["ana"]


@pytest.mark.parametrize("name", ["", "owner", "ANA", "a b", "-x", "x" * 64, "<script>", "anyone", "é", "a/b", "\x00"])
async def test_names_that_nobody_may_have(access: Access, name: str) -> None:
    with pytest.raises((Invalid, Conflict)):
        await access.users.add(name, Role.VIEWER, OTHER)


@pytest.mark.parametrize("password", ["", "short", "x" * 1025, "password1", "P@ssw0rd!!", "ana12345", "12345678"])
async def test_passwords_that_protect_nothing(access: Access, password: str) -> None:
    with pytest.raises(WeakPassword):
        await access.users.set_password("ana", password)


@pytest.mark.parametrize(
    "password", ["the ninth heron of " * 5, "kühler Fluß 🦆 am Morgen", "        spaces only  count ", "48151623427788"]
)
async def test_any_characters_make_a_password(access: Access, password: str) -> None:
    await access.users.set_password("ana", password)

    await signed_in(access, password=password)


def test_the_most_common_passwords_are_known_in_their_disguises() -> None:
    common = "passw0rd qwertyui iloveyou1 Dragon12! letmein123 11111111 87654321 abcabcabc adminadmin 19900101 1q2w3e4r"
    fine = [GOOD, OTHER, "correct horse", "kcdur7-Xp", "my dog eats blue cheese"]

    assert [word for word in common.split() if not is_common(word)] == []
    assert [word for word in fine if is_common(word)] == []


async def test_nothing_tells_whether_a_user_exists(access: Access) -> None:
    await access.users.add("no-password", Role.ADMIN)

    said = set()
    for name in ("ana", "nobody-of-that-name", "no-password", "owner"):
        with pytest.raises(SignInRefused) as refused:
            await access.sign_in_with_password("wrong", origin=HERE, name=name)
        said.add((refused.value.message, refused.value.remedy))

    assert len(said) == 1


async def test_an_unknown_user_costs_as_much_checking_as_a_known_one(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    verify = PasswordHasher.verify

    def counted(self: PasswordHasher, hash: str | bytes, password: str | bytes) -> bool:
        checked.append(str(hash).rsplit("$", 2)[0])
        return verify(self, hash, password)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    for name in ("ana", "nobody-of-that-name"):
        with pytest.raises(SignInRefused):
            await access.sign_in_with_password("wrong", origin=HERE, name=name)

    assert len(checked) == 2
    assert len(set(checked)) == 1, "the same parameters take the same time"


@pytest.mark.databases("sqlite")
async def test_a_flood_of_sign_ins_is_no_flood_of_memory(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, most, lock = 0, 0, threading.Lock()
    verify = PasswordHasher.verify

    def counted(self: PasswordHasher, hash: str | bytes, password: str | bytes) -> bool:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        try:
            return verify(self, hash, password)
        finally:
            with lock:
                at_once -= 1

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    tries = (access.sign_in_with_password("guess", origin=f"2001:db8::{number:x}", name="ana") for number in range(200))
    outcomes = await asyncio.gather(*tries, return_exceptions=True)

    assert most <= VERIFIED_AT_ONCE
    assert sum(type(outcome) is Unavailable for outcome in outcomes) >= 100, "the rest is told to come back"


@pytest.mark.databases("sqlite")
async def test_guessing_at_many_names_is_slowed_down_like_guessing_at_one(access: Access) -> None:
    outcomes = await asyncio.gather(
        *(access.sign_in_with_password("guess", origin=HERE, name=f"user{number}") for number in range(1000)),
        return_exceptions=True,
    )

    assert sum(isinstance(outcome, SignInRefused) for outcome in outcomes) <= 20
    assert sum(isinstance(outcome, TooManyTries) for outcome in outcomes) >= 980


async def test_a_guesser_does_not_keep_others_of_its_address_out(access: Access) -> None:
    for number in range(8):
        with pytest.raises((SignInRefused, TooManyTries)):
            await access.sign_in_with_password(f"guess {number}", origin=HERE, name="owner")

    assert await signed_in(access)


async def test_a_hash_of_other_parameters_is_made_anew_at_sign_in(access: Access, database: Database) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(GOOD)
    await database.write(lambda tx: tx.execute(update(UserTable).values(password_hash=old)).rowcount)

    await signed_in(access)

    row = await database.fetch_one(select(UserTable.__table__))
    assert row is not None and "m=19456" in row.password_hash
    await signed_in(access)


async def test_a_new_role_ends_the_sessions_of_the_old_one(access: Access, events: Recorder) -> None:
    await access.users.add("bo", Role.ADMIN, OTHER)
    before = await signed_in(access, "bo", OTHER)

    await access.users.change_role("bo", Role.VIEWER)

    assert not await stands(access, before)
    assert SessionEnded(str(before.id)) in events.seen(SessionEnded)
    assert (await signed_in(access, "bo", OTHER)).role is Role.VIEWER


async def test_changing_ones_own_password_ends_all_sessions_but_this_one(access: Access) -> None:
    here, elsewhere = await signed_in(access), await signed_in(access)
    with pytest.raises(Denied):
        await access.change_own_password(here, "not it", OTHER, origin=HERE)

    await access.change_own_password(here, GOOD, OTHER, origin=HERE)

    assert await stands(access, here)
    assert not await stands(access, elsewhere)
    with pytest.raises(SignInRefused):
        await signed_in(access, password=GOOD)


async def test_a_reset_ends_every_session(access: Access) -> None:
    before = await signed_in(access)

    await access.users.set_password("ana", OTHER)

    assert not await stands(access, before)


async def test_one_admin_always_remains(access: Access) -> None:
    await access.users.add("bo", Role.OPERATOR, OTHER)
    for attempt in (access.users.remove("ana"), access.users.change_role("ana", Role.VIEWER)):
        with pytest.raises(Conflict, match="last admin"):
            await attempt

    await access.users.change_role("bo", Role.ADMIN)
    outcomes = await asyncio.gather(
        access.users.remove("ana"), access.users.change_role("bo", Role.VIEWER), return_exceptions=True
    )

    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 1, outcomes
    assert [user.role for user in await access.users.list()].count(Role.ADMIN) == 1


async def test_a_removed_user_is_out(access: Access) -> None:
    await access.users.add("bo", Role.ADMIN, OTHER)
    before = await signed_in(access, "bo", OTHER)

    await access.users.remove("bo")

    assert not await stands(access, before)
    with pytest.raises(SignInRefused):
        await signed_in(access, "bo", OTHER)
    with pytest.raises(NotFound):
        await access.users.get("bo")


async def test_a_person_ends_only_their_own_sessions(access: Access) -> None:
    await access.users.add("bo", Role.VIEWER, OTHER)
    bo, ana, ana_elsewhere = await signed_in(access, "bo", OTHER), await signed_in(access), await signed_in(access)

    with pytest.raises(NotFound):
        await access.end_session(str(ana.id), identity=bo)
    assert await access.end_others(ana) == 1

    assert [await stands(access, one) for one in (bo, ana, ana_elsewhere)] == [True, True, False]


async def test_who_a_proxy_vouches_for_becomes_a_user_at_first_sight(access: Access) -> None:
    first, *others = await asyncio.gather(*(access.vouched("Cy@example.org") for _ in range(5)))

    assert {other.id for other in others} == {first.id}
    assert (first.name, first.role) == ("cy@example.org", Role.VIEWER)
    assert await stands(access, first)


async def test_groups_at_the_proxy_decide_the_role_each_time(access: Access, events: Recorder) -> None:
    assert (await access.vouched("cy", ["guests", " crew"])).role is Role.OPERATOR
    assert (await access.vouched("cy", ["crew", "chiefs"])).role is Role.ADMIN
    demoted = await access.vouched("cy", [])

    assert demoted.role is Role.VIEWER
    assert SessionEnded(str(demoted.id)) in events.seen(SessionEnded)


async def test_a_ticket_is_good_once_for_half_a_minute_and_while_its_holder_stands(
    access: Access, clock: FakeClock
) -> None:
    identity = await signed_in(access)
    used, late, orphaned = (access.ticket(identity) for _ in range(3))

    assert await access.spend_ticket(used) == identity
    assert await access.spend_ticket(used) is None
    await access.sign_out(str(identity.id))
    assert await access.spend_ticket(orphaned) is None
    await clock.advance(31)
    assert await access.spend_ticket(late) is None
    assert await access.spend_ticket("") is None


async def test_when_a_session_ended_is_known_for_a_while(access: Access, clock: FakeClock) -> None:
    cookie = await access.sign_in_with_password(GOOD, origin=HERE, name="ana")
    assert await access.ended_at(cookie) is None
    await clock.advance(60)
    await access.sign_out_everywhere()
    ended = clock.now()
    await clock.advance(60)

    assert await access.ended_at(cookie) == ended
    assert await access.ended_at("nonsense") is None
    idle = await access.sign_in_with_password(GOOD, origin=HERE, name="ana")
    began = clock.now()
    await clock.advance(8 * 86_400)
    assert await access.ended_at(idle) == began + timedelta(days=7)


async def test_the_first_run_ends_once_and_for_all(access: Access) -> None:
    assert await access.first_run.is_open()

    await asyncio.gather(*(access.first_run.end() for _ in range(3)))

    assert not await access.first_run.is_open()


@pytest.mark.databases("sqlite")
async def test_refusals_are_kept_in_bounds(access: Access, database: Database, clock: FakeClock) -> None:
    kept = []
    for _ in range(40):
        for _ in range(40):
            await access.record_stranger(HERE, "GET", "/")
        kept.append(len(await database.fetch(select(AuditTable.id))))
        await clock.advance(61)

    assert kept[0] == 30
    assert kept[-1] == 1000
