"""Makes evidence of a submission, and a verdict of evidence."""
