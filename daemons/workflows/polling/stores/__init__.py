"""Where records live besides our own tables."""
