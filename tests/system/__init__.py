"""The worker as its operator has it: a process, spoken to over HTTP, ended by signals."""
