"""An event loop in a thread of its own: tests may run on whatever loop they like, or on none."""

import asyncio
import concurrent.futures
import inspect
import threading
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, TypeVar

T = TypeVar("T")
STOP_SECONDS = 60.0


class Background(Generic[T]):
    """Keeps an asynchronous context open in its thread; calls from outside are carried over."""

    def __init__(self, context: AbstractAsyncContextManager[T]) -> None:
        self._context = context
        self._opened: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="cairn", daemon=True)

    def start(self) -> T:
        """Open the context; what it gives. Raises what opening it raised."""
        self._thread.start()
        return self._opened.result()

    def stop(self) -> None:
        """Close the context and end the thread."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(STOP_SECONDS)

    def run(self, call: Coroutine[Any, Any, Any]) -> Any:
        """Wait for a call, from a test that is not asynchronous."""
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()

    async def call(self, call: Coroutine[Any, Any, Any]) -> Any:
        """Await a call that runs over there."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call, self._loop))

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._keep_open())

    async def _keep_open(self) -> None:
        try:
            async with self._context as opened:
                self._opened.set_result(opened)
                await self._stop.wait()
        except BaseException as error:
            if self._opened.done():
                raise
            self._opened.set_exception(error)


class Carried:
    """Something that lives in the background: its coroutine methods may be awaited anywhere."""

    def __init__(self, target: object, background: Background[Any]) -> None:
        self._target = target
        self._background = background

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if not inspect.iscoroutinefunction(value):
            return value

        async def carried(*arguments: Any, **details: Any) -> Any:
            return await self._background.call(value(*arguments, **details))

        return carried
