namespace Berth.Commands;

/// <summary>The scripts that ask Berth what can be typed next.</summary>
/// <remarks>
/// None knows a command of Berth's: they hand on what was typed and show what comes back, so that a script of an older
/// version is as good as one of today. What comes back is compared and shown, and never evaluated.
/// </remarks>
internal static class CompletionScripts
{
    /// <summary>The script of a shell.</summary>
    public static string Of(string shell) => shell switch
    {
        "bash" => Bash,
        "zsh" => Zsh,
        _ => Fish,
    };

    private const string Bash = """
        # bash completion of berth: source <(berth completion bash)
        _berth() {
            local line paths=
            local current=${COMP_WORDS[COMP_CWORD]}
            COMPREPLY=()
            while IFS= read -r line; do
                case $line in
                    :*) paths=$line ;;
                    *) COMPREPLY+=("${line%%$'\t'*}") ;;
                esac
            done < <("${COMP_WORDS[0]/#\~/$HOME}" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
            case $paths in
                :files | :folders)
                    local kind=-f
                    if [ "$paths" = :folders ]; then
                        kind=-d
                    fi
                    compopt -o filenames 2>/dev/null
                    while IFS= read -r line; do
                        COMPREPLY+=("$line")
                    done < <(compgen "$kind" -- "$current")
                    ;;
            esac
        }
        complete -F _berth berth

        """;

    private const string Zsh = """
        #compdef berth
        # zsh completion of berth: berth completion zsh > "${fpath[1]}/_berth"
        _berth() {
            local line paths word about
            local -a found
            found=()
            while IFS= read -r line; do
                case $line in
                    :*) paths=$line ;;
                    *)
                        word=${line%%$'\t'*}
                        about=${line#*$'\t'}
                        found+=("${word//:/\\:}:$about")
                        ;;
                esac
            done < <("${words[1]/#\~/$HOME}" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)
            if (( ${#found} )); then
                _describe -V 'berth' found
            fi
            case $paths in
                :files) _files ;;
                :folders) _files -/ ;;
            esac
        }
        if [ "$funcstack[1]" = "_berth" ]; then
            _berth "$@"
        else
            compdef _berth berth
        fi

        """;

    private const string Fish = """
        # fish completion of berth: berth completion fish > ~/.config/fish/completions/berth.fish
        function __berth_complete
            set -l typed (commandline -opc) (commandline -ct)
            for line in ($typed[1] complete -- $typed[2..-1] 2>/dev/null)
                switch $line
                    case ':files'
                        __fish_complete_path (commandline -ct)
                    case ':folders'
                        __fish_complete_directories (commandline -ct)
                    case ':*'
                    case '*'
                        echo $line
                end
            end
        end
        complete -c berth -f -k -a '(__berth_complete)'

        """;
}
