"""For zsh's completion system: a file named _uniobs on $fpath, or what `source` reads after compinit."""

from uniobs.cli import definitions as d

FRAME = r"""
_uniobs_guests() {
    local -a guests
    local name about
    while IFS=$'\t' read -r name about; do
        guests+=("${${name//\\/\\\\}//:/\\:}:$about")
    done < <(uniobs completion --guests 2>/dev/null)
    _describe -t guests guest guests
}

_uniobs_target() { _alternative 'guests:guest:_uniobs_guests' 'files:core, recording or memory file:_files'; }

_uniobs() {
    local curcontext=$curcontext state line
    _arguments -C '(- *)--help[what there is]' '(- *)--version[its version]' \
        '1:command:->command' '*::word:->words'
    case $state in
    command) _describe -t commands command _uniobs_commands ;;
    words)
        local command=$words[1] # which is the command
        if [[ $command == core && $words[2] == (take|fix|show) ]] && ((CURRENT > 2)); then
            command="core-$words[2]"
            shift words
            ((CURRENT--))
        fi
        curcontext="${curcontext%:*:*}:uniobs-$command:"
        (( $+functions[_uniobs-$command] )) && _uniobs-$command
        ;;
    esac
}

if [[ $funcstack[1] == _uniobs ]]; then
    _uniobs "$@"
elif (( $+functions[compdef] )); then
    compdef _uniobs uniobs
fi
"""


def script(found: list[d.Definition]) -> str:
    lines = [f"    {_quoted(f'{one.name}:{one.about}')}\n" for one in found if " " not in one.name]
    commands = f"\n_uniobs_commands=(\n{''.join(lines)}    'help:what a command answers'\n)\n"
    return commands + "".join(_function(one) for one in found) + _help() + FRAME


def _help() -> str:
    return "\n_uniobs-help() { _describe -t commands command _uniobs_commands; }\n"


def _function(one: d.Definition) -> str:
    specs = [spec for option in one.options for spec in _specs(option)]
    specs += _words(one)
    name = f"_uniobs-{one.name.replace(' ', '-')}"
    return f"\n{name}() {{\n    _arguments -s -S \\\n        " + " \\\n        ".join(specs) + "\n}\n"


def _specs(option: d.Option) -> list[str]:
    """One a flag: what -h, --help take together excludes the other."""
    about = option.about.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    others = "*" if option.repeatable else f"({' '.join(option.flags)})"
    if option.metavar:
        metavar = option.metavar.replace(":", "\\:")
        value = f":{metavar}:{_action(option)}"
        return [_quoted(f"{others}{flag}{_joint(flag)}[{about}]{value}") for flag in option.flags]
    return [_quoted(f"{others}{flag}[{about}]") for flag in option.flags]


def _joint(flag: str) -> str:
    """-o VALUE and -oVALUE; --format VALUE and --format=VALUE."""
    return "=" if flag.startswith("--") else "+"


def _action(option: d.Option) -> str:
    if option.value == d.COLUMN:
        return f"_values -s , column {' '.join(option.choices)}"
    actions = {d.GUEST: "_uniobs_guests", d.FILE: "_files", d.DIRECTORY: "_files -/", d.NOTHING: " "}
    return actions.get(option.value) or f"({' '.join(option.choices)})"


def _words(one: d.Definition) -> list[str]:
    if one.choices and one.words == d.GUEST:
        verbs = f"_alternative 'verbs:verb:({' '.join(one.choices)})' 'targets:target:_uniobs_target'"
        return [_quoted(f"1: :{{{verbs}}}"), _quoted("*: : ")]
    if one.choices:
        return [_quoted(f"1: :({' '.join(one.choices)})")]
    if one.words == d.GUEST:
        return [_quoted("1:target:_uniobs_target"), _quoted("*: : ")]
    return [_quoted("*:file:_files")] if one.words == d.FILE else []


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
