"""uniobs doctor: what is missing, and what each costs."""

from uniobs.cli import args, session
from uniobs.errors import EXIT_FINDING, EXIT_OK, UniobsError


def make_parser() -> args.Parser:
    return args.parser(
        "doctor",
        "What is missing on this host, or for one guest, and what each costs.",
        doc="Exit 1: something is.",
    )


def run(argv: list[str]) -> int:
    options = args.parse(make_parser(), argv)
    out = session.out_for(options)
    from uniobs.cli import render
    from uniobs.model import registry

    view = registry.load(registry.VIEWS, "doctor")
    if options.words or options.guest:
        try:
            with session.opened(options, out) as (target, words):
                session.refuse_words(words, "doctor")
                table, name = view.rows(target), target.name
        except UniobsError as error:
            out.notice(str(error))
            table, name = view.rows(None), None
            render.show(out, "doctor", name, table)
            return error.exit_code
    else:
        table, name = view.rows(None), None
    render.show(out, "doctor", name, table)
    return EXIT_FINDING if any(row["status"] == "missing" for row in table.rows) else EXIT_OK
