#!/bin/sh
# bench/link_eval: a line for each question in their order, all tables in it, whatever the names, and
# what is wrong said by file and line. A row that can't be ranked costs the exit status, not the rest.
link_eval=${top_builddir:-.}/bench/link_eval
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" && case $link_eval in /*) ;; *) link_eval=$OLDPWD/$link_eval ;; esac
failures=0

fail() {
	echo "$1" >&2
	failures=1
}

# status, and what must be in its output: of $schemas and $questions, or those that are given
expect() {
	name=$1 status=$2 wanted=$3
	printf '%s\n' "${4-$schemas}" >schemas.json
	printf '%s\n' "${5-$questions}" >questions.jsonl
	timeout 20 "$link_eval" --schemas schemas.json --questions questions.jsonl --out out.jsonl >output 2>&1
	is=$?
	[ $is = "$status" ] || fail "$name: exit status $is, not $status: $(cat output)"
	grep -qF -- "$wanted" output || fail "$name: no \"$wanted\" in: $(cat output)"
}

# the ranks that were written
ranks() {
	[ "$(cat out.jsonl)" = "$1" ] || fail "$name: wrote $(cat out.jsonl), not $1"
}

many=$(seq -f '"t%g":["a"]' -s , 120)
schemas="{\"shop\":{\"orders\":[\"id\",\"total\"],\"straße 东 (x)\":[\"naïve name\"],\"a.b\":[\"c.d\"],\"\":[\"\"]},
\"empty\":{},\"many\":{$many}}"
questions='{"id":"q1","db":"shop","text":"Total of the orders?","tables":["orders"],"columns":["orders.total"]}

{"id":2,"db":"shop","text":"c d of a b","tables":["a.b"],"columns":["a.b.c.d"],"more":[]}
{"id":"q3","db":"shop","text":"straße"}
{"id":"q4","db":"empty","text":"anything"}'
expect "odd names" 0 "100.00 % of 2"
ranks '{"id":"q1","tables":["orders","straße 东 (x)","a.b",""]}
{"id":2,"tables":["a.b","orders","straße 东 (x)",""]}
{"id":"q3","tables":["straße 东 (x)","orders","a.b",""]}
{"id":"q4","tables":[]}'

expect "many tables" 0 "nothing to judge" "$schemas" '{"id":1,"db":"many","text":"t7"}'
[ "$(tr , '\n' <out.jsonl | grep -c '"t[0-9]')" = 120 ] || fail "not all tables are ranked"
expect "no table at all" 0 "nothing to judge" '{"empty":{}}' '{"id":1,"db":"empty","text":"t"}'

expect "an unknown database" 1 "questions.jsonl:1: there is no database gone" "$schemas" '{"id":1,"db":"gone","text":"x"}
{"id":2,"db":"empty"}'
grep -qF "questions.jsonl:2: it has no text" output || fail "no text: $(cat output)"
ranks '{"id":1,"tables":[]}
{"id":2,"tables":[]}'
expect "a table that there is not" 0 "questions.jsonl:1: there is no table gone" "$schemas" \
	'{"id":1,"db":"shop","text":"x","tables":["gone",7]}'
grep -qF "first 5      0.00 % of 1" output || fail "it is no miss: $(cat output)"
expect "no question" 1 "questions.jsonl: there is no question in it" "$schemas" ""
expect "a line that is no JSON" 1 "questions.jsonl:2: " "$schemas" '{"id":1,"db":"empty","text":"x"}
{"id":'
expect "a line that is no object" 1 "questions.jsonl:1: it is no JSON object" "$schemas" '[1]'
expect "no object of databases" 1 "schemas.json:1: it is no object of databases" '[]'
expect "no object of tables" 1 "schemas.json: a is no object of tables" '{"a":[]}'
expect "no list of columns" 1 "schemas.json: a.t is no list of names of columns" '{"a":{"t":["x",null]}}'
exit $failures
