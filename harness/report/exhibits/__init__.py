"""Exhibits: bounded figures read from a run directory, for reports alone.

They lie in this room, and not beside the evidence that they are read from, because no rule may ask
them: what they hold is partly claimed, partly thinned out, and says nothing that judges.
"""
