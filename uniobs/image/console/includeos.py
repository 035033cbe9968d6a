"""IncludeOS: "[2]   201a30 + 0x04f: Service::start()", from its sources (print_backtrace); where a function
begins, and how far into it a call returns. Without a symbol the address stands for itself."""

import re

from uniobs.image.console.found import NUMBER, Address, Fact, number

_LINE = re.compile(rf"^\s*\[\d{{1,3}}\]\s+({NUMBER}) \+ 0x([0-9a-f]{{3,8}}): (.{{1,1024}})$")


class IncludeOs:
    def read(self, text: str) -> list[Address | Fact]:
        line = _LINE.match(text.rstrip())
        if line is None:
            return []
        value, offset = number(line[1]) + number(line[2]), number(line[2])
        found = Address(value, "return", line.start(1), line.end(2))
        named = not re.fullmatch(NUMBER, line[3])
        return [found._replace(name=line[3], offset=offset) if named else found]
