"""The workers: which there are, how free each is, and how a task gets to one."""
