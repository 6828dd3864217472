"""Webhooks: signed and sent, an attempt at a time."""
