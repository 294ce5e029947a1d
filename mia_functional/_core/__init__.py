"""What every room stands on: checks and their messages, optional packages, ordered maps, atomic files."""
