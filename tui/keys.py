"""The one registry of keys: what each does, on which screen, in which words.

Bindings, the last row, the help, the palette of commands and README's table are all made from it. A screen adds only
why one of its keys does nothing at the moment (`Stage.why_not`). `python -m changeover.tui.keys` prints README's table.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from textual.binding import Binding, BindingType


class Key(Struct, frozen=True, kw_only=True):
    """One thing that keys do; `keys` are Textual's names of them, with commas between."""

    keys: str
    action: str
    label: str
    help: str = ""
    # whether the last row may show it
    show: bool = True
    # before what has the focus, a line to type into among it
    priority: bool = False
    # one of Textual's own that is only kept from doing something else
    system: bool = False
    # how the last row writes it, where it is not as the first key is called
    display: str | None = None

    @property
    def binding(self) -> Binding:
        """As Textual wants it."""
        return Binding(
            self.keys,
            self.action,
            self.label,
            show=self.show,
            priority=self.priority,
            system=self.system,
            key_display=self.display,
            tooltip=self.help or self.label,
            id=None,
        )


def _back(label: str = "Back", text: str = "back to where you came from", keys: str = "q,escape") -> Key:
    return Key(keys=keys, action="back", label=label, help=text)


_FILTER: Final = Key(keys="slash", action="filter", label="Filter", help="show only lines that have these words")
_MOVES: Final = (
    Key(keys="up,k", action="move(-1)", label="Up", show=False),
    Key(keys="down,j", action="move(1)", label="Down", show=False),
    Key(keys="pageup,ctrl+u", action="page(-1)", label="Page up", show=False),
    Key(keys="pagedown,ctrl+d", action="page(1)", label="Page down", show=False),
    Key(keys="home,g", action="edge(0)", label="First", show=False),
    Key(keys="end,G", action="edge(1)", label="Last", show=False),
)

