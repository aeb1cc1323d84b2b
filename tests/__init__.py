"""The tests see a script's output as without a terminal, whatever CI sets for colours."""

import os

for name in ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "CLICOLOR_FORCE", "COLUMNS", "LINES"):
    os.environ.pop(name, None)
