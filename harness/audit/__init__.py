"""Reading what submissions say of themselves: information and claims, never evidence."""
