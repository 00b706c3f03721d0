"""What takes a clip, and each of its frames, from one rung to the next."""