# By place: a screen, a widget, or everywhere. The order is that of the last row: likeliest first.
KEYS: Final[dict[str, tuple[Key, ...]]] = {
    "everywhere": (
        Key(keys="question_mark,f1", action="help", label="Help", help="the keys and words of this screen"),
        Key(keys="ctrl+p", action="commands", label="Commands", help="all that can be done here, by name"),
        Key(keys="q", action="quit", label="Quit", help="end the console"),
        Key(keys="ctrl+q", action="quit", label="Quit", show=False, priority=True, system=True),
        Key(keys="ctrl+c", action="quit", label="Quit", show=False, priority=True, system=True),
        Key(keys="y", action="copy", label="Copy", show=False, help="copy the chosen row or text (OSC 52)"),
        Key(keys="ctrl+t", action="next_theme", label="Theme", show=False, help="dark, light, high contrast, ANSI"),
    ),
    "console": (Key(keys="L,f2", action="sessions", label="Sessions", help="past sessions: logs, and to play again"),),
    "list": _MOVES,
    "text": (
        Key(keys="up,k", action="scroll_up", label="Up", show=False),
        Key(keys="down,j", action="scroll_down", label="Down", show=False),
        Key(keys="pageup,ctrl+u", action="page_up", label="Page up", show=False),
        Key(keys="pagedown,ctrl+d", action="page_down", label="Page down", show=False),
        Key(keys="home,g", action="scroll_home", label="First", show=False),
        Key(keys="end,G", action="scroll_end", label="Last", show=False),
    ),
    "field": (Key(keys="enter", action="submit", label="Next"),),
    "field of a name": (Key(keys="enter", action="submit", label="Run it, if the name is right"),),
    "field of a reason": (Key(keys="enter", action="submit", label="Allow it, for this reason"),),
    "field of a settling reason": (Key(keys="enter", action="submit", label="Settle so, for this reason"),),
    "field of a filter": (Key(keys="enter", action="submit", label="Keep this filter"),),
    "field of a search": (Key(keys="enter", action="submit", label="Stay here; n goes on"),),
    "question": (
        Key(keys="up,k", action="move(-1)", label="Up", show=False),
        Key(keys="down,j,tab", action="move(1)", label="Down", show=False),
        Key(keys="enter", action="take", label="Choose"),
        Key(keys="escape,q,ctrl+c,ctrl+q", action="stay", label="Stay", priority=True),
    ),
    "commands": (
        Key(keys="enter", action="take", label="Do it", priority=True),
        Key(keys="up", action="move(-1)", label="Up", show=False, priority=True),
        Key(keys="down", action="move(1)", label="Down", show=False, priority=True),
        Key(keys="escape,ctrl+p,ctrl+c,ctrl+q", action="close", label="Close", priority=True),
    ),
    "help": (Key(keys="escape,q,question_mark,f1,enter", action="close", label="Close", display="esc"),),
    "end blocker": (Key(keys="escape,ctrl+c,ctrl+q", action="stay", label="Leave them alone", priority=True),),
    "set-up offers": (
        Key(keys="enter", action="take", label="Use it", help="try the chosen database"),
        Key(keys="o", action="other", label="Name another", help="answer questions, or give a URL"),
        Key(keys="q,escape", action="leave", label="Quit", help="end the console"),
    ),
    "set-up question": (_back("One step back", "the question before this one", "escape"),),
    "set-up choice": (
        Key(keys="enter", action="take", label="Choose", help="take the marked answer"),
        _back("One step back", "the question before this one"),
    ),
    "set-up end": (
        Key(keys="enter", action="save", label="Save", help="write the file and go on to the overview"),
        Key(keys="u", action="use", label="Use without saving", help="go on, and write nothing"),
        _back("One step back", "the question before this one"),
    ),
    "connect": (
        Key(
            keys="t",
            action="try_now",
            label="Try now",
            help="begin the next attempt at once; after a failure, all over again",
        ),
        Key(keys="g", action="give_up", label="Give up", help="make no further attempt"),
        Key(keys="e", action="edit", label="Edit target", help="another host, port, database, user, TLS or password"),
        Key(keys="q,escape", action="leave", label="Quit", help="end the console"),
    ),
    "overview": (
        Key(
            keys="enter,p",
            action="precheck",
            label="Pre-check",
            help="what would run, object by object",
        ),
        Key(keys="r", action="refresh_survey", label="Refresh", help="look at the database again"),
        Key(
            keys="slash",
            action="filter",
            label="Filter",
            show=False,
            help="show only migrations that have these words",
        ),
        Key(keys="escape", action="unfilter", label="No filter", show=False, help="take the filter away"),
        Key(keys="v", action="view_sql", label="View SQL", show=False, help="the chosen migration's file"),
    ),
    "overview, demo": (
        Key(
            keys="s",
            action="create_sessions",
            label="Make sessions",
            help="demo: create the table that a deferred step needs",
        ),
    ),
    "overview, to change": (
        Key(
            keys="u",
            action="revert",
            label="Undo",
            show=False,
            help="undo, newest first, to the chosen one; asks first",
        ),
        Key(
            keys="b",
            action="baseline",
            label="Baseline",
            show=False,
            help="mark all up to the chosen one as applied; asks first",
        ),
        Key(
            keys="e",
            action="repair",
            label="Repair",
            show=False,
            help="settle what stopped half-way; asks first",
        ),
    ),
    "migration": (_back(text="back to the overview"),),
    "repair": (
        Key(keys="enter", action="take", label="Settle so", help="go on to the plan of the marked answer; asks first"),
        _FILTER,
        _back(text="nothing was done; back to the overview"),
    ),
    "pre-check": (
        Key(
            keys="enter",
            action="details",
            label="Details",
            help="what stands below, in full: a row or the dangers",
        ),
        Key(keys="slash", action="filter", label="Filter", help="show only rows that have these words"),
        Key(keys="tab", action="turn", label="Hazards", help="what endangers the plan, or the chosen row again"),
        Key(keys="R", action="rehearse", label="Rehearse", help="run the plan on a shadow of the schema, or stop that"),
        _back(text="back to the overview"),
    ),
    "pre-check, to change": (
        Key(keys="c", action="confirm", label="Confirm", help="go on to the confirmation; nothing runs yet"),
    ),
    "pre-check row": (
        Key(keys="q,escape,enter", action="back", label="Back", display="esc", help="back to the table"),
    ),
    "above a question": (
        Key(keys="up", action="look(-1)", label="Up", show=False),
        Key(keys="down", action="look(1)", label="Down", show=False),
        Key(keys="pageup", action="look_page(-1)", label="Page up", show=False),
        Key(keys="pagedown", action="look_page(1)", label="Page down", show=False),
    ),
    "allow": (_back(text="nothing is allowed; back to the plan", keys="escape"),),
    "confirm": (
        Key(keys="y", action="agree", label="Yes, run it", help="approve this plan and start it"),
        Key(keys="f3", action="policy", label="If it closes", help="what the run does when nobody watches it"),
        _back(text="nothing was done; back to the plan", keys="escape,q"),
        Key(keys="left", action="app.focus_previous", label="Previous", show=False),
        Key(keys="right", action="app.focus_next", label="Next", show=False),
    ),
    "run": (
        Key(keys="full_stop", action="follow", label="Follow", show=False, display=".", help="follow the run again"),
    ),
    "run, live": (
        Key(keys="x", action="stop", label="Stop", help="now, or after this statement or migration; asks first"),
        Key(keys="t", action="try_now", label="Try now", help="while it gives way: begin the next attempt at once"),
        # before the list's own g, which it has whenever nothing is waited for
        Key(
            keys="g",
            action="give_up",
            label="Give up",
            priority=True,
            help="make no further attempt: this one is the last",
        ),
        Key(
            keys="K",
            action="end_blocker",
            label="End blocker",
            help="cancel, then terminate who blocks this run; asks for the pid",
        ),
        Key(keys="q,escape", action="leave", label="Leave", help="asks: leave, stop or stay"),
    ),
    "receipt": (
        Key(keys="enter,q,escape", action="back", label="Overview", help="back to the overview, which looks again"),
    ),
    "receipt, followed": (_back(keys="enter,q,escape", text="back to the sessions"),),
    "receipt, attached": (Key(keys="enter,q,escape", action="back", label="Done", help="end this console"),),
    "replay": (
        Key(keys="space", action="pause", label="Pause", help="stop the clock, or let it go on"),
        Key(keys="n", action="next_event", label="Next event", help="one event further, and pause"),
        Key(keys="E", action="first_error", label="First error", help="on to the first thing that went wrong"),
        Key(keys="f", action="faster", label="Faster", help="1, 2, 4, 8, 16 or 64 times as fast"),
        Key(keys="b", action="again", label="From the start", help="play it again"),
        _back(),
    ),
    "sessions": (
        Key(
            keys="enter",
            action="open",
            label="Open",
            help="the chosen session's log, or its live run while that goes on",
        ),
        Key(keys="l", action="log", label="Log", help="the chosen session's log; it follows while the session goes on"),
        Key(keys="R", action="replay", label="Replay", help="play the chosen session"),
        _FILTER,
        _back(),
    ),
    "log": (
        _FILTER,
        Key(keys="f", action="find", label="Find", help="go to the next line that has these words; all others stay"),
        Key(keys="n", action="next_found", label="Next", show=False, help="the next line that was looked for"),
        Key(
            keys="N", action="previous_found", label="Previous", show=False, help="the line before that was looked for"
        ),
        Key(keys="e", action="next_error", label="Next error", help="the next thing that went wrong, then the first"),
        Key(
            keys="E",
            action="previous_error",
            label="Previous error",
            show=False,
            help="the thing that went wrong before, then the last",
        ),
        Key(keys="full_stop", action="follow", label="Follow", display=".", help="stay at the end as lines come"),
        Key(keys="w", action="export", label="Write", help="write the log as text and as JSON beside it"),
        Key(keys="R", action="replay", label="Replay", help="play this session"),
        _back(text="back to the sessions"),
    ),
    "inspect": (
        Key(
            keys="1",
            action="tab('migrations')",
            label="Look through",
            display="1-4",
            help="migrations, schema, history, activity",
        ),
        Key(keys="2", action="tab('schema')", label="Schema", show=False, help="tables, columns, indexes, sizes"),
        Key(keys="3", action="tab('history')", label="History", show=False, help="who applied what, and when"),
        Key(keys="4", action="tab('activity')", label="Activity", show=False, help="locks and long transactions, now"),
    ),
    "inspect, a list": (
        Key(keys="enter", action="open", label="Details", help="the chosen line in full"),
        _FILTER,
        Key(keys="r", action="refresh_list", label="Refresh", help="read it again"),
        _back(text="back to the overview"),
    ),
    "inspect, details": (_back(keys="q,escape,enter", text="back to the list"),),
}

