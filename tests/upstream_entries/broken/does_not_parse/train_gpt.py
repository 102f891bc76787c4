See the branch of the other pull request for the script, it is the same one.
