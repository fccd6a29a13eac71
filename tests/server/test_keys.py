"""API keys: made once, kept as hashes, found by their secret, gone for every server when they are revoked."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import InputError, UnknownName, UsageError
from seatrial.server.access import Access
from seatrial.server.errors import Failure
from seatrial.server.keys import KEYS, PREFIX, USED, KeyStore

Open = Callable[[], KeyStore]
NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)


@pytest.fixture
def open_store(tmp_path: Path) -> Open:
    return lambda: KeyStore(tmp_path / "home", now=lambda: NOW)


def test_a_key_is_found_by_its_secret_alone(open_store: Open) -> None:
    store = open_store()
    secret, key = store.add("one", requests_per_minute=10)
    other, _ = store.add("two")
    assert secret.startswith(PREFIX)
    assert len(secret) == len(PREFIX) + 43
    assert secret != other
    assert store.find(secret) == key
    assert (key.name, key.requests_per_minute, key.tokens_per_minute, key.created_at) == ("one", 10, None, NOW)
    for wrong in ("", PREFIX, secret[:-1], secret + "x", secret.upper(), key.id, key.sha256):
        assert store.find(wrong) is None


@given(secret=st.text(max_size=80))
def test_no_secret_breaks_the_search(secret: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert KeyStore(tmp_path_factory.getbasetemp() / "none", now=lambda: NOW).find(secret) is None


def test_only_the_owner_reads_the_file_and_no_secret_is_in_it(open_store: Open, tmp_path: Path) -> None:
    secret, key = open_store().add("one")
    path = tmp_path / "home" / KEYS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_text()
    assert secret not in content
    assert secret.removeprefix(PREFIX) not in content
    assert key.sha256 in content


def test_another_process_sees_a_new_key_and_a_revocation_at_once(open_store: Open) -> None:
    server, command = open_store(), open_store()
    assert server.all() == []
    secret, key = command.add("one")
    assert server.find(secret) == key
    assert server.is_valid(key.id)
    command.revoke("one")
    assert server.find(secret) is None
    assert not server.is_valid(key.id)


def test_a_key_is_revoked_by_name_or_id(open_store: Open) -> None:
    store = open_store()
    keys = [store.add(name)[1] for name in ("one", "two", "three")]
    store.revoke(keys[0].id)
    store.revoke("three")
    assert [key.name for key in store.all()] == ["two"]
    with pytest.raises(UnknownName, match=r"`tvo`.*`two`"):
        store.revoke("tvo")
    store.add("one")


@pytest.mark.parametrize("name", ["", " x", "x ", "a\nb", "x" * 65, "\x00"])
def test_odd_names_are_refused(open_store: Open, name: str) -> None:
    with pytest.raises(UsageError, match="name"):
        open_store().add(name)


def test_a_name_is_taken_once(open_store: Open) -> None:
    open_store().add("one")
    with pytest.raises(UsageError, match="Revoke it first"):
        open_store().add("one")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"keys": [{"id": 1}]}', '{"schema": "other/9", "keys": []}'])
def test_a_broken_file_lets_nobody_in(open_store: Open, tmp_path: Path, content: str) -> None:
    server = open_store()
    secret, key = server.add("one")
    (tmp_path / "home" / KEYS).write_text(content)
    with pytest.raises(InputError, match=KEYS):
        server.find(secret)
    access = Access(server)
    with pytest.raises(Failure) as raised:
        access.key_of({"authorization": f"Bearer {secret}"})
    assert raised.value.status == 503
    assert "home" not in raised.value.message
    assert not access.still_holds(key)


def test_a_file_that_is_gone_lets_nobody_in(open_store: Open, tmp_path: Path) -> None:
    server = open_store()
    secret, _ = server.add("one")
    (tmp_path / "home" / KEYS).unlink()
    assert server.find(secret) is None


def test_uses_are_written_down_and_read_by_others(open_store: Open, tmp_path: Path) -> None:
    server, command = open_store(), open_store()
    secret, key = command.add("one")
    server.write_uses()
    assert not (tmp_path / "home" / USED).exists()
    server.find(secret)
    server.write_uses()
    assert command.last_used() == {key.id: NOW}
    (tmp_path / "home" / USED).write_text("broken")
    assert command.last_used() == {}


def test_commands_at_once_lose_no_key(tmp_path: Path) -> None:
    code = (
        "import sys; from datetime import datetime, UTC; from pathlib import Path; "
        "from seatrial.server.keys import KeyStore; "
        "store = KeyStore(Path(sys.argv[1]), now=lambda: datetime.now(UTC)); "
        "[store.add(f'{sys.argv[2]}-{i}') for i in range(8)]"
    )
    makers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(i)]) for i in range(3)]
    assert [maker.wait(60) for maker in makers] == [0, 0, 0]
    assert len({key.name for key in KeyStore(tmp_path, now=lambda: NOW).all()}) == 24
