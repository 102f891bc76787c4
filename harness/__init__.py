"""The referee for Parameter Golf: trains, seals, weighs, re-scores and judges a submission."""

__version__ = "0.1.0"
