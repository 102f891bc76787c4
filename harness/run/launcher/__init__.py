"""Where runs are made: each launcher runs tasks somewhere and tells which have ended."""
