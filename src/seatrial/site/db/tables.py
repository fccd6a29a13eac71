"""The tables. Instants are UTC, without a zone in SQLite; weights are whole thousandths of a vote.

`migrations/` makes and changes them; a test holds both to the same shape.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
# SQLite numbers rows by itself only in columns called INTEGER.
_RowNumber = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData(naming_convention=_CONVENTION)

settings = Table(
    "settings",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
    comment="`secret` signs cookies and links; `revision` counts changes to what pages show.",
)

runs = Table(
    "runs",
    metadata,
    Column("id", _RowNumber, primary_key=True),
    Column("slug", String(200), nullable=False, index=True),
    Column("run_id", String(200), nullable=False, unique=True),
    Column("added_at", DateTime, nullable=False, index=True),
    Column("decision", String(16), nullable=False),
    Column("candidate", String(300)),
    Column("sentence", Text, nullable=False),
    Column("document", LargeBinary, nullable=False),
    comment="Published runs; `document` is verdict.json, compressed with zlib. The newest of a slug is its page.",
)

voters = Table(
    "voters",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("first_at", DateTime, nullable=False),
    Column("confirmed_at", DateTime),
    Column("email_hash", String(64), unique=True),
)

vote_log = Table(
    "vote_log",
    metadata,
    Column("seq", _RowNumber, primary_key=True, autoincrement=False),
    Column("at", DateTime, nullable=False),
    Column("voter", String(32), nullable=False),
    Column("network", String(32), nullable=False),
    Column("subject", String(400), nullable=False),
    Column("choice", String(300), nullable=False),
    Column("weight", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
    Index("ix_vote_log_subject_seq", "subject", "seq"),
    comment="Never changed. `hash` covers the row and the hash before it. An empty choice takes a vote back.",
)

votes = Table(
    "votes",
    metadata,
    Column("voter", String(32), primary_key=True),
    Column("subject", String(400), primary_key=True),
    Column("choice", String(300), nullable=False),
    Column("weight", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Index("ix_votes_subject", "subject"),
    comment="What each voter says now: the last row of the log for voter and subject.",
)

tallies = Table(
    "tallies",
    metadata,
    Column("subject", String(400), primary_key=True),
    Column("choice", String(300), primary_key=True),
    Column("num_voters", Integer, nullable=False),
    Column("weight", BigInteger, nullable=False),
    Column("weight_squared", BigInteger, nullable=False),
    comment="Sums over `votes`, kept in the same transaction.",
)

subscribers = Table(
    "subscribers",
    metadata,
    Column("id", _RowNumber, primary_key=True),
    Column("email", String(320), nullable=False),
    Column("email_key", String(320), nullable=False, unique=True),
    Column("asked_at", DateTime, nullable=False),
    Column("asked_times", Integer, nullable=False),
    Column("confirmed_at", DateTime),
    Column("left_at", DateTime),
    Column("bounces", Integer, nullable=False),
    comment="`email_key` is the address in one spelling. Who has left, or bounced for good, is written to no more.",
)

issues = Table(
    "issues",
    metadata,
    Column("week", String(8), primary_key=True),
    Column("written_at", DateTime, nullable=False),
    Column("subject", String(200), nullable=False),
    Column("html", Text, nullable=False),
    Column("text", Text, nullable=False),
    comment="Of the digest; `week` as in 2026-W47.",
)

sends = Table(
    "sends",
    metadata,
    Column("week", ForeignKey("issues.week"), primary_key=True),
    Column("subscriber", ForeignKey("subscribers.id"), primary_key=True),
    Column("state", String(8), nullable=False),
    Column("at", DateTime, nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_sends_week_state", "week", "state"),
    comment="`state` is claimed, sent or failed.",
)
