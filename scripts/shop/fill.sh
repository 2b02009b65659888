# shellcheck shell=bash disable=SC2016,SC2154,SC2001 # "$1" is for inner shells; places are of scripts/demo
# Larkspur, the shop of the demo: an organization with 2,000 customers in either environment, plans in a group, and
# subscriptions and invoices in every state. Sourced by scripts/demo, whose functions and places it uses. All of it goes
# through the commands and the API, as an operator's and a program's data do.
#
# The live environment has what can be so today. That an invoice is overdue, a period over or a trial converted takes
# time, which only a sandbox can let pass: its test clock ends some two months ahead.

SHOP=Larkspur
SHOP_USER=owner@example.com
SHOP_CUSTOMERS=2000

# shop_key live|sandbox
shop_key() { sed -n "s/^$1=//p" "$demo/shop/keys" 2>/dev/null || true; }

# Everything that belongs to somebody is made once; what was begun and not ended is taken away, and made anew.
shop_organization() {
	local id environment
	as_user mkdir -p -m 0700 "$demo/shop" || return
	if clientele org list | grep -qw $SHOP; then
		for id in $(clientele key list --org $SHOP | awk '/^key_/ { print $1 }'); do
			clientele key revoke "$id" || true # it may have ended
		done
		wait_for 90 clientele org delete $SHOP --yes || return # all hosts must have noticed that its keys ended
	fi
	clientele org create $SHOP || return
	for environment in live sandbox; do
		printf '%s=%s\n' $environment "$(clientele key create --org $SHOP --env $environment --name demo)"
	done | as_user sh -c 'umask 077; cat >"$1"' - "$demo/shop/keys"
}

shop_customers() {
	local environment file=$demo/shop/customers.ndjson
	awk -v count=$SHOP_CUSTOMERS -v now="$(date +%s)" -f "$ROOT/scripts/shop/customers.awk" "$ROOT/scripts/shop/words.txt" |
		as_user tee "$file" >/dev/null || return
	for environment in live sandbox; do
		clientele import customers "$file" --org $SHOP --env $environment --created-at || return
	done
	as_user rm -f "$file" "$file.results"
}

# calls ENVIRONMENT: reads lines of METHOD, PATH and perhaps JSON, with tabs between them, makes these calls one after
# the other, and prints each answer on a line. Ends with the first one that is refused.
calls() {
	local first
	IFS= read -r first || return 0
	{
		printf 'fail-early\nsilent\nshow-error\n'
		{ printf '%s\n' "$first" && cat; } | key=$(shop_key "$1") awk -F '\t' -v url="http://127.0.0.1:$port" '
			NR > 1 { print "next" }
			{
				printf "fail-with-body\nwrite-out = \"\\n\"\nurl = \"%s%s\"\nrequest = \"%s\"\nheader = \"x-api-key: %s\"\n", url, $2, $1, ENVIRON["key"]
			}
			$2 ~ /^\/checkout\// { printf "data = \"%s\"\noutput = \"/dev/null\"\n", $3; next } # a page, as a browser would
			$3 != "" {
				gsub(/"/, "\\\"", $3)
				printf "header = \"Content-Type: application/json\"\ndata = \"%s\"\n", $3
			}'
	} | curl -K -
}

# listed ENVIRONMENT PATH [PATTERN]: the ids of what the list has, of those that look so, oldest first.
listed() {
	local page cursor=''
	while :; do
		page=$(printf 'GET\t%s&limit=100%s\n' "$2" "${cursor:+&cursor=$cursor}" | calls "$1") || return
		sed 's/{"id":"\(inv\|sub\)_/\n&/g' <<<"$page" | sed -nE "/${3:-.}/s/^\{\"id\":\"((inv|sub)_[^\"]*)\".*/\1/p"
		cursor=$(sed -nE 's/.*"nextCursor":"([^"]*)".*/\1/p' <<<"$page")
		[ -n "$cursor" ] || return 0
	done | tac
}

# some N: of the lines N in a hundred, evenly.
some() { awk -v n="$1" '(NR * 37) % 100 < n'; }

shop_plans() {
	local group
	group=$(printf 'POST\t/api/v1/plan-groups\t%s\n' '{"name":"Coffee by post","description":"What comes through the letterbox.","isPublic":true}' |
		calls "$1" | sed -n 's/^{"id":"\([^"]*\)".*/\1/p') || return
	awk -v group="$group" -F '|' '
		function call(path, json) { print "POST\t/api/v1/plans" path "\t{" json "}" }
		{
			call("", "\"code\":\"" $1 "\",\"name\":\"" $2 "\",\"description\":\"" $3 "\",\"isPublic\":true" \
				($4 ? ",\"planGroupId\":\"" group "\"" : "") ($5 ? "" : ",\"isFree\":true"))
			for (i = 5; i <= NF; i++) {
				split($i, price, "=")
				if ($i)
					call("/" $1 "/prices", "\"billingInterval\":\"" price[1] "\",\"price\":" price[2] ($1 == "home" ? ",\"trialDays\":14" : ""))
			}
		}' <<-'PLANS' | calls "$1" >/dev/null
		club|Tasting club|A letter about coffee each month, and an invitation to the roastery.|group
		home|Home|Two bags, roasted on the day they leave.|group|monthly=2400|quarterly=6900|yearly=25900
		studio|Studio|A kilogram for a small team.|group|monthly=5900|quarterly=16900|yearly=63900
		office|Office|Five kilograms, a grinder, and somebody who looks after it.|group|monthly=24900|yearly=268900
		gift|Gift box|Three bags, once, in a box.||one_time=3900
		crew|Roastery crew|For those who work here.|
	PLANS
}

