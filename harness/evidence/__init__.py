"""What was measured: data without any judgment, and the directory that keeps it."""
