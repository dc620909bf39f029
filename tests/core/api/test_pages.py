"""The pages: served with a policy under which only our own files run, framed only where allowed."""

import httpx
import pytest

from core.runtime import Runtime
from tests.core.api.conftest import Tenant


async def test_the_page_runs_only_our_own_files(client: httpx.AsyncClient) -> None:
    response = await client.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_a_frame_is_allowed_on_the_channels_sites_only(
    client: httpx.AsyncClient, ada: Tenant
) -> None:
    await ada.api.patch(
        f"/api/v1/channels/{ada.web['id']}",
        json={"settings": {"allowed_origins": ["https://school.example"]}},
    )
    response = await client.get("/embed", params={"channel": ada.route})
    policy = response.headers["content-security-policy"]
    assert "frame-ancestors 'self' https://school.example" in policy


@pytest.mark.parametrize(
    "origins",
    [
        ["*"],
        ["https://*.example"],
        ["https://a.example; script-src *"],
        ["https://a.example/path"],
        ["a.example"],
        "https://a.example",
        [5],
    ],
    ids=str,
)
async def test_a_loose_allow_list_is_refused(ada: Tenant, origins: object) -> None:
    response = await ada.api.patch(
        f"/api/v1/channels/{ada.web['id']}", json={"settings": {"allowed_origins": origins}}
    )
    assert response.status_code == 422


async def test_the_widget_may_be_loaded_from_anywhere(client: httpx.AsyncClient) -> None:
    response = await client.get("/widget.js")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/javascript")
    assert response.headers["cross-origin-resource-policy"] == "cross-origin"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../channel.py",
        "/static/%2e%2e/channel.py",
        "/static/..%2f..%2fchannel.py",
        "/static//etc/passwd",
        "/static/%00",
        "/static/nothing.js",
        "/static/",
        "/embed?channel=unknown",
        "/embed?channel=%00",
    ],
)
async def test_nothing_else_is_served(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_files_are_asked_for_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/static/chat.css")
    assert first.headers["cache-control"] == "no-cache"
    assert first.headers["etag"]


async def test_without_a_channel_of_its_own_there_is_nothing_to_frame(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    assert runtime.settings.default_channel is None
    assert (await client.get("/embed")).status_code == 404
