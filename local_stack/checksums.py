"""Downloads must match a list of checksums in this folder exactly: no file missing, none extra."""

import hashlib
from pathlib import Path


def differences(folder: Path, listed: Path) -> list[str]:
    """The names for which the files in `folder` differ from `listed` (output of sha256sum)."""
    lines = (line.split() for line in listed.read_text().splitlines())
    expected = {name: digest for digest, name in lines}
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file()
    }
    return sorted({name for name, _ in expected.items() ^ found.items()})
