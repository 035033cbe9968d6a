"""F8: what can be done about a guest. The command is shown before it runs; what changes the guest asks."""

import signal
import subprocess
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult, SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from uniobs.model.text import safe
from uniobs_tui.actions import Action, Subject, actions, proposed, runnable
from uniobs_tui.jobs import Job, Jobs

Choice = Action | Job
Keep = Callable[[str, Callable[[str, bool], None]], None]  # (path, told(text, whether it went well))


class ActionMenu(ModalScreen[Choice | None]):
    """Gives the action that was chosen, or the job that is to be stopped."""

    DEFAULT_CSS = """
    ActionMenu { align: center middle; }
    ActionMenu OptionList, ActionMenu OptionList:focus {
        width: 90%; max-width: 76; height: auto; max-height: 94%; border: round $primary;
        border-title-color: $text;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f8,q,backspace", "dismiss(None)", "Back")]

    def __init__(self, about: Subject, running: Sequence[Job]) -> None:
        super().__init__()
        self._about = about
        self._choices: list[Choice] = [*running, *actions(about)]

    def compose(self) -> ComposeResult:
        menu = OptionList(*(Option(_line(choice), id=str(n)) for n, choice in enumerate(self._choices)))
        menu.border_title = Text(f"Actions: {safe(self._about.name)}", no_wrap=True).plain.replace("[", "\\[")
        yield menu

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._choices[event.option_index])

    def on_key(self, event: Any) -> None:
        found = next((c for c in self._choices if isinstance(c, Action) and c.key == event.key), None)
        if found is not None:
            event.stop()
            self.dismiss(found)


def _line(choice: Choice) -> Text:
    if isinstance(choice, Job):
        return Text.assemble(("■ ", "bold red"), f"Stop: {choice.title} ({choice.progress})")
    return Text.assemble((f"{choice.key} ", "bold cyan"), choice.title)


class ActionScreen(ModalScreen[None]):
    """One action: the name of what it writes, its command line; then how it goes."""

    DEFAULT_CSS = """
    ActionScreen { align: center middle; }
    ActionScreen > Vertical {
        width: 94%; max-width: 100; height: auto; max-height: 96%; padding: 0 1;
        background: $surface; border: round $primary; border-title-color: $text;
    }
    ActionScreen Static { width: 1fr; height: auto; }
    ActionScreen Static.-empty { display: none; }
    ActionScreen Input, ActionScreen Input:focus { border: none; height: 1; padding: 0; }
    ActionScreen #command { color: $text-accent; margin: 1 0 0 0; }
    ActionScreen #asks { color: $text-warning; }
    ActionScreen #said { max-height: 8; color: $text-muted; }
    ActionScreen #result.-good { color: $text-success; }
    ActionScreen #result.-bad { color: $text-error; }
    ActionScreen #keys { color: $text-muted; margin: 1 0 0 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back"),
        Binding("enter", "go", "Run"),
        Binding("y", "yes", "Yes", show=False),
        Binding("n", "leave", "No", show=False),
        Binding("x", "stop", "Stop", show=False),
    ]

    def __init__(self, about: Subject, action: Action, jobs: Jobs, keep: Keep) -> None:
        super().__init__()
        self._about, self._action, self._jobs, self._keep = about, action, jobs, keep
        self._asking = False
        self._job: Job | None = None
        self._done = False
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = self._action.title
            if self._action.flag:
                yield Static("Writes:", id="writes", markup=False)
                yield Input(proposed(self._about, self._action), id="output", select_on_focus=False)
            yield Static(id="command", markup=False)
            yield Static(id="asks", markup=False)
            yield Static(id="said", markup=False)
            yield Static(id="result", markup=False)
            yield Static(id="keys", markup=False)

    def on_mount(self) -> None:
        notes = [text for text in (self._action.asks, self._action.note) if text]
        self._fill("asks", safe("; ".join(notes)))
        self._fill("said", "")
        self._fill("result", "")
        self._tell_keys()
        self._show_command()
        for field in self.query(Input):
            field.focus()
            field.cursor_position = len(field.value)

    @property
    def output(self) -> str:
        return next((field.value.strip() for field in self.query(Input)), "")

    def on_input_changed(self) -> None:
        self._show_command()

    def on_input_submitted(self) -> None:
        self.action_go()

    def _show_command(self) -> None:
        mark = "" if self._action.how == "here" else "$ "
        self.query_one("#command", Static).update(mark + safe(self._action.text(self.output)))

    def _tell_keys(self, text: str = "Enter runs it   Esc leaves") -> None:
        self.query_one("#keys", Static).update(text)

    # --- doing it -------------------------------------------------------------------------------------

    def action_go(self) -> None:
        if self._done:
            self.dismiss()
        elif self._job is None and not self._asking:
            if self._action.flag and not self.output:
                self._result("a name for the file, please", good=False)
            elif self._action.asks:
                self._asking = True
                for field in self.query(Input):
                    field.disabled = True
                self._result("Go on?", good=False)
                self._tell_keys("y goes on   n, Esc leave")
            else:
                self._run()

    def action_yes(self) -> None:
        if self._asking:
            self._asking = False
            self._result("", good=True)
            self._run()

    def _run(self) -> None:
        for field in self.query(Input):
            field.disabled = True
        if self._action.how == "here":
            self._keep(self.output, self._kept)
        elif self._action.how == "on the terminal":
            app, words = self.app, self._action.command()
            self.dismiss()
            app.call_later(on_terminal, app, words)
        else:
            self._start()

    def _start(self) -> None:
        output = self.output
        job = Job(self._action.text(output), self._action.command(output), output, self._changed)
        self._job = self._jobs.start(job)
        if self._action.how == "until stopped":
            self._tell_keys("Esc leaves it running (F8 stops it)   x stops it")
        else:
            self._tell_keys("Esc leaves it running   x stops it")
        self._timer = self.set_interval(0.25, self._progress)

    def _progress(self) -> None:
        if self._job is not None and self._job.runs:
            self._result(("stopping... " if self._job.cancelled else "") + self._job.progress, good=True)

    def _changed(self, job: Job) -> None:
        """It said something, or came to its end; this screen may be gone by then."""
        if not self.is_attached or self._done:
            if not job.runs:
                _say(self.app, job.result, good=job.ok)
            return
        self._fill("said", "\n".join(line for line in job.lines[-8:] if job.result not in line or job.runs))
        if not job.runs:
            if self._timer is not None:
                self._timer.stop()
            self._ended(job.result, job.ok)

    def _kept(self, text: str, good: bool) -> None:
        self._ended(text, good)

    def _ended(self, text: str, good: bool) -> None:
        self._done = True
        self._result(safe(text), good=good)
        self._tell_keys("Enter, Esc: back")

    def _result(self, text: str, *, good: bool) -> None:
        shown = self._fill("result", text)
        shown.set_class(good, "-good")
        shown.set_class(not good, "-bad")

    def _fill(self, name: str, text: str) -> Static:
        shown = self.query_one(f"#{name}", Static)
        shown.update(text)
        shown.set_class(not text, "-empty")
        return shown

    def action_stop(self) -> None:
        if self._job is not None:
            self._job.stop()

    def action_leave(self) -> None:
        if self._job is not None and self._job.runs:
            _say(self.app, f"it goes on: {self._job.title} (F8 stops it)", good=True)
        self.dismiss()


