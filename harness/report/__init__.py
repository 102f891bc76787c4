"""Pictures of a verdict, and what is shown while it is being made."""
