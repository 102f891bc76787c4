"""What was accepted: the leaderboard."""
