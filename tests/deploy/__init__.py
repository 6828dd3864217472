"""What `deploy/` ships: valid, in agreement with the code, and the proxies run for real."""
