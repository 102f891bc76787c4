"""Training logs of the field, read line by line."""
