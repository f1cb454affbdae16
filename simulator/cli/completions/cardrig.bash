# SPDX-License-Identifier: BSD-3-Clause
# Completion for bash, which comes from the program itself.
_cardrig() {
    local -a words=()
    local word line joined=""
    # bash parts words at '=' and ':', too
    for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
        case $word in
        = | : | =*)
            joined=y
            [ ${#words[@]} -eq 0 ] || word=${words[-1]}$word
            [ ${#words[@]} -eq 0 ] || unset 'words[-1]'
            ;;
        *)
            [ -z "$joined" ] || [ ${#words[@]} -eq 0 ] || { word=${words[-1]}$word && unset 'words[-1]'; }
            joined=""
            ;;
        esac
        words+=("$word")
    done
    local current=${COMP_WORDS[COMP_CWORD]}
    case $current in = | :) current="" ;; esac
    local head=${words[-1]%"$current"}
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
        :files)
            compopt -o filenames
            mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$current")
            ;;
        :directories)
            compopt -o filenames
            mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -d -- "$current")
            ;;
        :command) mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -c -- "$current") ;;
        :users) mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -u -- "$current") ;;
        *)
            line=${line%%$'\t'*}
            COMPREPLY+=("${line#"$head"}")
            ;;
        esac
    done < <("${COMP_WORDS[0]}" __complete "${words[@]}" 2>/dev/null)
    # a value or a list goes on
    case ${COMPREPLY[0]-} in *=) compopt -o nospace ;; esac
}
complete -F _cardrig cardrig
