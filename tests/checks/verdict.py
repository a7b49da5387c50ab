"""What each check ends with: its faults, a line each, and an exit status that says whether there are any."""

import os
import sys
from pathlib import Path


def main(faults):
    """faults: a generator function of the folder of the source."""
    top = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("top_srcdir", "."))
    found = list(faults(top))
    for fault in found:
        print(fault)
    sys.exit(1 if found else 0)
