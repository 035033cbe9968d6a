"""uniobs symbolise: names and lines on the addresses of a console log."""

import os
import re
import stat
import sys
from typing import TYPE_CHECKING, Any

from uniobs.cli import args, session
from uniobs.errors import EXIT_INCOMPLETE, EXIT_MISMATCH, EXIT_OK, NoSuchTarget, UsageError

if TYPE_CHECKING:
    from uniobs.cli.output import Output
    from uniobs.image.console import Annotator
    from uniobs.image.console.placed import Image

DOC = """\
Reads what Unikraft, Nanos, Solo5, OSv, IncludeOS, Hermit or the reference guest printed, and adds
"  <- function file:line" to each line whose address it can name. Without FILE, or with -, it reads stdin
as it comes:  qemu-system-x86_64 ... -serial stdio | uniobs symbolise --image kernel.elf
Images that were named once are found again for a FILE that proves them. 0x... words are looked up alone.
Exit: 0 fine, 4 a crash's addresses lie in no image, 7 the log isn't the image's.
"""
_ADDRESS = re.compile(r"(0[xX])?[0-9a-fA-F]{1,16}")


def make_parser() -> args.Parser:
    parser = args.parser(
        "symbolise",
        "Puts names and lines on the addresses of a console log.",
        words="[FILE | - | ADDRESS...]",
        target=False,
        doc=DOC,
    )
    own = parser.add_argument_group("symbolise")
    own.add_argument("--image", action="append", default=[], metavar="FILE", help="an ELF; repeatable")
    args.debug_folders(own)
    own.add_argument(
        "--bias", action="append", default=[], metavar="IMAGE=ADDR", help="what is added to its addresses"
    )
    own.add_argument("--slide", metavar="ADDR", help="--bias of the first --image")
    own.add_argument(
        "-i", "--inlines", action="store_true", default=True, help="show inlined functions (it does anyway)"
    )
    own.add_argument("--no-inlines", dest="inlines", action="store_false", help="only the outermost function")
    own.add_argument("--only", action="store_true", help="only the lines that have a name to them")
    own.add_argument("--calls", action="store_true", help="ADDRESS... are return addresses")
    return parser


def run(argv: list[str]) -> int:
    options = args.parse(make_parser(), argv)
    out = session.out_for(options)
    images = _images(options)
    words: list[str] = options.words
    if words and all(_ADDRESS.fullmatch(word) for word in words) and not os.path.exists(words[0]):
        return _addresses(out, images, [int(word, 16) for word in words], options)
    if len(words) > 1:
        raise UsageError(f"one log at a time, not {words[1]!r} too (uniobs symbolise --help)")
    return _log(out, images, words[0] if words else "-", options)


def _images(options: Any) -> "list[Image]":
    from uniobs.image.console.placed import Image
    from uniobs.target.imagefile import load_image

    biases = dict(_bias(text) for text in options.bias)
    if options.slide is not None:
        if not options.image:
            raise UsageError("--slide is that of the first --image: name one")
        biases.setdefault(os.path.basename(options.image[0]), _number(options.slide, "--slide"))
    images = []
    for path in options.image:
        bias = biases.pop(path, None)
        bias = biases.pop(os.path.basename(path), None) if bias is None else bias
        images.append(Image(load_image(path), bias))
    for name in biases:
        raise UsageError(f"--bias {name}: no --image of that name")
    return images


def _bias(text: str) -> tuple[str, int]:
    name, equals, value = text.rpartition("=")
    if not equals or not name:
        raise UsageError(f"--bias takes IMAGE=ADDR, not {text!r}")
    return name, _number(value, "--bias")


def _number(text: str, option: str) -> int:
    if not _ADDRESS.fullmatch(text):
        raise UsageError(f"{option} takes a hexadecimal address, not {text!r}")
    return int(text, 16)


def _addresses(out: "Output", images: "list[Image]", values: list[int], options: Any) -> int:
    """As addr2line does it."""
    from uniobs.cli.names import json_row, lines_of
    from uniobs.image.console import Address

    if not images:
        raise UsageError("whose addresses? name the image: --image FILE")
    missing = False
    for value in values:
        found = Address(value, "return" if options.calls else "pc", 0, 0)
        at = value - options.calls
        image = next((i for i in images if i.module.holds(at)), None)
        if image is None:
            missing = True
            if out.json:
                out.object({"address": value, "kind": found.kind, "module": None, "frames": []})
            else:
                out.line(f"{value:#x}: in no code of {', '.join(i.module.name for i in images)}")
            continue
        named = image.place(found, found.kind, value)
        if out.json:
            out.object(json_row(named, None, options.inlines))
        else:
            first, *rest = lines_of(named, options.inlines)
            out.line(f"{value:#x}: {first}")
            for text in rest:
                out.line(f"  {text}")
    return EXIT_INCOMPLETE if missing else EXIT_OK


def _log(out: "Output", images: "list[Image]", path: str, options: Any) -> int:
    from uniobs.cli.names import Stream, text_lines
    from uniobs.image.console import Annotator, Images
    from uniobs.image.console.annotate import Survey, judge, survey

    try:
        file = sys.stdin.fileno() if path == "-" else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise NoSuchTarget(f"{path}: no such file") from error
    try:
        ahead: Survey | None = None
        if stat.S_ISREG(os.fstat(file).st_mode):
            begin = os.lseek(file, 0, os.SEEK_CUR)
            ahead = survey(text_lines(file))
            os.lseek(file, begin, os.SEEK_SET)
        else:
            from uniobs.image.overwritten import guard

            guard()  # it may run for days, and images be built anew meanwhile
        if not options.image:
            images = _remembered(out, ahead)
        placed = Images(images)
        if ahead is not None:
            judge(placed, ahead)
        annotator = Annotator(placed, ahead)
        Stream(out, annotator, options).copy(file)
    finally:
        if path != "-":
            os.close(file)
    return _verdict(out, annotator)


def _remembered(out: "Output", ahead: Any) -> "list[Image]":
    from uniobs.image.console.placed import Image
    from uniobs.image.console.remembered import recognise

    if ahead is None:
        raise UsageError("a live console needs its image named: --image FILE (a log in a file may not)")
    choice = recognise(ahead)
    if choice.rivals:
        names = ", ".join(sorted(choice.rivals)[:4])
        raise UsageError(f"this log fits {len(choice.rivals)} remembered images: --image one of {names}")
    if not choice.images and ahead.addresses:
        raise UsageError("no remembered image is proven by this log: name it with --image FILE")
    for module in choice.images:
        out.notice(f"image {module.path}: remembered, and proven by this log")
    return [Image(module) for module in choice.images]


def _verdict(out: "Output", annotator: "Annotator") -> int:
    from uniobs.image import store

    code = EXIT_OK
    for image in annotator.images.images:
        if image.note:
            out.notice(image.note)
        complaint = image.complaint()
        if complaint:
            out.notice(complaint)
            code = EXIT_MISMATCH if image.fit.wrong else code
        elif not image.placed and annotator.unknown:
            out.notice(
                f"where {image.module.name} lies, this log doesn't say: --bias {image.module.name}=ADDR"
            )
        elif image.fit.sure:
            store.remember(image.module)
    if code == EXIT_OK and annotator.unknown:
        shown = ", ".join(f"{value:#x}" for value in list(annotator.unknown)[:4])
        more = " ..." if len(annotator.unknown) > 4 else ""
        out.notice(f"in no image: {shown}{more}; --image FILE names another one")
        code = EXIT_INCOMPLETE
    return code
