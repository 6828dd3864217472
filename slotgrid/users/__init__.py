"""Users: names with scopes, keys and limits, kept in one file."""
