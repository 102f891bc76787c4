"""What was measured, as data without opinion, and the directory it lies in."""
