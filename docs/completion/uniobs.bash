# Completion of uniobs: made of its commands' definitions by `uniobs completion bash`.

_uniobs_commands='ls why ps top bt netstat ss strace tcpdump dmesg vmstat counters core tui record diff gdb shell symbolise doctor completion'

_uniobs_options() {
    case $1 in
    'ls') printf '%s\n' --image --help --json --color ;;
    'why') printf '%s\n' -w --watch --help -g --guest --image --at --debug-dir --force --json --color ;;
    'ps') printf '%s\n' -e -A -f -F -L -T -l -w -m -H -j -y -o --format -O -p -t -C --sort --no-headers --no-heading --columns --help -g --guest --image --at --debug-dir --force --json --color ;;
    'top') printf '%s\n' -b --batch -H --threads -n --iterations -d --delay -o --sort --help -g --guest --image --at --debug-dir --force --json --color ;;
    'bt') printf '%s\n' -t -p --help -g --guest --image --at --debug-dir --force --json --color ;;
    'netstat') printf '%s\n' -t --tcp -u --udp -w --raw -a --all -l --listening -n --numeric -p --programs -e --extend -W --wide -4 -i --interfaces -r --route -s --statistics --help -g --guest --image --at --debug-dir --force --json --color ;;
    'ss') printf '%s\n' -t --tcp -u --udp -w --raw -a --all -l --listening -n --numeric -p --processes -i --info -o --options -e --extended -H --no-header -O --oneline -4 --ipv4 --help -g --guest --image --at --debug-dir --force --json --color ;;
    'strace') printf '%s\n' -f --follow-forks -e --trace -T --syscall-times -t -r --relative-timestamps -y --decode-fds -s --string-limit -p --attach -z --successful-only -Z --failed-only -c --summary-only -C --summary -o --output -q --quiet -n --count --last --help -g --guest --image --at --debug-dir --force --json --color ;;
    'tcpdump') printf '%s\n' -i --interface -w -r --format -c --count -s --snapshot-length -n -v --verbose -q --quick -e --link -t -x -X -A -S --absolute-tcp-sequence-numbers '-#' --number -D --list-interfaces -U --packet-buffered -l -p --no-promiscuous-mode --vmm --last --help -g --guest --image --at --debug-dir --force --json --color ;;
    'dmesg') printf '%s\n' -w --follow -W --follow-new -T --ctime -l --level -x --decode -t --notime -J -p -n --count --symbolise -H --human -P --nopager --help -g --guest --image --at --debug-dir --force --json --color ;;
    'vmstat') printf '%s\n' -n --one-header -w --wide -t --timestamp --help -g --guest --image --at --debug-dir --force --json --color ;;
    'counters') printf '%s\n' --help -g --guest --image --at --debug-dir --force --json --color ;;
    'core') printf '%s\n' --help -g --guest --image --at --debug-dir --force --json --color ;;
    'core take') printf '%s\n' -o --output -f --force -z --compress --fix --help -g --guest --image --at --debug-dir --json --color ;;
    'core fix') printf '%s\n' -o --output --in-place --undo -f --force --help -g --guest --image --at --debug-dir --json --color ;;
    'core show') printf '%s\n' -o --output --html --source-dir -d --help -g --guest --image --at --debug-dir --force --json --color ;;
    'tui') printf '%s\n' --keys --theme --interval --serve --port --help -g --guest --image --at --debug-dir --force --json --color ;;
    'record') printf '%s\n' -o --output -f --force --hz --for --max-size --max-age --registers --help -g --guest --image --at --debug-dir --json --color ;;
    'diff') printf '%s\n' --image --view --help --json --color ;;
    'gdb') printf '%s\n' --print --help -g --guest --image --at --debug-dir --force --json --color ;;
    'shell') printf '%s\n' -c -f --file --drgn --help -g --guest --image --at --debug-dir --force --json --color ;;
    'symbolise') printf '%s\n' --image --debug-dir --bias --slide -i --inlines --no-inlines --only --calls --help --json --color ;;
    'doctor') printf '%s\n' --help -g --guest --image --at --debug-dir --force --json --color ;;
    'completion') printf '%s\n' --guests --help --json --color ;;
    esac
}

