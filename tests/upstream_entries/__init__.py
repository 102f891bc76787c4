"""Small entries in upstream's layout, written here: honest, cheating, and broken ones."""
