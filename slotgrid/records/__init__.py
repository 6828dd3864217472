"""Records of tasks: history, database and artifacts."""
