#!/bin/sh
# The program of hello-vm.jt: it runs wherever the job does, in the job's directory.
set -eu
echo "Hello, $1! This is $(uname -s) $(uname -m) on $(uname -n)."
echo "The input file has $(wc -l <words.txt) lines; I sort them."
sort words.txt >sorted.txt
