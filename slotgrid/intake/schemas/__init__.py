"""JSON Schemas of requests and answers (draft 2020-12, the dialect of OpenAPI 3.1)."""
