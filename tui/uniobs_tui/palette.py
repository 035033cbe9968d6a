"""Ctrl-P: the views, guests and actions of the screen, found by a few letters of them."""

from collections.abc import Callable, Iterator

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from uniobs.model.text import safe
from uniobs_tui.frame import Frame
from uniobs_tui.guest import GuestScreen
from uniobs_tui.home import HomeScreen
from uniobs_tui.keys import shown

Offer = tuple[str, str, Callable[[], object]]  # what it says, what it does, doing it


class Offers(Provider):
    """Titles are what guests call themselves, so they're never taken for markup."""

    def offers(self) -> Iterator[Offer]:
        screen = self.screen
        if isinstance(screen, GuestScreen):
            yield from _views(screen)
        home = next((one for one in self.app.screen_stack if isinstance(one, HomeScreen)), None)
        if home is not None:
            yield from _guests(home)
        if isinstance(screen, Frame):
            yield from _actions(screen)

    async def discover(self) -> Hits:
        for title, help, call in self.offers():
            yield DiscoveryHit(Content(title), call, text=title, help=help)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for title, help, call in self.offers():
            score = matcher.match(title)
            if score > 0:
                yield Hit(score, Content(title), call, text=title, help=help)


def _views(screen: GuestScreen) -> Iterator[Offer]:
    for info in screen.panes:
        yield f"View: {info.title}", f":{info.name}, key {info.key}", _calling(screen, f"pane('{info.name}')")


def _guests(home: HomeScreen) -> Iterator[Offer]:
    for row in home.guests.rows if home.guests is not None else ():
        about = safe(str(row["card"][1] if row["card"] else f"{row['state']}, {row['vmm'] or ''}"))
        yield f"Guest: {safe(str(row['name']))}", about, _opening(home, row["spec"])


def _opening(home: HomeScreen, spec: str) -> Callable[[], None]:
    return lambda: home.action_open_guest(spec)


def _calling(screen: Frame, action: str) -> Callable[[], object]:
    async def call() -> None:
        await screen.run_action(action)

    return call


def _actions(screen: Frame) -> Iterator[Offer]:
    """What the keys of the screen do, but for views and what isn't worth a name."""
    seen = set()
    for key, active in screen.active_bindings.items():
        binding = active.binding
        known = not binding.description or binding.action in seen or binding.action.startswith("pane(")
        if known or binding.action in ("command_palette", "app.command_palette") or not active.enabled:
            continue
        seen.add(binding.action)
        yield f"{binding.description}", f"key {shown(key)}", _acting(screen, active.node, binding.action)


def _acting(screen: Frame, node: object, action: str) -> Callable[[], object]:
    async def call() -> None:
        await screen.app.run_action(action, node)  # type: ignore[arg-type]  # the node that binds it

    return call
