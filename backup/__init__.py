"""Base backups of both databases, and point-in-time recovery."""
