"""Clients that others generate from `/openapi`, against running nodes."""
