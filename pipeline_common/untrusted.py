"""Showing untrusted text: a record must not be able to control the terminal that shows it."""

import re

# C0 and C1 control characters but for tab and line end; line and paragraph separators; marks that
# change the direction of writing. A terminal obeys the first (ESC ] 52 writes to the clipboard);
# the last make one text look like another (CVE-2021-42574).
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    r"""The text with each unsafe character as its escape, ESC as \x1b."""
    return UNSAFE.sub(lambda match: repr(match[0])[1:-1], text)
