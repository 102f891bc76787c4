"""A stand-in for CUDA; this directory is put on a rehearsed script's PYTHONPATH."""
