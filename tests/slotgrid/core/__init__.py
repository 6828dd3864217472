"""The core: decisions, with clocks, runners and catalogs that the tests hold in their hands."""
