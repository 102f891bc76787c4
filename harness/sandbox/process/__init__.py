"""The rehearsal: a process of this machine, limited but not isolated."""
