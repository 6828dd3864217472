"""`python -m bench.pages`: serves the pages of browser tasks: a table and a style; and a script."""

from aiohttp import web

from bench.serving import serve

ROWS = "".join(f"<tr><td>{n}</td><td>Item {n}</td><td>{n * 7 % 97}</td></tr>" for n in range(200))
PAGE = f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>A table</title>
<link rel="stylesheet" href="/style.css">
<table>{ROWS}</table></html>"""
SCRIPT = """<script>
document.querySelectorAll("tr").forEach((row, n) => row.dataset.row = n)
</script>"""
STYLE = "body{font:16px sans-serif}td{border:1px solid #8888;padding:.2em}"


async def page(_: web.Request) -> web.Response:
    return web.Response(text=PAGE, content_type="text/html")


async def scripted(_: web.Request) -> web.Response:
    return web.Response(text=PAGE + SCRIPT, content_type="text/html")


async def style(_: web.Request) -> web.Response:
    return web.Response(text=STYLE, content_type="text/css")


if __name__ == "__main__":
    app = web.Application()
    app.add_routes(
        [web.get("/", page), web.get("/scripted", scripted), web.get("/style.css", style)]
    )
    serve(app)
