"""Jinja2, which parses expressions here; it never runs them."""

from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

ENVIRONMENT = ImmutableSandboxedEnvironment(
    autoescape=False, undefined=StrictUndefined, keep_trailing_newline=True, optimized=False
)
"""The sandbox is the second wall: no code is made of a template, so nothing reaches it."""
