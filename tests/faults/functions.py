"""Functions that every worker of these tests has: one with a page, one without."""

PLAIN = {
    "title.py": """
        @function()
        async def title(context: Context) -> str:
            page = await context.page()
            await page.set_content("<title>A title</title>")
            return await page.title()
    """,
    "quick.py": """
        @function()
        async def quick(context: Context) -> int:
            return 42
    """,
}
