"""The shapes of requests and answers, as JSON Schema (draft 2020-12, which OpenAPI 3.1 takes)."""
