"""What Python source says without being run."""