# In README's table, in this order; the others are the same keys in more places.
_SAID: Final = (
    ("everywhere", "everywhere"),
    ("console", "everywhere"),
    ("overview", "overview"),
    ("overview, demo", "overview"),
    ("overview, to change", "overview"),
    ("inspect", "inspect"),
    ("pre-check", "pre-check"),
    ("pre-check, to change", "pre-check"),
    ("confirm", "confirm"),
    ("run, live", "run"),
    ("sessions", "sessions"),
    ("log", "log"),
    ("replay", "replay"),
)

_NAMES: Final = {
    "question_mark": "?",
    "escape": "esc",
    "space": "space",
    "slash": "/",
    "f1": "F1",
    "f2": "F2",
    "f3": "F3",
    "full_stop": ".",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
}


def bindings(*places: str) -> list[BindingType]:
    """Return the bindings of a place, or of several together."""
    return [key.binding for place in places for key in KEYS[place]]


def key_name(key: str) -> str:
    """Return a key as people say it."""
    if key.startswith("ctrl+"):
        return "^" + key.removeprefix("ctrl+")
    return _NAMES.get(key, key)


def table() -> str:
    """Return README's table of keys."""
    lines = ["| where | key | does |", "| --- | --- | --- |"]
    for place, said in _SAID:
        for key in KEYS[place]:
            if not key.system and key.help:
                names = " ".join(f"`{key_name(name)}`" for name in key.keys.split(","))
                lines.append(f"| {said} | {names} | {key.help} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
