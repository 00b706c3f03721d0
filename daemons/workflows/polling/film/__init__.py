"""What is read out of films, by FFmpeg's libraries: in worker processes only."""
