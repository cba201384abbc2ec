"""SQLAlchemy tables, the store and the Alembic migrations."""
