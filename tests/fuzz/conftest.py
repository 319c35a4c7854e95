"""The generators are modules of this folder, which the script fuzz.py imports by their names."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
