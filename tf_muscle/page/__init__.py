"""The page in the browser: answers (what is computed) -> layout (what is seen) -> server."""
