"""What is no test here: scripts that run in the environments of other packages, where modules lie beside each other."""

collect_ignore = ["record.py", "peers_of_images.py", "peers_of_masks.py"]
