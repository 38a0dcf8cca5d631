"""What the author of a plugin tests with: a clock to turn, simulators, the conformance kit."""
