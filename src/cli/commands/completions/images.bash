
# Names of files, each one word whatever is in it.
_layerpress_files() {
    local found
    COMPREPLY=()
    [[ "${BASH_VERSINFO[0]}" -lt 4 ]] || compopt -o filenames
    while IFS= read -r found; do
        COMPREPLY+=("$found")
    done < <(compgen -f -- "$1")
}

# No file is meant, also where nothing else fits.
_layerpress_without_files() {
    [[ "${BASH_VERSINFO[0]}" -lt 4 ]] || compopt +o default +o bashdefault
}

# The option that the value behind an equals sign belongs to: readline takes the sign for a word.
_layerpress_behind_equals() {
    if [[ $prev == = && $COMP_CWORD -ge 2 ]]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi
}

# Images: transports, and paths behind those that name a place here. Nothing is asked of a network.
_layerpress_words() {
    local line=${COMP_LINE:0:COMP_POINT} from=$((COMP_POINT - ${#2}))
    local word='' previous='' quote='' before='' transports='' path letter at with_files=1
    # The last two words without their quotes; what readline leaves of the last one, whose end it replaces.
    for ((at = 0; at < ${#line}; at++)); do
        ((at == from)) && before=$word
        letter=${line:at:1}
        case $quote$letter in
        \' | \") quote=$letter ;;
        \'\' | \"\") quote='' ;;
        \'*) word+=$letter ;;
        \\ | \"\\)
            at=$((at + 1))
            word+=${line:at:1}
            ;;
        \"*) word+=$letter ;;
        [[:space:]])
            [[ -z $word ]] || previous=$word
            word=''
            ;;
        *) word+=$letter ;;
        esac
    done
    ((at == from)) && before=$word
    case "${COMP_WORDS[1]} ${word%%=*}" in
    @OPTIONS@)
        if [[ $word == *=* ]]; then
            previous=${word%%=*}
            word=${word#*=} before=${before#"$previous="}
        fi
        ;;
    esac
    case " @VALUED@ " in
    *" $previous "*) case "${COMP_WORDS[1]} $previous" in @OPTIONS@) transports='@TRANSPORTS@' ;; esac ;;
    *) case " @COMMANDS@ " in *" ${COMP_WORDS[1]} "*) transports='@TRANSPORTS@' ;; esac
        # What is in a registry alone.
        case " @REGISTRY_COMMANDS@ " in *" ${COMP_WORDS[1]} "*) transports='docker://' with_files='' ;; esac
        case " @LAST_REGISTRY_COMMANDS@ " in *" ${COMP_WORDS[1]} "*) transports='docker://' ;; esac ;;
    esac
    if [[ -z $transports || $word == -* ]]; then
        _layerpress "$@"
        return
    fi
    path=${word#*:}
    case $word in
    docker://* | docker-daemon:*)
        compopt +o default +o bashdefault
        COMPREPLY=()
        ;;
    @PLACES@)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -P "${word%"$path"}" -- "$path")
        COMPREPLY=("${COMPREPLY[@]#"$before"}")
        ;;
    *)
        mapfile -t COMPREPLY < <(compgen -W "$transports" -- "$word")
        if [[ -z $with_files ]]; then
            compopt -o nospace +o default +o bashdefault
        elif [[ ${#COMPREPLY[@]} -eq 0 ]]; then
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
        else
            compopt -o nospace
            while IFS= read -r path; do
                COMPREPLY+=("$(printf %q "$path")")
            done < <(compgen -f -- "$word")
        fi
        COMPREPLY=("${COMPREPLY[@]#"$before"}")
        ;;
    esac
}

if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
    complete -F _layerpress_words -o bashdefault -o default layerpress
fi
