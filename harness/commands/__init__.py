"""One module for each family of commands; each imports what it needs when it runs."""
