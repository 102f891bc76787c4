"""What machine this is, and what its accelerators do while a phase runs."""
