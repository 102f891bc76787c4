"""The command line: a module for each family of commands, which imports what it needs."""
