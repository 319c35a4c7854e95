"""What training and inference cost, measured: docs/performance.md tells what came of it."""
