"""Programs for `make`: set-up of the environment and the browser, and the start of a node."""
