addEventListener("install", () => skipWaiting());
addEventListener("activate", event => event.waitUntil(clients.claim()));
addEventListener("fetch", event => {
  if (new URL(event.request.url).pathname === "/pages/from-worker")
    event.respondWith(new Response("answered by the worker"));
});
