"""What the README's figures come from: `python -m benchmarks [P1 P8 …]`. Nothing here passes or fails.

Every figure is the median of several rounds, and whatever it is compared with ran between those rounds on the same
machine: read the ratios, not the rates.
"""
