"""Folders of files: which are wanted, what is there, what changes; names of any bytes."""
