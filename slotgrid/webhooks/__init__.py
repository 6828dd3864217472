"""Webhooks: signing, sending and retries of deliveries."""
