
# Images: transports, and paths behind those that name a place here. Nothing is asked of a network.
(( $+functions[_layerpress_image] )) ||
_layerpress_image() {
    local -a transports=(@TRANSPORTS@)
    if compset -P '(@PLACES@)'; then
        _files
    elif compset -P 'docker://*' || compset -P 'docker-daemon:*'; then
        _message 'name of an image'
    else
        local found=1
        compadd -S '' -a transports && found=0
        _files && found=0
        return found
    fi
}
# What is in a registry alone.
(( $+functions[_layerpress_registry] )) ||
_layerpress_registry() {
    if compset -P 'docker://*'; then
        _message 'name in a registry'
    else
        compadd -S '' docker://
    fi
}
