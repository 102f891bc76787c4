"""The referee for Parameter Golf: trains, seals, weighs, re-scores and judges a submission."""

from pathlib import Path

__version__ = "0.1.0"

PACKAGE = Path(__file__).resolve().parent
REPOSITORY = PACKAGE.parent
"""The checkout that the harness lies in: its images, schemas and leaderboard are beside it."""
