"""The numbers of a video in a laboratory: beside EMG, in its formats, by session."""
