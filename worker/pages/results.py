"""Types of result fields that several functions have; each carries its part of the schema."""

from typing import Annotated

from slotgrid.function import Artifact, Meta

Picture = Annotated[Artifact, Meta(description="The file of the picture")]
Print = Annotated[Artifact, Meta(description="The file of the PDF")]
Rendered = Annotated[Artifact, Meta(description="The file of the picture or PDF")]
PageTitle = Annotated[str, Meta(description="The page's title")]
Address = Annotated[str, Meta(description="The page's address, after redirects")]
Status = Annotated[
    int | None, Meta(description="HTTP status of the page; null where none was sent")
]
Loaded = Annotated[
    bool, Meta(description="False if the page had not loaded in time and was used as it was")
]
Pending = Annotated[list[str], Meta(description="Addresses that such a page was still waiting for")]
