# SPDX-License-Identifier: BSD-3-Clause
# Completion for fish, which comes from the program itself.
function __cardrig_complete
    set -l words (commandline --tokenize --current-process --cut-at-cursor)
    set -l current (commandline --current-token --cut-at-cursor)
    for line in ($words[1] __complete $words[2..] $current 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path $current
            case :directories
                __fish_complete_directories $current
            case :command
                __fish_complete_command
            case :users
                __fish_complete_users
            case '*'
                echo $line
        end
    end
end
complete --command cardrig --no-files --arguments '(__cardrig_complete)'
