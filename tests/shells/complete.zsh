# complete.zsh FOLDER LINE…: what an interactive zsh makes of each line when Tab is pressed at its end, a line each, after one for
# what loading the completions in the folder says.
zmodload zsh/zpty
folder=$1 out=$(mktemp)
shift
zpty -b shell zsh -f -i
zpty -w shell "fpath=(${(q)folder} \$fpath); autoload -Uz compinit; print -r -- \"loaded:\$(compinit -u -D 2>&1)\" >>$out; compinit -u -D
probe() { zle complete-word; print -r -- \"\$BUFFER\" >>$out; BUFFER= }; zle -N probe; bindkey '^I' probe"
for line; do zpty -w -n shell "$line"$'\t'; done
integer left=600
while (( $(wc -l <$out) <= $# && left-- )); do zpty -r -t shell said; sleep 0.1; done
zpty -d shell
cat $out
rm -f $out
