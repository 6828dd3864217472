"""Application keys of the balancer's own handlers."""

from aiohttp import web

from balancer.fleet.fleet import Fleet
from balancer.fleet.links import Links
from balancer.hooks.hooks import Hooks
from balancer.schedules.schedules import Schedules

FLEET = web.AppKey("fleet", Fleet)
LINKS = web.AppKey("links", Links)
HOOKS = web.AppKey("hooks", Hooks)
SCHEDULES = web.AppKey("schedules", Schedules)
