"""Code that has to do without TensorFlow, in a process of its own."""

import subprocess
import sys

CHECK = "import sys; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"


def needs_no_tensorflow(code: str) -> bool:
    """Whether code runs to its end, and nothing in it imports TensorFlow or Keras."""
    return subprocess.run([sys.executable, "-c", f"{code}\n{CHECK}"], check=False).returncode == 0