def offer(app: App[Any], about: Subject, keep: Keep) -> None:
    """Show the menu, then what was chosen."""
    jobs = jobs_of(app)

    def chosen(choice: Choice | None) -> None:
        if isinstance(choice, Job):
            choice.stop()
            _say(app, f"stopping: {choice.title}", good=True)
        elif choice is not None:
            app.push_screen(ActionScreen(about, choice, jobs, keep))

    app.push_screen(ActionMenu(about, jobs.running), chosen)


def jobs_of(app: Any) -> Jobs:
    if getattr(app, "jobs", None) is None:
        app.jobs = Jobs()
    jobs: Jobs = app.jobs
    return jobs


def _say(app: App[Any], text: str, *, good: bool) -> None:
    """On the screen that is there now, or the one below a dialogue."""
    for screen in reversed(app.screen_stack):
        say = getattr(screen, "say", None)
        if say is not None:
            say(text, "good" if good else "bad")
            return


def on_terminal(app: App[Any], words: list[str]) -> None:
    """The screen makes room for a command of its own, and comes back when that ends."""
    before = signal.signal(signal.SIGINT, lambda *_: None)  # ^C is the command's
    try:
        with app.suspend():
            code = subprocess.run(runnable(words), check=False).returncode
            if code not in (0, 1, 130):
                _wait_for_enter(code)
    except SuspendNotSupported:
        _say(app, "only on a terminal of its own: here there is none to give away", good=False)
    except OSError as error:
        _say(app, f"{words[0]} can't be started: {error.strerror}", good=False)
    finally:
        signal.signal(signal.SIGINT, before)
    app.refresh()


def _wait_for_enter(code: int) -> None:
    """What it said would be gone with the screen's return."""
    try:
        input(f"[exit code {code}: Enter goes back] ")
    except EOFError:
        return
