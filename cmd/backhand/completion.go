package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

// The scripts ask the program itself what could come next, so that they never differ from it.
var completions = map[string]string{
	"bash": `_backhand() {
  local words=("${COMP_WORDS[@]:0:COMP_CWORD}")
  [[ ${COMP_WORDS[COMP_CWORD]} == -* ]] && words+=("${COMP_WORDS[COMP_CWORD]}")
  mapfile -t COMPREPLY < <(compgen -W "$("${words[@]}" --generate-bash-completion 2>/dev/null | cut -d: -f1)" -- "${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _backhand backhand
`,
	"zsh": `#compdef backhand
_backhand() {
  local -a found
  found=("${(@f)$(${words[1,CURRENT-1]} --generate-bash-completion 2>/dev/null)}")
  [[ -n "${found[1]}" ]] && _describe backhand found || _files
}
compdef _backhand backhand
`,
	"fish": `complete -c backhand -a '(set -l w (commandline -opc); $w --generate-bash-completion 2>/dev/null | string replace : \t)'
`,
}

func completionCommand() *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print a script that completes commands in a shell", ArgsUsage: "bash|zsh|fish",
		Description: "For bash: source <(backhand completion bash)",
		Action: withArgs(1, 1, func(c *cli.Context) error {
			script, ok := completions[c.Args().First()]
			if !ok {
				return usagef("completion: %q is no shell that is known, want bash, zsh or fish", c.Args().First())
			}
			fmt.Fprint(c.App.Writer, script)
			return nil
		}),
	}
}
