"""The tests see what a script prints where there is no terminal, whatever CI says of colours."""

import os

for name in ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "CLICOLOR_FORCE", "COLUMNS", "LINES"):
    os.environ.pop(name, None)
