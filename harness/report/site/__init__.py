"""A static leaderboard: pages and JSON of what was accepted, which need no server."""
