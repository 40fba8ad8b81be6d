"""Speed and memory, measured on real parts, with ratios against named alternatives in the same run."""
