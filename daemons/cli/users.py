"""Commands for people: `daemondeck user add|ls|role|reset-password|rm`, and for where they are signed in.

They work without a deck too, on the machine that holds the data. Passwords are typed or piped, never arguments:
those can be read by every user of the machine.
"""

import sys
from typing import Annotated, Any

import typer

from daemons.cli.access_here import acts_here, do_here, look_here, plain, role_named
from daemons.cli.options import Options, options_of
from daemons.cli.printing import Columns, age, note, show, show_one
from daemons.cli.switching import segment

app = typer.Typer(help="Add people, change what they may do, and sign them out.")

COLUMNS: Columns = {
    "NAME": lambda user: user["name"],
    "ROLE": lambda user: user["role"],
    "PASSWORD": lambda user: f"set {age(user['password_set_at'])} ago" if user["has_password"] else "none",
    "ADDED": lambda user: age(user["created_at"]),
}
SESSIONS: Columns = {
    "ID": lambda session: session["id"],
    "USER": lambda session: session["user"],
    "ROLE": lambda session: session["role"],
    "FROM": lambda session: session["origin"],
    "SIGNED IN": lambda session: age(session["created_at"]),
    "SEEN": lambda session: age(session["last_seen"]),
}
ME: Columns = {
    "Name": lambda me: me["name"],
    "Role": lambda me: me["role"],
    "Kind": lambda me: me["kind"],
}
Name = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")]
RoleOption = Annotated[str, typer.Option("--role", help="viewer, operator or admin.")]


@app.command("ls")
def list_users(context: typer.Context) -> None:
    """List the people who have a name here.

    Example: daemondeck user ls
    """
    options = options_of(context)
    if acts_here(options):
        users = look_here(options, lambda access: access.users.list())
        show(options, [plain(user.as_dict()) for user in users], COLUMNS)
        return
    with options.deck() as deck:
        show(options, deck.get("/users")["items"], COLUMNS)


@app.command("add")
def add_user(
    context: typer.Context,
    name: Name,
    role: RoleOption = "viewer",
    no_password: Annotated[bool, typer.Option("--no-password", help="Only a proxy or a link lets them in.")] = False,
) -> None:
    """Add a person; the password is asked for, or read from the first line of stdin.

    Example: daemondeck user add ana --role operator
    """
    options = options_of(context)
    wanted = role_named(role)
    password = None if no_password else read_password(name)
    if acts_here(options):
        user = do_here(options, "user add", name, lambda access: access.users.add(name, wanted, password))
        done: dict[str, Any] = plain(user.as_dict())
    else:
        with options.deck() as deck:
            done = deck.post("/users", {"name": name, "role": role, "password": password})
    _tell(options, done, f"{done['name']}: added as {done['role']}.")


@app.command("role")
def change_role(
    context: typer.Context,
    name: Name,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="viewer, operator or admin.")],
) -> None:
    """Give a person another role; they have to sign in again. One admin always remains.

    Example: daemondeck user role ana admin
    """
    options = options_of(context)
    wanted = role_named(role)
    if acts_here(options):
        user = do_here(options, "user change", name, lambda access: access.users.change_role(name, wanted))
        done: dict[str, Any] = plain(user.as_dict())
    else:
        with options.deck() as deck:
            done = deck.patch(f"/users/{segment(name)}", {"role": role})
    _tell(options, done, f"{done['name']}: {done['role']}.")


@app.command("reset-password")
def reset_password(context: typer.Context, name: Name) -> None:
    """Give a person another password and sign them out; it is asked for, or read from the first line of stdin.

    Example: daemondeck user reset-password ana
    """
    options = options_of(context)
    password = read_password(name)
    if acts_here(options):
        user = do_here(options, "user password", name, lambda access: access.users.set_password(name, password))
        done: dict[str, Any] = plain(user.as_dict())
    else:
        with options.deck() as deck:
            done = deck.post(f"/users/{segment(name)}/password", {"password": password})
    _tell(options, done, f"{done['name']}: the password is changed.")


@app.command("rm")
def remove_user(context: typer.Context, name: Name) -> None:
    """Remove a person and sign them out. One admin always remains.

    Example: daemondeck user rm ana
    """
    options = options_of(context)
    if acts_here(options):
        do_here(options, "user remove", name, lambda access: access.users.remove(name))
    else:
        with options.deck() as deck:
            deck.delete(f"/users/{segment(name)}")
    note(options, f"{name}: removed.")


@app.command("sessions")
def list_sessions(context: typer.Context) -> None:
    """List the browsers that are signed in.

    Example: daemondeck user sessions
    """
    options = options_of(context)
    if acts_here(options):
        sessions = look_here(options, lambda access: access.sessions())
        show(options, [plain(session.as_dict()) for session in sessions], SESSIONS, name="id")
        return
    with options.deck() as deck:
        show(options, deck.get("/sessions")["items"], SESSIONS, name="id")


@app.command("sign-out")
def sign_out(
    context: typer.Context,
    session_id: Annotated[str | None, typer.Argument(metavar="ID", help="The session to end.")] = None,
    everybody: Annotated[bool, typer.Option("--all", help="End every session.")] = False,
) -> None:
    """Sign one browser out, or all.

    Example: daemondeck user sign-out --all
    """
    options = options_of(context)
    if (session_id is None) != everybody:
        raise typer.BadParameter("Give the ID of a session, or --all.")
    if session_id is not None:
        _end_one(options, session_id)
        note(options, f"{session_id}: signed out.")
        return
    if acts_here(options):
        ended = do_here(options, "session end-all", "", lambda access: access.sign_out_everywhere())
    else:
        with options.deck() as deck:
            ended = deck.post("/sessions/end-all")["ended"]
    note(options, f"{ended} signed out.")


@app.command("me")
def show_me(context: typer.Context) -> None:
    """Show as whom these commands act on the deck.

    Example: daemondeck user me
    """
    options = options_of(context)
    with options.deck() as deck:
        show_one(options, deck.get("/me"), ME)


def read_password(name: str) -> str:
    """Return a password typed twice by a person, or the first line that a program pipes in."""
    if sys.stdin.isatty():
        typed: str = typer.prompt(f"Password of {name}", hide_input=True, confirmation_prompt=True, err=True)
        return typed
    return sys.stdin.readline().rstrip("\r\n")


def _end_one(options: Options, session_id: str) -> None:
    if acts_here(options):
        do_here(options, "session remove", session_id, lambda access: access.end_session(session_id))
        return
    with options.deck() as deck:
        deck.delete(f"/sessions/{segment(session_id)}")


def _tell(options: Options, user: dict[str, Any], sentence: str) -> None:
    if options.is_table:
        note(options, sentence)
    else:
        show_one(options, user, COLUMNS)
