"""How scripts in upstream's layout are read."""
