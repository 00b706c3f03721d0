"""Stills and footage climb a ladder of steps, each record on its own."""
