"""Pictures and what is in them: kinds, facts, colours, thumbnails, XMP. What decodes runs in worker processes only."""
