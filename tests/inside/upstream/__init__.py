"""What enters a sandbox."""
