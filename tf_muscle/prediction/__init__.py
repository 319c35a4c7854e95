"""From photos, videos and cameras to masks: sources -> predictor -> outputs."""
