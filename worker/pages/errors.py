"""Why a page, or a part of it, could not be had."""


class PageUnreachable(RuntimeError):
    """The page could not be opened; the message says in one sentence why."""


class ElementMissing(RuntimeError):
    """The page has no element that the input names."""


class ElementUnusable(RuntimeError):
    """An element is there, but a person could not use it either; the message says why."""


class DownloadFailed(RuntimeError):
    """A file that a page sent could not be kept; the message names it and says why."""


class AnswersWithDownload(PageUnreachable):
    """The address answers with a file that the browser would save, not with a page."""


class PictureFailed(RuntimeError):
    """The page gave no picture, or none that is whole; the message says why and what to do."""


class PrintFailed(RuntimeError):
    """The page was not printed; the message says why and what to do."""
