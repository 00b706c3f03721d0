"""What EXIF, IPTC and XMP say of a picture, read without trust, in one set of names. Runs in worker processes only."""
