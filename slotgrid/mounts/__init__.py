"""Static mounts: folders of this machine that a node lists and serves."""
