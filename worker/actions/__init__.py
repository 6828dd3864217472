"""Actions: what a step of a recipe, or a command, does in the browser."""
