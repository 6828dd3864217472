from tests.site.fixtures import site

__all__ = ["site"]
