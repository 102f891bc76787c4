"""What machine this is, and what its accelerators do meanwhile."""
