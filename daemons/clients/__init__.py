"""The external systems that work is done with, each by what it speaks."""
