"""For fish, 3 or newer."""

from uniobs.cli import definitions as d

FRAME = r"""
function __uniobs_words --description 'the words typed that are no options'
    string match -v -- '-*' (commandline -opc)[2..-1]
end

function __uniobs_in --description 'the command typed is this one'
    set -l words (__uniobs_words)
    test (count $words) -ge 1; or return 1
    if test "$words[1]" = core; and contains -- "$words[2]" take fix show
        test "$argv" = "core $words[2]"
    else
        test "$argv" = "$words[1]"
    end
end

function __uniobs_no_command
    test (count (__uniobs_words)) -eq 0
end

complete -c uniobs -f
complete -c uniobs -n __uniobs_no_command -l help -d 'what there is'
complete -c uniobs -n __uniobs_no_command -l version -d 'its version'
complete -c uniobs -n __uniobs_no_command -a help -d 'what a command answers'
"""


def script(found: list[d.Definition]) -> str:
    lines = [FRAME]
    for one in found:
        if " " not in one.name:
            lines.append(f"complete -c uniobs -n __uniobs_no_command -a {one.name} -d {_quoted(one.about)}\n")
    return "".join([*lines, *(_command(one) for one in found)])


def _command(one: d.Definition) -> str:
    head = f"complete -c uniobs -n '__uniobs_in {one.name}'"
    lines = [f"\n{head} {words}\n" for words in _words(one)]
    lines += [f"{head} {_option(option)}\n" for option in one.options]
    return "".join(lines)


def _option(option: d.Option) -> str:
    names = [f"-s {_quoted(flag[1:])}" for flag in option.flags if not flag.startswith("--")]
    names += [f"-l {flag[2:]}" for flag in option.flags if flag.startswith("--")]
    return " ".join([*names, *_value(option), "-d", _quoted(option.about)])


def _value(option: d.Option) -> list[str]:
    if not option.metavar:
        return []
    if option.value == d.COLUMN:
        return ["-x", "-a", f"'(__fish_append , {' '.join(option.choices)})'"]
    if option.value == d.FILE:
        return ["-r", "-F"]
    if option.value == d.DIRECTORY:
        return ["-x", "-a", "'(__fish_complete_directories)'"]
    if option.value == d.GUEST:
        return ["-x", "-a", "'(uniobs completion --guests 2>/dev/null)'"]
    return ["-x", *(["-a", _quoted(" ".join(option.choices))] if option.choices else [])]


def _words(one: d.Definition) -> list[str]:
    found = [f"-a {_quoted(' '.join(one.choices))}"] if one.choices else []
    if one.words == d.GUEST:
        found.append("-a '(uniobs completion --guests 2>/dev/null)'")
    if one.words in (d.GUEST, d.FILE):
        found.append("-F")
    return found


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
