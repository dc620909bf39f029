"""The REST API under /api/v1, one router for each resource."""

from fastapi import APIRouter

ROUTERS: tuple[APIRouter, ...] = ()
