"""What measures the speed of a host; mounted as it is."""
