"""The network: allowed addresses, and connections to them. Imports no other package of ours."""
