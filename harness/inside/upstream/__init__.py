"""What of ours runs beside a script in upstream's layout."""
