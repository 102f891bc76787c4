"""Where the harness lies, and which version of it this is. Imports nothing."""

from pathlib import Path

VERSION = "0.1.0"
PACKAGE = Path(__file__).resolve().parent
REPOSITORY = PACKAGE.parent
"""The checkout that the harness lies in: its images, schemas and leaderboard are beside it."""
