"""Sessions, tokens, links and the password, on both databases."""

import asyncio
import stat
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from daemons.access import OWNER, Access, Identity, Role, SignInRefused
from daemons.bus import Bus
from daemons.database import Database
from daemons.errors import Conflict, Fatal, NotFound
from daemons.events import SessionEnded
from daemons.models import AuditTable, SessionTable, SigninCodeTable, TokenTable
from daemons.passwords import TooManyTries, UnsafeSettings
from tests.fake_clock import FakeClock
from tests.recorder import Recorder

HERE = "192.0.2.1"
DAY = 86_400.0


@pytest.fixture
async def access(database: Database, clock: FakeClock) -> AsyncIterator[Access]:
    async with Access(database, clock, password="correct horse", token="fixed token") as access:
        yield access


async def signed_in(access: Access, role: Role = Role.ADMIN) -> str:
    """Return the cookie of a new session."""
    return await access.sign_in_with_code(await access.new_code(role), origin=HERE)


async def who(access: Access, cookie: str) -> Identity:
    """Return who holds the session."""
    identity = await access.session(cookie)
    assert identity is not None
    return identity


async def test_a_link_gives_the_role_it_was_made_for(access: Access) -> None:
    identity = await who(access, await signed_in(access, Role.VIEWER))

    assert identity.role is Role.VIEWER
    assert identity.is_session
    assert not identity.may_command


async def test_a_link_is_good_once_however_many_try(access: Access) -> None:
    code = await access.new_code()

    tries = await asyncio.gather(
        *(access.sign_in_with_code(code, origin=HERE) for _ in range(20)), return_exceptions=True
    )

    assert sum(isinstance(outcome, str) for outcome in tries) == 1
    assert sum(isinstance(outcome, SignInRefused) for outcome in tries) == 19


async def test_a_link_is_good_for_half_an_hour(access: Access, clock: FakeClock) -> None:
    code = await access.new_code()
    await clock.advance(1801)

    with pytest.raises(SignInRefused):
        await access.sign_in_with_code(code, origin=HERE)


async def test_the_database_holds_no_secret(access: Access, database: Database) -> None:
    code = await access.new_code()
    cookie = await signed_in(access)
    secret, _ = await access.create_token("program", Role.OPERATOR)

    tables = (SessionTable, SigninCodeTable, TokenTable, AuditTable)
    stored = str([await database.fetch(select(table.__table__)) for table in tables])

    for value in (code, cookie, secret, "correct horse", "fixed token"):
        assert value not in stored


async def test_a_session_ends_after_a_week_of_silence(access: Access, clock: FakeClock) -> None:
    cookie = await signed_in(access)
    for _ in range(3):
        await clock.advance(6 * DAY)
        assert await access.session(cookie) is not None

    await clock.advance(7 * DAY + 1)

    assert await access.session(cookie) is None


async def test_a_session_ends_after_a_month_however_busy(access: Access, clock: FakeClock) -> None:
    cookie = await signed_in(access)
    for _ in range(5):
        await clock.advance(6 * DAY - 1)
        assert await access.session(cookie) is not None

    await clock.advance(6)

    assert await access.session(cookie) is None


async def test_looking_often_is_not_writing_often(access: Access, clock: FakeClock, database: Database) -> None:
    cookie = await signed_in(access)
    await clock.advance(1800)
    await access.session(cookie)

    row = await database.fetch_one(select(SessionTable.__table__))

    assert row is not None and row.last_seen == row.created_at


async def test_signing_out_is_announced_and_final(access: Access, events: Recorder) -> None:
    cookie = await signed_in(access)
    identity = await who(access, cookie)
    assert identity.id is not None

    await access.sign_out(identity.id)
    await access.sign_out(identity.id)

    assert await access.session(cookie) is None
    assert events.seen(SessionEnded) == [SessionEnded(identity.id)]


async def test_signing_out_everywhere_ends_every_session_and_no_token(access: Access) -> None:
    cookies = [await signed_in(access) for _ in range(3)]
    secret, _ = await access.create_token("program", Role.OPERATOR)

    ended = await access.sign_out_everywhere()

    assert ended == 3
    assert [await access.session(cookie) for cookie in cookies] == [None] * 3
    assert await access.bearer(secret) is not None


async def test_ended_names_what_does_not_stand_any_more(access: Access, clock: FakeClock) -> None:
    session = await who(access, await signed_in(access))
    _, expiring = await access.create_token("soon", Role.VIEWER, clock.now() + timedelta(minutes=1))
    _, lasting = await access.create_token("lasting", Role.VIEWER)
    assert session.id is not None
    await clock.advance(61)

    assert await access.ended({session.id, expiring.id, lasting.id, "unknown"}) == {expiring.id, "unknown"}


async def test_the_fixed_token_is_the_owners(access: Access) -> None:
    assert await access.bearer("fixed token") == OWNER


@pytest.mark.parametrize("token", ["", "fixed", "fixed token ", "dd_nonsense", "\ud800", "é"])
async def test_other_words_are_no_token(access: Access, token: str) -> None:
    assert await access.bearer(token) is None


async def test_a_token_is_known_by_name_and_role_until_it_is_revoked(access: Access, events: Recorder) -> None:
    secret, info = await access.create_token("program", Role.OPERATOR)
    before = await access.bearer(secret)

    await access.revoke_token("program")

    assert before == Identity("token program", Role.OPERATOR, info.id)
    assert await access.bearer(secret) is None
    assert await access.tokens() == []
    assert events.seen(SessionEnded) == [SessionEnded(info.id)]
    with pytest.raises(NotFound):
        await access.revoke_token("program")