# subscribe ENVIRONMENT FIRST LAST MEMBERS: these customers, each to the plan that its number gives; prints the answers.
# With a trial they all begin with a plan that has one.
subscribe() {
	awk -v first="$2" -v last="$3" -v members="$4" 'BEGIN {
		split("home:monthly home:monthly studio:monthly home:quarterly office:monthly studio:monthly home:yearly club studio:yearly gift", kinds, " ")
		for (i = first; i <= last; i++) {
			n = split(members ~ /Trial/ ? kinds[i % 2 + 2] : kinds[i % 10 + 1], kind, ":")
			printf "POST\t/api/v1/subscriptions\t{\"customerId\":\"C%d\",\"planCode\":\"%s\"%s,%s}\n", 12000 - i * 3 % 1999, kind[1],
				(n == 2 ? ",\"billingInterval\":\"" kind[2] "\"" : ""), members
		}
	}' | calls "$1"
}

# begin_trials ENVIRONMENT N: reads answers of subscribe; of a hundred, N customers press the button of their page.
begin_trials() {
	some "$2" | sed -nE 's|.*"checkoutUrl":"[^"]*(/checkout/[^"]*)".*|POST\t\1\tdeed=start|p' | calls "$1"
}

# settle ENVIRONMENT paid|void N: of a hundred outstanding invoices.
settle() {
	listed "$1" '/api/v1/invoices?status=outstanding' | some "$3" |
		sed "s|.*|PUT\t/api/v1/invoices/&/status\t{\"status\":\"$2\"}|" | calls "$1" >/dev/null
}

# each ENVIRONMENT PATTERN N DEED JSON: a call for N in a hundred of the active subscriptions that look so.
each() {
	listed "$1" '/api/v1/subscriptions?status=active' "$2" | some "$3" |
		sed "s|.*|POST\t/api/v1/subscriptions/&/$4\t$5|" | calls "$1" >/dev/null
}

# Sets the sandbox's clock forward, and waits until all that was due has been done.
pass() {
	printf 'POST\t/api/v1/test-clock\t{"advanceDays":%d}\n' "$1" | calls sandbox >/dev/null && wait_for 300 clock_stands
}
clock_stands() {
	printf 'GET\t/api/v1/test-clock\n' | calls sandbox | grep -qE '"latestRun":\{"id":"[^"]*","status":"completed"'
}

# What happens today, in either environment. shop_today ENVIRONMENT FIRST DAY: customers from FIRST on are new, and some
# of them begin on that day.
shop_today() {
	local first=$2
	{ subscribe "$1" "$first" $((first + 39)) '"customTrialDays":14' | begin_trials "$1" 75; } &&
		subscribe "$1" $((first + 40)) $((first + 59)) '"skipTrial":true' &&
		subscribe "$1" $((first + 60)) $((first + 74)) "\"startDate\":\"$3\"" &&
		each "$1" '"name":"Home"' 12 cancel '{"immediate":true,"reason":"moves abroad"}' &&
		each "$1" '"name":"Gift box"' 12 cancel '{"immediate":true,"reason":"sent back"}' &&
		each "$1" '"name":"Home".*"billingInterval":"monthly"' 10 cancel '{"reason":"drinks tea now"}' &&
		each "$1" '"name":"Studio".*"billingInterval":"yearly"' 30 change-plan '{"newBillingInterval":"monthly"}' &&
		each "$1" '"name":"Studio".*"billingInterval":"monthly"' 10 change-plan '{"newBillingInterval":"yearly"}' &&
		settle "$1" void 6
} >/dev/null

shop_live() {
	shop_plans live && subscribe live 1 420 '"skipTrial":true' >/dev/null && settle live paid 92 &&
		shop_today live 421 "$(date -u -d '+20 days' +%F)"
}

shop_sandbox() {
	shop_plans sandbox && subscribe sandbox 1 300 '"skipTrial":true' >/dev/null && settle sandbox paid 95 && pass 31 &&
		settle sandbox paid 90 && subscribe sandbox 301 400 '"skipTrial":true' >/dev/null && settle sandbox paid 92 && pass 33 &&
		settle sandbox paid 88 && pass 16 &&
		shop_today sandbox 401 "$(date -u -d '+100 days' +%F)"
}

shop_fill() {
	shop_organization && shop_customers && shop_live && shop_sandbox && as_user touch "$demo/shop/filled"
}

# Its owner, who is one of Acme, too: what is done there with the keys of the demo shows in the dashboard. A session begins
# where its user was first.
shop_user() {
	local password=$demo/shop/password token
	[ -s "$password" ] ||
		as_user sh -c 'umask 077; head -c 18 /dev/urandom | base64 >"$1.new" && mv "$1.new" "$1"' - "$password" || return
	clientele user list --org $SHOP | grep -qw $SHOP_USER ||
		clientele user create $SHOP_USER owner --org $SHOP --name 'Robin Larkspur' <"$password" || return
	if ! clientele user list --org Acme | grep -w $SHOP_USER | grep -qw active; then
		token=$(clientele user invite $SHOP_USER owner --org Acme) || return
		printf '{"token":"%s","password":"%s"}' "${token##*#}" "$(cat "$password")" |
			curl -fsS -o /dev/null "http://127.0.0.1:$port/api/v1/session/accept" -H 'X-CSRF-Token: 1' \
				-H 'Content-Type: application/json' --data @- || return
	fi
}

# A link to the dashboard that signs its owner in, once. Browsers take its cookie without https at this host name only.
shop_link() { clientele --public-url="http://localhost:$port" user link $SHOP_USER; }
