"""SQL statements on task records and related tables, one module for each purpose."""
