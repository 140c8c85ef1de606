
# Images: transports, and paths behind those that name a place here. Nothing is asked of a network.
function __layerpress_image
    # From fish 4 on what is typed is told as it is typed, a quotation mark that is still open with it.
    set -l quote (string match -r '^["\']' -- (commandline -ct))
    set -l word (string replace -r '^["\']' '' -- (commandline -ct))
    switch $word
        case @PLACES@
            set -l parts (string split -m 1 ':' -- $word)
            for found in (__fish_complete_path "$quote$parts[2]")
                echo "$parts[1]:$found"
            end
        case 'docker://*' 'docker-daemon:*'
        case '*'
            printf '%s\n' @TRANSPORTS@
    end
end

complete -c layerpress -n '__fish_layerpress_using_subcommand @COMMANDS@' -a '(__layerpress_image)'
complete -c layerpress -n '__fish_layerpress_using_subcommand export' -l base -r -a '(__layerpress_image)'
complete -c layerpress -n '__fish_layerpress_using_subcommand export' -s o -l output -r -a '(__layerpress_image)'
# What is in a registry alone.
complete -c layerpress -n '__fish_layerpress_using_subcommand @REGISTRY_COMMANDS@' -f -a 'docker://'
complete -c layerpress -n '__fish_layerpress_using_subcommand @LAST_REGISTRY_COMMANDS@' -a 'docker://'
# No file is meant behind these.
complete -c layerpress -n 'string match -qr -- "^[\"\']?docker(://|-daemon:)" (commandline -ct)' -f
