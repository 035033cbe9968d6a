"""Any 0x number: traces of "#2 0x1234" and "[<0x1234>]", and numbers where words before say what they are."""

import re

from uniobs.image.console.found import Address, Fact, address

_FRAME = re.compile(r"(?:^|\s)#(\d{1,4}):?\s+(0x[0-9a-fA-F]{4,16})\b")
_NUMBER = re.compile(r"(?<![\w.])(0x[0-9a-fA-F]{4,16})(?![\w.])")
_BRACKETS = re.compile(r"\[<(?:0x)?([0-9a-fA-F]{4,16})>\]")
_SAID = re.compile(
    r"\b(?:[re]?ip|pc|instruction pointer|in function|caller|called from|returns? (?:to|address)|entry)"
    r"(?: is| at)?\s*[:=]?\s*[<(\[]?$",
    re.IGNORECASE,
)


class Generic:
    def read(self, text: str) -> list[Address | Fact]:
        found: list[Address | Fact] = []
        frame = _FRAME.search(text) if "#" in text else None
        if frame:
            return [address(frame, 2, "return" if int(frame[1]) else "pc")]
        if "[<" in text:
            found += [address(match, 1, "return") for match in _BRACKETS.finditer(text)]
        if "0x" not in text:
            return found
        for match in _NUMBER.finditer(text):
            before = text[max(0, match.start() - 40) : match.start()]
            said = _SAID.search(before)
            if said is None:
                found.append(address(match, 1, "word"))
            else:
                found.append(address(match, 1, "return" if said[0][:3].lower() in ("cal", "ret") else "pc"))
        return found
