"""What the self-check asks of Docker: what is expected, and what is seen from outside."""
