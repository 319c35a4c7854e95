"""What a run says of itself: figures, overlays, tables."""
