"""How fast the road is, beside what a person would write by hand. Run with `make bench`."""
