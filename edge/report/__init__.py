"""A table on the terminal and one HTML page of what `edge.benchmark` has measured."""
