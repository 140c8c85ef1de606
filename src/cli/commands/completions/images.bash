
# Images: transports, and paths behind those that name a place here. Nothing is asked of a network.
_layerpress_words() {
    local line=${COMP_LINE:0:COMP_POINT} word before previous transports='' kept='' path with_files=1
    word=${line##*[[:space:]]}
    before=${line%"$word"}
    before=${before%"${before##*[![:space:]]}"}
    previous=${before##*[[:space:]]}
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
    # Behind a colon readline replaces only what follows it, where a colon ends a word.
    [[ $COMP_WORDBREAKS == *:* ]] || kept=${word%"$path"}
    case $word in
    docker://* | docker-daemon:*)
        compopt +o default +o bashdefault
        COMPREPLY=()
        ;;
    @PLACES@)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -P "$kept" -- "$path")
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
        ;;
    esac
}

if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
    complete -F _layerpress_words -o bashdefault -o default layerpress
fi
