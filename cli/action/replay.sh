#!/usr/bin/env bash
# The GitHub Action's replay: the checked-out pull request against its base branch, into the run folder $1.
# Every value comes from the environment and is a word of its own: nothing is evaluated.
set -euo pipefail
out=$1
root=${ACTION_PATH:?}
# a pull request of Retake itself is measured by its own code, not by the action's copy
if [ -f cli/main.ts ]; then root=$PWD; fi
retake() { "$ACTION_PATH/node_modules/.bin/node" "$root/cli/main.ts" "$@"; }
if [ "$root" != "$ACTION_PATH" ]; then node scripts/with-modules.mjs; fi
data=${DATA:-}
if [ -z "$data" ]; then
  data=$(mktemp -d)
  retake sessions import "$root/fixtures" --data "$data"
fi
words=(--data "$data" --world "${WORLD:-sim}" -o "$out")
if [ -n "${SESSIONS:-}" ]; then words+=(--sessions "$SESSIONS"); fi
if [ -n "${BASELINE_REF:-}" ]; then
  # a shallow checkout has no base branch
  git fetch --quiet --depth=1 origin "+refs/heads/$BASELINE_REF:refs/remotes/origin/$BASELINE_REF" 2>/dev/null || true
  if git rev-parse --quiet --verify "origin/$BASELINE_REF^{commit}" >/dev/null; then
    words+=(--baseline-ref "origin/$BASELINE_REF")
  else
    words+=(--baseline-ref "$BASELINE_REF")
  fi
fi
while IFS= read -r word; do
  if [ -n "$word" ]; then words+=("$word"); fi
done <<<"${ARGS:-}"
retake replay "${words[@]}"