_uniobs_option() {
    case "$1 $2" in
    'ls --image') echo 'file' ;;
    'ls --color') echo 'word auto always never' ;;
    'why -w'|'why --watch') echo 'nothing' ;;
    'why -g'|'why --guest') echo 'guest' ;;
    'why --image') echo 'file' ;;
    'why --at') echo 'nothing' ;;
    'why --debug-dir') echo 'directory' ;;
    'why --color') echo 'word auto always never' ;;
    'ps -o'|'ps --format') echo 'column tid name stat state wchan wait pcpu cpu_time_ns stack_used stack_size comm cpu switches started_ns age_ns entry stack_lo stack_hi saved_sp idle current os_tid torn' ;;
    'ps -O') echo 'column tid name stat state wchan wait pcpu cpu_time_ns stack_used stack_size comm cpu switches started_ns age_ns entry stack_lo stack_hi saved_sp idle current os_tid torn' ;;
    'ps -p'|'ps -t') echo 'nothing' ;;
    'ps -C') echo 'nothing' ;;
    'ps --sort') echo 'column tid name stat state wchan wait pcpu cpu_time_ns stack_used stack_size comm cpu switches started_ns age_ns entry stack_lo stack_hi saved_sp idle current os_tid torn' ;;
    'ps -g'|'ps --guest') echo 'guest' ;;
    'ps --image') echo 'file' ;;
    'ps --at') echo 'nothing' ;;
    'ps --debug-dir') echo 'directory' ;;
    'ps --color') echo 'word auto always never' ;;
    'top -n'|'top --iterations') echo 'nothing' ;;
    'top -d'|'top --delay') echo 'nothing' ;;
    'top -o'|'top --sort') echo 'column tid name stat state wchan wait pcpu cpu_time_ns stack_used stack_size comm cpu switches started_ns age_ns entry stack_lo stack_hi saved_sp idle current os_tid torn' ;;
    'top -g'|'top --guest') echo 'guest' ;;
    'top --image') echo 'file' ;;
    'top --at') echo 'nothing' ;;
    'top --debug-dir') echo 'directory' ;;
    'top --color') echo 'word auto always never' ;;
    'bt -t'|'bt -p') echo 'nothing' ;;
    'bt -g'|'bt --guest') echo 'guest' ;;
    'bt --image') echo 'file' ;;
    'bt --at') echo 'nothing' ;;
    'bt --debug-dir') echo 'directory' ;;
    'bt --color') echo 'word auto always never' ;;
    'netstat -g'|'netstat --guest') echo 'guest' ;;
    'netstat --image') echo 'file' ;;
    'netstat --at') echo 'nothing' ;;
    'netstat --debug-dir') echo 'directory' ;;
    'netstat --color') echo 'word auto always never' ;;
    'ss -g'|'ss --guest') echo 'guest' ;;
    'ss --image') echo 'file' ;;
    'ss --at') echo 'nothing' ;;
    'ss --debug-dir') echo 'directory' ;;
    'ss --color') echo 'word auto always never' ;;
    'strace -e'|'strace --trace') echo 'nothing' ;;
    'strace -s'|'strace --string-limit') echo 'nothing' ;;
    'strace -p'|'strace --attach') echo 'nothing' ;;
    'strace -o'|'strace --output') echo 'file' ;;
    'strace -n'|'strace --count') echo 'nothing' ;;
    'strace -g'|'strace --guest') echo 'guest' ;;
    'strace --image') echo 'file' ;;
    'strace --at') echo 'nothing' ;;
    'strace --debug-dir') echo 'directory' ;;
    'strace --color') echo 'word auto always never' ;;
    'tcpdump -i'|'tcpdump --interface') echo 'nothing' ;;
    'tcpdump -w') echo 'file' ;;
    'tcpdump -r') echo 'file' ;;
    'tcpdump --format') echo 'word pcapng pcap' ;;
    'tcpdump -c'|'tcpdump --count') echo 'nothing' ;;
    'tcpdump -s'|'tcpdump --snapshot-length') echo 'nothing' ;;
    'tcpdump -g'|'tcpdump --guest') echo 'guest' ;;
    'tcpdump --image') echo 'file' ;;
    'tcpdump --at') echo 'nothing' ;;
    'tcpdump --debug-dir') echo 'directory' ;;
    'tcpdump --color') echo 'word auto always never' ;;
    'dmesg -l'|'dmesg --level') echo 'nothing' ;;
    'dmesg -p') echo 'nothing' ;;
    'dmesg -n'|'dmesg --count') echo 'nothing' ;;
    'dmesg -g'|'dmesg --guest') echo 'guest' ;;
    'dmesg --image') echo 'file' ;;
    'dmesg --at') echo 'nothing' ;;
    'dmesg --debug-dir') echo 'directory' ;;
    'dmesg --color') echo 'word auto always never' ;;
    'vmstat -g'|'vmstat --guest') echo 'guest' ;;
    'vmstat --image') echo 'file' ;;
    'vmstat --at') echo 'nothing' ;;
    'vmstat --debug-dir') echo 'directory' ;;
    'vmstat --color') echo 'word auto always never' ;;
    'counters -g'|'counters --guest') echo 'guest' ;;
    'counters --image') echo 'file' ;;
    'counters --at') echo 'nothing' ;;
    'counters --debug-dir') echo 'directory' ;;
    'counters --color') echo 'word auto always never' ;;
    'core -g'|'core --guest') echo 'guest' ;;
    'core --image') echo 'file' ;;
    'core --at') echo 'nothing' ;;
    'core --debug-dir') echo 'directory' ;;
    'core --color') echo 'word auto always never' ;;
    'core take -o'|'core take --output') echo 'file' ;;
    'core take -g'|'core take --guest') echo 'guest' ;;
    'core take --image') echo 'file' ;;
    'core take --at') echo 'nothing' ;;
    'core take --debug-dir') echo 'directory' ;;
    'core take --color') echo 'word auto always never' ;;
    'core fix -o'|'core fix --output') echo 'file' ;;
    'core fix -g'|'core fix --guest') echo 'guest' ;;
    'core fix --image') echo 'file' ;;
    'core fix --at') echo 'nothing' ;;
    'core fix --debug-dir') echo 'directory' ;;
    'core fix --color') echo 'word auto always never' ;;
    'core show -o'|'core show --output') echo 'file' ;;
    'core show --html') echo 'file' ;;
    'core show --source-dir'|'core show -d') echo 'directory' ;;
    'core show -g'|'core show --guest') echo 'guest' ;;
    'core show --image') echo 'file' ;;
    'core show --at') echo 'nothing' ;;
    'core show --debug-dir') echo 'directory' ;;
    'core show --color') echo 'word auto always never' ;;
    'tui --keys') echo 'word htop vim k9s' ;;
    'tui --theme') echo 'word auto dark light 16' ;;
    'tui --interval') echo 'nothing' ;;
    'tui --port') echo 'nothing' ;;
    'tui -g'|'tui --guest') echo 'guest' ;;
    'tui --image') echo 'file' ;;
    'tui --at') echo 'nothing' ;;
    'tui --debug-dir') echo 'directory' ;;
    'tui --color') echo 'word auto always never' ;;
    'record -o'|'record --output') echo 'file' ;;
    'record --hz') echo 'nothing' ;;
    'record --for') echo 'nothing' ;;
    'record --max-size') echo 'nothing' ;;
    'record --max-age') echo 'nothing' ;;
    'record -g'|'record --guest') echo 'guest' ;;
    'record --image') echo 'file' ;;
    'record --at') echo 'nothing' ;;
    'record --debug-dir') echo 'directory' ;;
    'record --color') echo 'word auto always never' ;;
    'diff --image') echo 'file' ;;
    'diff --view') echo 'nothing' ;;
    'diff --color') echo 'word auto always never' ;;
    'gdb -g'|'gdb --guest') echo 'guest' ;;
    'gdb --image') echo 'file' ;;
    'gdb --at') echo 'nothing' ;;
    'gdb --debug-dir') echo 'directory' ;;
    'gdb --color') echo 'word auto always never' ;;
    'shell -c') echo 'nothing' ;;
    'shell -f'|'shell --file') echo 'file' ;;
    'shell -g'|'shell --guest') echo 'guest' ;;
    'shell --image') echo 'file' ;;
    'shell --at') echo 'nothing' ;;
    'shell --debug-dir') echo 'directory' ;;
    'shell --color') echo 'word auto always never' ;;
    'symbolise --image') echo 'file' ;;
    'symbolise --debug-dir') echo 'directory' ;;
    'symbolise --bias') echo 'file' ;;
    'symbolise --slide') echo 'nothing' ;;
    'symbolise --color') echo 'word auto always never' ;;
    'doctor -g'|'doctor --guest') echo 'guest' ;;
    'doctor --image') echo 'file' ;;
    'doctor --at') echo 'nothing' ;;
    'doctor --debug-dir') echo 'directory' ;;
    'doctor --color') echo 'word auto always never' ;;
    'completion --color') echo 'word auto always never' ;;
    *) return 1 ;;
    esac
}

