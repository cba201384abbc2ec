"""Say who changed what is wanted; keep how conversations are held and what people think of answers."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this migration."""
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("wanted_by", sa.String(length=32), nullable=False, server_default=""))
    with op.batch_alter_table("endpoints", schema=None) as batch_op:
        batch_op.add_column(sa.Column("wanted_by", sa.String(length=32), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("kept_by", sa.String(length=32), nullable=False, server_default=""))
    with op.batch_alter_table("turns", schema=None) as batch_op:
        batch_op.add_column(sa.Column("tokens", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("message_ts", sa.String(length=32), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("feedback", sa.JSON(), nullable=False, server_default="{}"))
    op.create_table(
        "conversations",
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("thread", sa.String(length=32), nullable=False),
        sa.Column("endpoint_id", sa.String(length=32), nullable=False),
        sa.Column("temperature", sa.Double(), nullable=False),
        sa.Column("top_p", sa.Double(), nullable=False),
        sa.Column("max_new_tokens", sa.Integer(), nullable=False),
        sa.Column("system_prompt", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["endpoint_id"], ["endpoints.id"]),
        sa.PrimaryKeyConstraint("channel", "thread"),
    )
