"""The one exception whose text is meant for the user."""


class StackError(Exception):
    """Something the user can fix; the text says what happened and what to do next."""