_uniobs_target() {
    case $1 in
    'ls') _uniobs_values file ;;
    'why') _uniobs_values guest; _uniobs_values file ;;
    'ps') _uniobs_values guest; _uniobs_values file ;;
    'top') _uniobs_values guest; _uniobs_values file ;;
    'bt') _uniobs_values guest; _uniobs_values file ;;
    'netstat') _uniobs_values guest; _uniobs_values file ;;
    'ss') _uniobs_values guest; _uniobs_values file ;;
    'strace') _uniobs_values guest; _uniobs_values file ;;
    'tcpdump') _uniobs_values guest; _uniobs_values file ;;
    'dmesg') _uniobs_values guest; _uniobs_values file ;;
    'vmstat') _uniobs_values guest; _uniobs_values file ;;
    'counters') _uniobs_values guest; _uniobs_values file ;;
    'core') _uniobs_values word take fix show; _uniobs_values guest; _uniobs_values file ;;
    'core take') _uniobs_values guest; _uniobs_values file ;;
    'core fix') _uniobs_values guest; _uniobs_values file ;;
    'core show') _uniobs_values guest; _uniobs_values file ;;
    'tui') _uniobs_values guest; _uniobs_values file ;;
    'record') _uniobs_values guest; _uniobs_values file ;;
    'diff') _uniobs_values file ;;
    'gdb') _uniobs_values guest; _uniobs_values file ;;
    'shell') _uniobs_values guest; _uniobs_values file ;;
    'symbolise') _uniobs_values file ;;
    'doctor') _uniobs_values guest; _uniobs_values file ;;
    'completion') _uniobs_values word bash zsh fish ;;
    help) _uniobs_values word $_uniobs_commands ;;
    esac
}

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
