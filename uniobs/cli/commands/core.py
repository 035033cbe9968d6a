"""uniobs core: take a core of a guest, make one readable for gdb and drgn, or report on one."""

from uniobs.cli import args, session
from uniobs.errors import UsageError

DOC = """\
core take TARGET -o FILE   writes an ELF core: QEMU by itself through QMP, a hosted guest through gdb's gcore
                           (-z: kdump-compressed, by QEMU)
core fix FILE [-o FILE]    a copy that stock gdb and drgn read right: every guest thread, true values
core show TARGET           one report: verdict, cause, registers, source, stacks, locks, last events...
core TARGET                the same; core show --help tells its options (-o report.html)
"""
TAKE_DOC = """\
QEMU writes it by itself, through QMP; of a hosted guest gdb's gcore takes it. It stands still meanwhile.
Then: uniobs core show FILE, uniobs bt FILE, every other command.
"""


def make_parser() -> args.Parser:
    return args.parser("core", "Take a core of a guest, fix one, or report on one.", doc=DOC)


def make_take_parser() -> args.Parser:
    parser = args.parser("core take", "Take a core of a running guest.", doc=TAKE_DOC, force_is_own=True)
    parser.add_argument("-o", "--output", metavar="FILE", help="the core (TARGET.core)")
    parser.add_argument("-f", "--force", action="store_true", help="overwrite FILE")
    parser.add_argument("-z", "--compress", action="store_true", help="kdump-compressed: smaller")
    parser.add_argument("--fix", action="store_true", help="and make it readable for gdb and drgn (core fix)")
    return parser


def run(argv: list[str]) -> int:
    verb = next((word for word in argv if not word.startswith("-")), None)
    if verb == "take":
        return _take([word for n, word in enumerate(argv) if n != argv.index("take")])
    if verb == "fix":
        from uniobs.cli import corefix

        return corefix.command([word for n, word in enumerate(argv) if n != argv.index("fix")])
    if verb is None and "--help" in argv:
        args.parse(make_parser(), argv)
    from uniobs.cli.report import command

    return command.run(argv)


def _take(argv: list[str]) -> int:
    options = args.parse(make_take_parser(), argv)
    if options.fix and options.compress:
        raise UsageError("--fix is for an ELF core: without -z, or uniobs core fix FILE afterwards")
    out = session.out_for(options)
    from uniobs.cli import coretake

    with session.opened(options, out) as (target, words):
        session.refuse_words(words, "core take")
        file = options.output or f"{target.name}.core"
        taken = coretake.take(target, file, force=options.force, compress=options.compress)
        done = None
        if options.fix and target.kind != "process":  # gdb reads the core of a Linux process as it is
            from uniobs.cli import corefix

            done = corefix.taken(taken["file"], [str(module.path) for module in target.modules])
            taken["fix"] = done.row
        if out.json:
            from uniobs.cli import render

            out.object(render.envelope("core take", target.name, [taken], (), True))
        else:
            out.line(f"{taken['file']}: {taken['bytes'] >> 10} KiB")
            out.notice(taken["changed"])
            if done is not None:
                done.say(out)
            lead = "Next:  " if done is None else "       "
            out.line(f"{lead}uniobs why {taken['file']}     uniobs core show {taken['file']}")
    return 0
