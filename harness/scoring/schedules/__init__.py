"""Who is asked what, and what is told then: for one stream, and for documents side by side."""
