"""A notice board as a channel: invented, and sound."""
