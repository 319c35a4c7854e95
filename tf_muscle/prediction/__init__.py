"""From photos, videos and cameras to masks: sources -> stream -> outputs."""
