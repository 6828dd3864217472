"""A login that one recipe saves, and that others name as a secret."""

from pathlib import Path

from tests.harness.in_process.worker import running_worker
from tests.site.fixtures import running_site

LOG_IN = """
input: {site: string}
steps:
  - {action: goto, with: {url: "{{ input.site }}/login"}}
  - {action: fill, with: {selector: "[name=user]", value: reader}}
  - {action: fill, with: {selector: "[name=password]", value: open sesame}}
  - {action: click, with: {selector: button}}
  - {action: save_login, with: {path: shop.json}}
"""
ACCOUNT = """
input: {site: string}
secrets: [SHOP_LOGIN]
browser: {storage_state: "{{ secrets.SHOP_LOGIN|from_json }}"}
steps:
  - {action: goto, with: {url: "{{ input.site }}/account"}}
  - {name: heading, action: get_text, with: {selector: h1}}
return: "{{ steps.heading.output.text }}"
"""


async def test_a_recipe_names_a_login_that_another_saved(tmp_path: Path) -> None:
    logins = tmp_path / "logins"
    logins.mkdir()
    file = tmp_path / "secrets.yaml"
    file.write_text(f"SHOP_LOGIN: {{source: {{file: {logins / 'shop.json'}}}}}\n")
    async with running_site() as site, running_worker(tmp_path, {}, SECRETS_FILE=file) as worker:
        for name, text in (("log_in", LOG_IN), ("account", ACCOUNT)):
            (worker.folder.path / f"{name}.yaml").write_text(text)
        await worker.reload()
        submitted = await worker.start("log_in", site=site.url)
        assert (await submitted.result())["save_login"]["cookies"] == 1
        assert worker.worker.registry.runnable("account") is None
        (logins / "shop.json").write_bytes(await worker.artifact(submitted.task.id, "shop.json"))
        await worker.changed(lambda: worker.worker.registry.runnable("account") is not None)
        assert await worker.call("account", site=site.url) == "Hello, reader"