async def test_a_taken_name_is_refused_and_a_revoked_one_is_free(access: Access) -> None:
    await access.create_token("program", Role.OPERATOR)
    with pytest.raises(Conflict):
        await access.create_token("program", Role.ADMIN)

    await access.revoke_token("program")
    await access.create_token("program", Role.ADMIN)

    assert [token.role for token in await access.tokens()] == [Role.ADMIN]


async def test_a_token_expires(access: Access, clock: FakeClock) -> None:
    secret, _ = await access.create_token("program", Role.VIEWER, clock.now() + timedelta(hours=1))
    assert await access.bearer(secret) is not None

    await clock.advance(3601)

    assert await access.bearer(secret) is None


async def test_the_password_signs_in_as_admin(access: Access) -> None:
    identity = await who(access, await access.sign_in_with_password("correct horse", origin=HERE))

    assert identity.role is Role.ADMIN


async def test_a_flood_of_guesses_is_hardly_looked_at(
    access: Access, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = await asyncio.gather(
        *(access.sign_in_with_password(f"guess {number}", origin=HERE) for number in range(1000)),
        return_exceptions=True,
    )

    assert sum(isinstance(outcome, SignInRefused) for outcome in outcomes) <= 20
    assert sum(isinstance(outcome, TooManyTries) for outcome in outcomes) >= 980


async def test_another_address_is_not_kept_waiting(access: Access) -> None:
    for number in range(6):
        with pytest.raises((SignInRefused, TooManyTries)):
            await access.sign_in_with_password(f"guess {number}", origin=HERE)

    assert await access.sign_in_with_password("correct horse", origin="192.0.2.2")


async def test_the_owner_is_never_locked_out_for_long(access: Access, clock: FakeClock) -> None:
    for number in range(60):
        with pytest.raises((SignInRefused, TooManyTries)):
            await access.sign_in_with_password(f"guess {number}", origin=HERE)
        await clock.advance(60)

    await clock.advance(300)

    assert await access.sign_in_with_password("correct horse", origin=HERE)


async def test_without_a_password_none_is_right(database: Database, clock: FakeClock) -> None:
    async with Access(database, clock) as access:
        with pytest.raises(SignInRefused):
            await access.sign_in_with_password("", origin=HERE)


async def test_sign_ins_are_on_record_with_their_address(access: Access, database: Database) -> None:
    with pytest.raises(SignInRefused):
        await access.sign_in_with_password("wrong", origin=HERE)
    await access.sign_in_with_password("correct horse", origin=HERE)

    rows = await database.fetch(select(AuditTable.__table__).order_by(AuditTable.id))

    assert [(row.who, row.origin, row.outcome) for row in rows] == [
        ("nobody", HERE, "refused"),
        ("owner", HERE, "done"),
    ]


async def test_the_record_takes_hostile_words_cut(access: Access, database: Database) -> None:
    await access.record("w" * 500, "o" * 500, "a" * 500, "t" * 5000, "x" * 500)

    row = await database.fetch_one(select(AuditTable.__table__))

    assert row is not None and len(row.target) == 255


async def test_what_is_over_is_swept(access: Access, database: Database, clock: FakeClock) -> None:
    await access.new_code()
    await signed_in(access)
    await access.sign_out_everywhere()
    await access.record("owner", HERE, "POST", None, "202")
    await clock.advance(366 * DAY)

    await access.sweep()

    for table in (SessionTable, SigninCodeTable, AuditTable):
        assert await database.fetch(select(table.__table__)) == []


@pytest.mark.databases("sqlite")
class TestTokenFile:
    """The file by which this machine's commands come in."""

    async def test_it_is_made_for_this_user_alone_and_kept(
        self, database: Database, clock: FakeClock, tmp_path: Path
    ) -> None:
        file = tmp_path / "token"
        async with Access(database, clock, token_file=file):
            first = file.read_text()
        async with Access(database, clock, token_file=file) as access:
            identity = await access.bearer(first.strip())

        assert identity == OWNER
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    async def test_one_that_others_can_read_is_closed(
        self, database: Database, clock: FakeClock, tmp_path: Path
    ) -> None:
        file = tmp_path / "token"
        file.write_text("dd_" + "x" * 43)
        file.chmod(0o644)

        async with Access(database, clock, token_file=file):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600

    async def test_an_empty_one_is_refused(self, database: Database, clock: FakeClock, tmp_path: Path) -> None:
        (tmp_path / "token").touch()

        with pytest.raises(Fatal, match="empty"):
            async with Access(database, clock, token_file=tmp_path / "token"):
                pass

    async def test_a_link_in_its_place_is_refused(self, database: Database, clock: FakeClock, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").write_text("their secret")
        (tmp_path / "token").symlink_to(tmp_path / "elsewhere")

        with pytest.raises(Fatal, match="link"):
            async with Access(database, clock, token_file=tmp_path / "token"):
                pass


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("password", ["", "short", "x" * 1025, "$argon2id$nonsense"])
async def test_a_password_that_protects_nothing_is_refused(database: Database, clock: FakeClock, password: str) -> None:
    with pytest.raises(UnsafeSettings):
        async with Access(database, clock, password=password):
            pass


@pytest.mark.databases("sqlite")
async def test_a_password_may_be_given_as_its_hash(database: Database, clock: FakeClock) -> None:
    from argon2 import PasswordHasher

    given = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("correct horse")
    async with Access(database, clock, password=given) as access:
        assert await access.sign_in_with_password("correct horse", origin=HERE)


@pytest.mark.databases("sqlite")
async def test_an_open_deck_says_so(database: Database, clock: FakeClock, bus: Bus) -> None:
    async with Access(database, clock, auth="none") as access:
        assert access.is_open
