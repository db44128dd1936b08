#!/bin/bash
# Every bench runs and gives its figures, on small numbers: how fast it is, `make bench` says.
exec "$(dirname "$0")/../../bench/run" --smoke
