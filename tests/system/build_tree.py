"""The build tree under test: $top_builddir, or build in the source."""

import os
from pathlib import Path

BUILD = Path(os.environ.get("top_builddir") or Path(__file__).resolve().parents[2] / "build").resolve()
