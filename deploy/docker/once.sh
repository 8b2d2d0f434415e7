#!/bin/sh
# once OUTPUT COMMAND...: run a command unless the file that it makes is there.
#
# Compose starts finished one-shot services again with every `up`; this makes that cost nothing.
#   OUTPUT        the file that the command makes; one that ends in .done is an empty mark, made here on success
#   NEEDS=FILE    without that file there is nothing to do, which is no failure
#   REBUILD=1     run the command in any case
set -eu

if [ "$#" -lt 2 ]; then
    echo "once: needs OUTPUT and COMMAND, given $# arguments" >&2
    exit 64
fi
output=$1
shift

if [ -n "${NEEDS:-}" ] && [ ! -e "$NEEDS" ]; then
    echo "once: skipped, $NEEDS is not there: $*"
    exit 0
fi
if [ -z "${REBUILD:-}" ] && [ -e "$output" ]; then
    echo "once: skipped, $output is there (REBUILD=1 makes it again): $*"
    exit 0
fi

echo "once: $*"
"$@"
case $output in
*.done) : >"$output" ;;
*) [ -e "$output" ] || {
    echo "once: the command succeeded, but $output is not there" >&2
    exit 70
} ;;
esac
