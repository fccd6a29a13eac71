"""The first tables: settings, runs, votes, subscribers, issues."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "settings",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_settings"),
        comment="`secret` signs cookies and links; `revision` counts changes to what pages show.",
    )
    _create_runs()
    _create_votes()
    _create_digest()


def downgrade() -> None:
    """Drop them."""
    for name in ("sends", "issues", "subscribers", "tallies", "votes", "vote_log", "voters", "runs", "settings"):
        op.drop_table(name)


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", _ROW_NUMBER, nullable=False),
        sa.Column("slug", sa.String(200), nullable=False),
        sa.Column("run_id", sa.String(200), nullable=False),
        sa.Column("added_at", sa.DateTime(), nullable=False),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("candidate", sa.String(300), nullable=True),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("run_id", name="uq_runs_run_id"),
        comment="Published runs; `document` is verdict.json, compressed with zlib. The newest of a slug is its page.",
    )
    op.create_index("ix_runs_slug", "runs", ["slug"])
    op.create_index("ix_runs_added_at", "runs", ["added_at"])


def _create_votes() -> None:
    op.create_table(
        "voters",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("first_at", sa.DateTime(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(), nullable=True),
        sa.Column("email_hash", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_voters"),
        sa.UniqueConstraint("email_hash", name="uq_voters_email_hash"),
    )
    op.create_table(
        "vote_log",
        sa.Column("seq", _ROW_NUMBER, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("voter", sa.String(32), nullable=False),
        sa.Column("network", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(400), nullable=False),
        sa.Column("choice", sa.String(300), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_vote_log"),
        comment="Never changed. `hash` covers the row and the hash before it. An empty choice takes a vote back.",
    )
    op.create_index("ix_vote_log_subject_seq", "vote_log", ["subject", "seq"])
    op.create_table(
        "votes",
        sa.Column("voter", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(400), nullable=False),
        sa.Column("choice", sa.String(300), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("voter", "subject", name="pk_votes"),
        comment="What each voter says now: the last row of the log for voter and subject.",
    )
    op.create_index("ix_votes_subject", "votes", ["subject"])
    op.create_table(
        "tallies",
        sa.Column("subject", sa.String(400), nullable=False),
        sa.Column("choice", sa.String(300), nullable=False),
        sa.Column("num_voters", sa.Integer(), nullable=False),
        sa.Column("weight", sa.BigInteger(), nullable=False),
        sa.Column("weight_squared", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "choice", name="pk_tallies"),
        comment="Sums over `votes`, kept in the same transaction.",
    )


def _create_digest() -> None:
    op.create_table(
        "subscribers",
        sa.Column("id", _ROW_NUMBER, nullable=False),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("email_key", sa.String(320), nullable=False),
        sa.Column("asked_at", sa.DateTime(), nullable=False),
        sa.Column("asked_times", sa.Integer(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(), nullable=True),
        sa.Column("left_at", sa.DateTime(), nullable=True),
        sa.Column("bounces", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_subscribers"),
        sa.UniqueConstraint("email_key", name="uq_subscribers_email_key"),
        comment="`email_key` is the address in one spelling. Who has left, or bounced for good, is written to no more.",
    )
    op.create_table(
        "issues",
        sa.Column("week", sa.String(8), nullable=False),
        sa.Column("written_at", sa.DateTime(), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("week", name="pk_issues"),
        comment="Of the digest; `week` as in 2026-W47.",
    )
    op.create_table(
        "sends",
        sa.Column("week", sa.String(8), nullable=False),
        sa.Column("subscriber", _ROW_NUMBER, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["week"], ["issues.week"], name="fk_sends_week"),
        sa.ForeignKeyConstraint(["subscriber"], ["subscribers.id"], name="fk_sends_subscriber"),
        sa.PrimaryKeyConstraint("week", "subscriber", name="pk_sends"),
        comment="`state` is claimed, sent or failed.",
    )
    op.create_index("ix_sends_week_state", "sends", ["week", "state"])
