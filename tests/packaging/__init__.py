"""What is built for people who have no clone: the wheel and the source distribution."""
