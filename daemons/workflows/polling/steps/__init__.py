"""What takes a record from one rung to the next."""
