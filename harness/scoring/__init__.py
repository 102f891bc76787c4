"""Re-scoring the validation split from the artifact: trusted side, and the worker it drives."""
