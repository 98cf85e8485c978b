#!/usr/bin/env bash
# The GitHub Action's replay, from the caller's checkout into the run folder $1: its pull request against its base branch.
# Every value comes from the environment and is a word of its own: nothing is evaluated.
set -euo pipefail
out=$1
# the action's own program plans, measures and reports; of the caller it runs code in arms only, where that code is Retake's
retake() { "$ACTION_PATH/node_modules/.bin/node" "$ACTION_PATH/cli/main.ts" "$@"; }
data=${DATA:-}
if [ -z "$data" ]; then
  data=$(mktemp -d)
  retake sessions import "$ACTION_PATH/fixtures" --data "$data"
fi
words=(--data "$data" --world "${WORLD:-sim}" -o "$out")
if [ -n "${SESSIONS:-}" ]; then words+=(--sessions "$SESSIONS"); fi
if [ -n "${BASELINE_REF:-}" ] || [ -f replay/worker.ts ]; then
  words+=(--repository "$PWD")
  ref=${BASELINE_REF:-${BASE_BRANCH:-}}
  if [ -n "$ref" ]; then
    # a shallow checkout has no base branch
    git fetch --quiet --depth=1 origin "+refs/heads/$ref:refs/remotes/origin/$ref" 2>/dev/null || true
    if git rev-parse --quiet --verify "origin/$ref^{commit}" >/dev/null; then ref=origin/$ref; fi
    words+=(--baseline-ref "$ref")
  fi
else
  echo "::notice::this repository holds no code of Retake: strategies are compared (input args), commits are not"
fi
while IFS= read -r word; do
  if [ -n "$word" ]; then words+=("$word"); fi
done <<<"${ARGS:-}"
retake replay "${words[@]}"
