"""For bash, 4 or newer; bash-completion isn't needed."""

from uniobs.cli import definitions as d

# compgen -W would expand $(...) in a guest's name: the names are only ever compared.
FRAME = r"""
_uniobs_pick() { # those of the lines on stdin that begin as the current word
    local line
    while IFS= read -r line; do
        [[ $line == "$cur"* ]] && COMPREPLY+=("$line")
    done
}

_uniobs_values() { # values of KIND [CHOICES]
    local kind=$1 before=
    shift
    case $kind in
    word) _uniobs_pick < <(printf '%s\n' "$@") ;;
    column)
        before=${cur%"${cur##*,}"} cur=${cur##*,}
        _uniobs_pick < <(printf '%s\n' "$@")
        COMPREPLY=("${COMPREPLY[@]/#/$before}")
        compopt -o nospace 2>/dev/null
        ;;
    guest)
        compopt -o filenames 2>/dev/null
        _uniobs_pick < <(uniobs completion --guests 2>/dev/null | cut -f 1)
        ;;
    file)
        compopt -o filenames 2>/dev/null
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur")
        ;;
    directory)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
        ;;
    esac
}

_uniobs() {
    local cur=${COMP_WORDS[COMP_CWORD]} option= command= words=() i word
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $word == = ]]; then # --option=value comes as three words
            option=${COMP_WORDS[i - 1]}
        elif [[ -n $option && $word != -* ]]; then
            option=
        elif [[ $word == -- ]]; then
            return
        elif [[ $word == -* ]]; then
            _uniobs_option "$command" "$word" >/dev/null && option=$word || option=
        elif [[ -z $command || $command == help ]]; then
            command=$word
        elif [[ $command == core && ${#words[@]} == 0 && " take fix show " == *" $word "* ]]; then
            command="core $word"
        else
            words+=("$word")
        fi
    done
    if [[ $cur == = ]]; then
        option=${COMP_WORDS[COMP_CWORD - 1]} cur=
    fi
    if [[ -z $command ]]; then
        _uniobs_pick < <(printf '%s\n' $_uniobs_commands help --help --version)
    elif [[ -n $option ]]; then
        local kinds
        kinds=$(_uniobs_option "$command" "$option") && eval "_uniobs_values $kinds"
    elif [[ $cur == -* ]]; then
        _uniobs_pick < <(_uniobs_options "$command")
    elif [[ ${#words[@]} == 0 || " ls diff symbolise " == *" $command "* ]]; then
        _uniobs_target "$command"
    fi
}

complete -F _uniobs uniobs
"""


def script(found: list[d.Definition]) -> str:
    names = " ".join(one.name for one in found if " " not in one.name)
    parts = [f"\n_uniobs_commands='{names}'\n"]
    parts += [_options(found), _option_values(found), _target(found)]
    return "".join(parts) + FRAME


def _case(name: str, arms: list[tuple[str, str]], rest: str = "") -> str:
    lines = [f"    {pattern}) {what} ;;\n" for pattern, what in arms]
    return f"\n{name}() {{\n    case $1 in\n{''.join(lines)}{rest}    esac\n}}\n"


def _options(found: list[d.Definition]) -> str:
    """_uniobs_options COMMAND prints its options, a line each."""
    arms = []
    for one in found:
        flags = " ".join(flag for option in one.options for flag in option.flags)
        arms.append((f"'{one.name}'", f"printf '%s\\n' {flags.replace('-#', chr(39) + '-#' + chr(39))}"))
    return _case("_uniobs_options", arms)


def _option_values(found: list[d.Definition]) -> str:
    """_uniobs_option COMMAND OPTION prints the kind of its value, or fails when it takes none."""
    arms: list[tuple[str, str]] = []
    for one in found:
        for option in one.options:
            if option.metavar:
                names = "|".join(f"'{one.name} {flag}'" for flag in option.flags)
                arms.append((names, f"echo '{' '.join((option.value, *option.choices))}'"))
    made = _case("_uniobs_option", arms, "    *) return 1 ;;\n")
    return made.replace("case $1 in", 'case "$1 $2" in')


def _target(found: list[d.Definition]) -> str:
    """_uniobs_target COMMAND: what its words are."""
    arms = []
    for one in found:
        wanted = [f"_uniobs_values word {' '.join(one.choices)}"] if one.choices else []
        if one.words == d.GUEST:
            wanted.append("_uniobs_values guest")
        if one.words in (d.GUEST, d.FILE):
            wanted.append("_uniobs_values file")
        if wanted:
            arms.append((f"'{one.name}'", "; ".join(wanted)))
    arms.append(("help", "_uniobs_values word $_uniobs_commands"))
    return _case("_uniobs_target", arms)
