"""How far a long command is: a bar, and without a terminal a line from time to time."""

import time

from rich.console import Console
from rich.progress import Progress, TaskID

SECONDS = 5.0


class Told(Progress):
    """Where nobody sees a bar move, as in a pipeline's log, silence looks like a hang."""

    def __init__(self, *, console: Console, seconds: float = SECONDS) -> None:
        super().__init__(console=console)
        self._seconds = seconds
        self._told_at = time.monotonic()

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        super().advance(task_id, advance)
        if self.console.is_terminal or time.monotonic() - self._told_at < self._seconds:
            return
        self._told_at = time.monotonic()
        task = self._tasks[task_id]
        self.console.print(f"{task.description}: {task.completed:.0f} of {task.total or 0:.0f}")
