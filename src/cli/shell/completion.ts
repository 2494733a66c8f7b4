/** The command `completion`: what a shell loads to complete command lines. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { FileAccess } from '../../config/file/disk-files.ts';
import type { Names } from '../../config/names.ts';
import { EXIT, type ExitCode } from '../../core/errors.ts';
import { type CliContext, configFile, print } from '../terminal/context.ts';
import { plain } from '../terminal/format.ts';
import { complete } from './complete.ts';

/** After the words, this line says that files may follow, too. */
const FILES = ':files';

/** `completion SHELL`: what the shell has to load to complete command lines. */
export function completion(shell: Shell, context: CliContext): ExitCode {
  print(context, [SCRIPTS[shell](programOf(context))]);
  return EXIT.ok;
}

/**
 * Answers a shell: one candidate a line with a tab and what it is, then `:files` where files may follow. Whatever is
 * wrong with the configuration or the line, there is an answer and nothing on standard error.
 *
 * @param words what is typed after the program's name; the last is the word at the cursor
 */
export async function answerShell(program: Command, words: readonly string[], context: CliContext): Promise<ExitCode> {
  const names = (config: string | undefined) => namesOf(configFile(config ? { config } : {}, context).file, context);
  try {
    const found = await complete(program, words, names);
    print(context, [
      ...found.candidates.map(({ word, about }) => (about ? `${plain(word)}\t${plain(about)}` : plain(word))),
      ...(found.files ? [FILES] : []),
    ]);
  } catch {
    // A shell that gets no words completes nothing; a message would destroy the line that is being typed.
  }
  return EXIT.ok;
}

/** The names in a file. What reads it is loaded only now: most words have nothing to do with a configuration. */
async function namesOf(file: string, { cwd }: CliContext): Promise<Names> {
  const [{ namesIn }, { diskFilesFrom }] = await Promise.all([
    import('../../config/names.ts'),
    import('../../config/file/disk-files.ts'),
  ]);
  const disk = diskFilesFrom(cwd);
  // Without what may be waited for when it is read, such as a pipe: a shell does not wait.
  const files: FileAccess = {
    ...disk,
    read(path) {
      if (!statSync(resolve(cwd, path)).isFile()) throw new Error(`${path} is no file`);
      return disk.read(path);
    },
  };
  return namesIn(file, files);
}

/** How a shell calls this program: by its name where it is installed, else with the whole path. */
function programOf({ invocation, cwd }: CliContext): string {
  const [node, script] = invocation.split(/ (.*)/s);
  return script ? `${node} ${quoted(resolve(cwd, script))}` : invocation;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

const SCRIPTS: Readonly<Record<Shell, (program: string) => string>> = {
  bash: (
    program,
  ) => `# Completion of millgate for bash. For every shell: millgate completion bash > ~/.local/share/bash-completion/completions/millgate
# For this one only: source <(millgate completion bash)
_millgate() {
  local line files= current=\${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      ${FILES}) files=1 ;;
      *) COMPREPLY+=("\${line%%$'\t'*}") ;;
    esac
  done < <(${program} ${COMPLETE} "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  if [[ -n $files ]]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "\${current#=}")
  fi
}
complete -F _millgate millgate`,
  zsh: (program) => `#compdef millgate
# Completion of millgate for zsh. For every shell: millgate completion zsh > a folder of $fpath, as _millgate
# For this one only: source <(millgate completion zsh)
_millgate() {
  local line files=
  local -a found
  while IFS= read -r line; do
    case $line in
      ${FILES}) files=1 ;;
      *$'\t'*) found+=("\${\${line%%$'\t'*}//:/\\\\:}:\${line#*$'\t'}") ;;
      *) found+=("\${line//:/\\\\:}") ;;
    esac
  done < <(${program} ${COMPLETE} "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( \${#found} )) && _describe -V millgate found
  [[ -n $files ]] && _files
}
if [[ \${funcstack[1]} == _millgate ]]; then _millgate "$@"; else compdef _millgate millgate; fi`,
  fish: (
    program,
  ) => `# Completion of millgate for fish. For every shell: millgate completion fish > ~/.config/fish/completions/millgate.fish
# For this one only: millgate completion fish | source
function __millgate_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in (${program} ${COMPLETE} $words[2..-1] "$current" 2>/dev/null)
        if test "$line" = ${FILES}
            __fish_complete_path "$current"
        else
            echo $line
        end
    end
end
complete -c millgate -f -k -a '(__millgate_complete)'`,
};

/** The shells that `completion` knows. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** One of {@link SHELLS}. */
export type Shell = (typeof SHELLS)[number];

/** The word by which a shell asks what may come next. It is no command: help does not show it. */
export const COMPLETE = '__complete';
