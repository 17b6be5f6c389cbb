"""What prints ratios: never asserted on, so that a slow machine fails nothing. `python -m benchmarks [NAME]`."""
