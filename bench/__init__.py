"""What it costs: CPU time and ratios, measured in one run; the method is in bench/README.md."""
