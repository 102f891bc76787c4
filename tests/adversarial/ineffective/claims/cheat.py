"""Says of itself what it likes."""
