"""Backups of both databases, and the way back to any moment since."""
