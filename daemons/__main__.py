"""`python -m daemons` is `daemondeck`."""

from daemons.cli import main

if __name__ == "__main__":
    main()
