"""What recipes and flows share: YAML with positions, steps, templates, checks. No I/O."""
