"""The tests' own web site: what the web has, on loopback and without chance."""
