"""The numbers of a video in a laboratory: beside EMG, in the field's formats, session by session."""
