"""What `tf_muscle.inspect` finds in an export, before anything is trained on it."""
