# shellcheck shell=bash disable=SC2016,SC2034 # "$1" is for inner shells; lists are used by the callers
# What scripts/demo, scripts/check and bench/ share: packages, the unprivileged user, building, and
# starting and stopping of PostgreSQL, Clientele and a web server. Sourced, never run.
#
# Conventions: a function that fails returns non-zero and has said why on stderr; `die` ends the
# script. Processes are started in sessions of their own with a file that holds "pid start-time",
# so that a number which the kernel gave to somebody else is never signalled. Descriptor 9 is the
# scripts' lock and is not passed on.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
export LC_ALL=C.UTF-8
umask 022

case $ROOT in
*[[:space:]]*)
	echo "The folder's name has a space in it, which autotools cannot work with: move $ROOT." >&2
	exit 1
	;;
esac

# ---- talking

say() { printf '%s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }

# die SENTENCE [WHAT TO DO]
die() {
	printf '\nfailed: %s\n' "$1" >&2
	[ $# -lt 2 ] || printf '  %s\n' "${@:2}" >&2
	exit 1
}

now_ms() { date +%s%3N; }

# seconds MS: 12345 becomes 12.3
seconds() { printf '%d.%d' $(($1 / 1000)) $(($1 % 1000 / 100)); }

# A dot every five seconds, until it is killed. It has no child that could outlive it, and no lock.
life_signs() {
	exec 9>&- 8<> <(:)
	while ! read -r -t 5 -u 8 && kill -0 $$ 2>/dev/null; do
		printf .
	done
}

# step TEXT COMMAND...: runs it with its output in $STEP_LOG and shows name, life signs and time.
# The command runs in a subshell: it cannot set variables, and must return its own failures (set -e does
# not reach into it). A failure shows the last $STEP_TAIL lines of its output; the status 77 means skipped,
# with the reason in its last line.
STEP_TAIL=25
STEP_LOG=
step() {
	local text=$1 start status ticker
	shift
	[ -n "$STEP_LOG" ] || STEP_LOG=$(mktemp)
	printf '  %-44s' "$text"
	start=$(now_ms)
	life_signs &
	ticker=$!
	disown "$ticker"
	status=0
	("$@") </dev/null >"$STEP_LOG" 2>&1 || status=$?
	kill -KILL "$ticker" 2>/dev/null || true
	if [ $status -eq 77 ]; then
		printf ' skipped: %s\n' "$(tail -n 1 "$STEP_LOG")"
		return $status
	fi
	if [ $status -ne 0 ]; then
		printf ' failed\n\n'
		tail -n "$STEP_TAIL" "$STEP_LOG" | sed 's/^/    /' >&2
		return $status
	fi
	printf ' %s s\n' "$(seconds $(($(now_ms) - start)))"
}

# ---- users

# The user for everything that must not be root: who called sudo, who owns the clone, or PostgreSQL's.
work_user() {
	local owner
	if [ "$(id -u)" -ne 0 ]; then
		id -un
		return
	fi
	if [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ] && id -u "$SUDO_USER" >/dev/null 2>&1; then
		printf '%s\n' "$SUDO_USER"
		return
	fi
	owner=$(stat -c %U "$ROOT")
	if [ "$owner" != root ] && id -u "$owner" >/dev/null 2>&1; then
		printf '%s\n' "$owner"
		return
	fi
	printf 'postgres\n'
}

# Who builds: the owner of the clone, so that root leaves nothing in it that its owner cannot remove.
build_user() {
	local owner
	owner=$(stat -c %U "$ROOT")
	if [ "$(id -u)" -eq 0 ] && id -u "$owner" >/dev/null 2>&1; then
		printf '%s\n' "$owner"
	else
		id -un
	fi
}

# run_as USER COMMAND...: with a clean environment (no PG*, no CLIENTELE_*) in a folder that exists
# for everybody. The command replaces the shell's child: $! is its pid.
run_as() {
	local user=$1 home switch=()
	shift
	home=$(getent passwd "$user" | cut -d: -f6)
	if [ "$user" != "$(id -un)" ]; then
		switch=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --init-groups)
	fi
	(
		cd /
		exec "${switch[@]}" env -i PATH="$PATH" HOME="${home:-/}" USER="$user" LOGNAME="$user" \
			LC_ALL=C.UTF-8 ${CI:+CI="$CI"} "$@"
	)
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# work_dir NAME USER: prints the real path of var/NAME, a folder of that user's. Where the clone is out
# of that user's reach (below /root, say), it is made below /var/tmp and var/NAME is a link to it.
work_dir() {
	local name=$1 user=$2 dir=$ROOT/var/$1 real
	run_as "$(build_user)" mkdir -p "$ROOT/var" || return
	if [ -L "$dir" ] && [ ! -d "$dir" ]; then
		rm -f "$dir" || return
	fi
	if [ ! -d "$dir" ]; then
		mkdir "$dir" && chown "$user" "$dir" || return
	fi
	real=$(cd "$dir" && pwd -P) || return
	if ! run_as "$user" test -w "$real" -a -x "$real" 2>/dev/null; then
		if [ "$(id -u)" -ne 0 ]; then
			echo "$dir belongs to $(stat -L -c %U "$dir"): run this as that user, or with sudo" >&2
			return 1
		fi
		if [ -L "$dir" ] || ! rmdir "$dir" 2>/dev/null; then
			echo "$dir cannot be used by $user: move it away or delete it" >&2
			return 1
		fi
		real=$(run_as "$user" mktemp -d -p /var/tmp --suffix=".clientele-$name") || return
		ln -s "$real" "$dir" || return
		echo "  $user cannot reach $ROOT, so var/$name is a link to $real" >&2
	fi
	printf '%s\n' "$real"
}

# socket_dir LINK USER: prints a folder for sockets that only that user can enter; LINK becomes it or
# points to it. A socket's path must stay below 108 bytes, so deep clones get one in /tmp.
socket_dir() {
	local link=$1 user=$2 real
	if [ -L "$link" ] && [ "$(stat -L -c %U "$link" 2>/dev/null)" != "$user" ]; then
		rm -f "$link"
	fi
	if [ ! -d "$link" ]; then
		if [ ${#link} -le 85 ]; then
			run_as "$user" mkdir -m 0700 "$link" || return
		else
			real=$(run_as "$user" mktemp -d -p /tmp --suffix=.clientele) || return
			run_as "$user" ln -s "$real" "$link" || return
		fi
	fi
	(cd "$link" && pwd -P)
}

# ---- packages (names of Debian)

PACKAGES_BUILD=(gcc libc6-dev make autoconf automake autoconf-archive pkg-config
	libfcgi-dev libjson-c-dev libpq-dev libssl-dev libargon2-dev libmicrohttpd-dev libseccomp-dev
	libcsv-dev)
PACKAGES_RUN=(postgresql curl)

# missing_packages NAME...: prints those that are not there. Things that often come from elsewhere
# count by what they bring. On another system than Debian nothing is known to be missing.
missing_packages() {
	local name installed
	command -v dpkg-query >/dev/null || return 0
	installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null) || true
	for name in "$@"; do
		case $name in
		postgresql) pg_bindir >/dev/null 2>&1 && continue ;;
		nodejs) command -v node >/dev/null && continue ;;
		prometheus) command -v promtool >/dev/null && continue ;; # its program that judges metrics
		npm | clang | curl | shellcheck | caddy) command -v "$name" >/dev/null && continue ;;
		python3-*) "${PYTHON:-python3}" -c "import ${name#python3-}" 2>/dev/null && continue ;;
		esac
		grep -qx "$name installed" <<<"$installed" || printf '%s\n' "$name"
	done
}

# Installs without starting anything: what would serve on this machine from now on does so from its next boot on.
# Else all is as Debian's packages make it, so that the next package finds what it expects: services are enabled, and
# PostgreSQL has its cluster. A subshell, so that what holds the services back goes away however it ends.
apt_install() (
	policy=/usr/sbin/policy-rc.d
	if [ ! -e $policy ]; then
		trap 'as_root rm -f $policy' EXIT
		printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null && as_root chmod 0755 $policy || return
	fi
	as_root apt-get update -qq || warn "apt-get update failed, trying with the lists that are there"
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
)

# What sql/ is written for. README.md and debian/control name it too.
POSTGRESQL_OLDEST=15

# judge_postgresql: dies when the one that is here, or that apt would install, is too old.
judge_postgresql() {
	local bin version
	if bin=$(pg_bindir 2>/dev/null); then
		version=$("$bin/initdb" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
	else
		version=$(apt-cache policy postgresql 2>/dev/null | sed -n 's/^ *Candidate: \([0-9]*\).*/\1/p')
	fi
	[ "${version:-$POSTGRESQL_OLDEST}" -ge $POSTGRESQL_OLDEST ] ||
		die "PostgreSQL $version is too old: it must be $POSTGRESQL_OLDEST or newer." \
			"Debian 12 has 15; apt.postgresql.org has newer ones for older systems."
}

# need_packages INSTALL NAME...: installs what is missing, or says how; when INSTALL is not "yes", only says what is missing.
need_packages() {
	local install=$1 missing=() command
	shift
	[[ " $* " != *" postgresql "* ]] || judge_postgresql
	command -v dpkg-query >/dev/null || {
		warn "this is not a Debian: hoping that these are there: $*"
		return
	}
	mapfile -t missing < <(missing_packages "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$install" != yes ]; then
		warn "not installed: ${missing[*]}"
		return
	fi
	command="apt-get install --no-install-recommends ${missing[*]}"
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null ||
			die "packages are missing, and there is no sudo here." "As root: $command"
		sudo -n true 2>/dev/null || [ -t 0 ] ||
			die "packages are missing, and sudo wants a password but there is no terminal." "Run: sudo $command"
		sudo -v || die "packages are missing." "As root: $command"
	fi
	say "  missing packages: ${missing[*]}"
	step "installing ${#missing[@]} packages" apt_install "${missing[@]}" ||
		die "the packages could not be installed." "As root: apt-get update && $command"
	[ ! -d /run/systemd/system ] || say "  Their services are not started now, but from the next boot on."
}

# ---- building

# build_tree BUILD [CONFIGURE-ARGUMENT...]: out of tree, only what is out of date. Runs as build_user.
build_tree() {
	local build=$1 user wanted
	shift
	user=$(build_user)
	wanted="$ROOT/configure -q $*"
	run_as "$user" mkdir -p "$build" || return
	# A resource more or less is noticed by its files.
	if [ ! -x "$ROOT/configure" ] || [ "$ROOT/configure.ac" -nt "$ROOT/configure" ] ||
		! (cd "$ROOT" && sh src/resource/list.sh) | cmp -s - "$ROOT/src/resource/files.inc"; then
		run_as "$user" sh -c 'cd "$1" && autoreconf -fi' - "$ROOT" || return
	fi
	if [ ! -f "$build/Makefile" ] || [ "$(cat "$build/configured" 2>/dev/null)" != "$wanted" ]; then
		run_as "$user" sh -c 'cd "$1" && shift && "$@"' - "$build" "$ROOT/configure" -q "$@" || return
		run_as "$user" sh -c 'printf "%s\n" "$2" >"$1"/configured' - "$build" "$wanted" || return
	fi
	run_as "$user" make -s -C "$build" -j"$(nproc)"
}

# ---- processes

# alive FILE: is the process of this file ("pid start-time", or a pid alone) there? Prints its pid. One
# that has ended and only waits for its parent to notice is not.
alive() {
	local pid born='' state since
	[ -s "$1" ] && read -r pid born <"$1" && read -r state since < <(process_stat "$pid") || return 1
	[ "$state" != Z ] && { [ -z "$born" ] || [ "$born" = "$since" ]; } || return 1
	printf '%s\n' "$pid"
}

# process_stat PID: its state, and when the kernel started it, in ticks since boot.
process_stat() { sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f1,20; }

# spawn USER FILE LOG COMMAND...: in a session of its own, with "pid start-time" in FILE.
spawn() {
	local user=$1 file=$2 log=$3 pid
	shift 3
	run_as "$user" rm -f "$file"
	run_as "$user" setsid -f bash -c 'echo $$ >"$1.new" && mv "$1.new" "$1" && exec >>"$2" 2>&1 && shift 2 && exec "$@"' \
		- "$file" "$log" "$@" </dev/null >/dev/null 2>&1 9>&- || return
	wait_for 5 test -s "$file" || return
	read -r pid <"$file"
	run_as "$user" sh -c 'echo "$2 $3" >"$1"' - "$file" "$pid" "$(process_stat "$pid" | cut -d' ' -f2)"
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
	local end=$(($(now_ms) + $1 * 1000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(now_ms)" -lt $end ] || return 1
		sleep 0.05
	done
}

# gone FILE: no process of this file is left.
gone() { ! alive "$1" >/dev/null; }

# stop_process FILE SECONDS: SIGTERM, then SIGKILL. Nothing to stop is success.
stop_process() {
	local pid
	if pid=$(alive "$1"); then
		kill -TERM "$pid" 2>/dev/null || true
		if ! wait_for "$2" gone "$1"; then
			warn "process $pid did not end within $2 s, killing it"
			kill -KILL "$pid" 2>/dev/null || true
			wait_for 5 gone "$1" || return
		fi
	fi
	rm -f "$1"
}

# ---- PostgreSQL: a private cluster, reached over a socket in a folder that only its user can enter

# pg_bindir [DATA]: the programs of the newest PostgreSQL here, or those that fit the cluster.
pg_bindir() {
	local wanted='*' dir
	[ -z "${1:-}" ] || [ ! -f "$1/PG_VERSION" ] || wanted=$(cat "$1/PG_VERSION")
	# shellcheck disable=SC2086 # the pattern is meant to be expanded
	dir=$(printf '%s\n' /usr/lib/postgresql/$wanted/bin/initdb | sort -V | tail -n 1)
	if [ -x "$dir" ]; then
		dirname "$dir"
	elif [ "$wanted" = '*' ] && command -v initdb >/dev/null; then
		dirname "$(command -v initdb)"
	else
		echo "PostgreSQL ${wanted/\*/} is not installed (no initdb)" >&2
		return 1
	fi
}

# cluster_create USER DATA: the superuser is "postgres" and needs no password: the folder is the lock.
cluster_create() {
	local user=$1 data=$2 bin
	bin=$(pg_bindir) || return
	run_as "$user" rm -rf "$data.new" || return
	run_as "$user" "$bin/initdb" -D "$data.new" -U postgres --auth=trust --data-checksums \
		--encoding=UTF8 --locale=C.UTF-8 || return
	run_as "$user" tee -a "$data.new/postgresql.conf" >/dev/null <<-'CONF' || return

		# A private cluster: no TCP, and no customer's data in the log.
		listen_addresses = ''
		log_parameter_max_length = 0
		log_parameter_max_length_on_error = 0
		log_min_error_statement = panic
	CONF
	run_as "$user" mv "$data.new" "$data"
}

# cluster_start USER DATA SOCKETS LOG [POSTGRES-OPTION...]
cluster_start() {
	local user=$1 data=$2 sockets=$3 log=$4 bin
	shift 4
	bin=$(pg_bindir "$data") || return
	run_as "$user" "$bin/pg_ctl" -D "$data" status >/dev/null 2>&1 && return 0
	run_as "$user" "$bin/pg_ctl" -s -w -t 60 -D "$data" -l "$log" -o "-k $sockets $*" start \
		>/dev/null 9>&- && return 0
	tail -n 15 "$log" >&2
	return 1
}

cluster_running() {
	[ -s "$2/postmaster.pid" ] && run_as "$1" "$(pg_bindir "$2")/pg_ctl" -D "$2" status >/dev/null 2>&1
}

cluster_stop() {
	cluster_running "$1" "$2" || return 0
	run_as "$1" "$(pg_bindir "$2")/pg_ctl" -s -w -t 60 -m fast -D "$2" stop
}

# cluster_psql USER SOCKETS ARGUMENT...: psql as the superuser.
cluster_psql() {
	local user=$1 sockets=$2
	shift 2
	run_as "$user" "$(pg_bindir)/psql" -X -q -v ON_ERROR_STOP=1 -h "$sockets" -U postgres "$@"
}

# database_url ROLE SOCKETS [DATABASE]
database_url() { printf 'postgresql://%s@/%s?host=%s' "$1" "${3:-clientele}" "${2//\//%2F}"; }

# ---- web servers, with the files of conf/ as they are; only the site file (address and socket) is made

# web_start SERVER USER DIR CONF PORT SOCKET: SERVER is nginx or lighttpd, DIR its own folder, CONF the
# folder of the shipped files. Leaves DIR/pid and DIR/log.
web_start() {
	local server=$1 user=$2 dir=$3 conf=$4 port=$5 socket=$6 program
	program=$(PATH=$PATH:/usr/sbin:/usr/local/sbin command -v "$server") || {
		echo "$server is not installed" >&2
		return 1
	}
	run_as "$user" rm -rf "$dir" || return
	run_as "$user" mkdir -p "$dir" || return
	run_as "$user" sh -c 'cp -R "$1"/"$2"* "$3"/' - "$conf" "$server" "$dir" || return
	case $server in
	nginx)
		run_as "$user" sed -i -e "s|listen 8080;|listen 127.0.0.1:$port;|" \
			-e "s|server unix:[^ ;]*|server unix:$socket|" \
			-e "s|default \"\";|default \"http://127.0.0.1:$port\";|" "$dir/nginx-site.conf" || return
		spawn "$user" "$dir/pid" "$dir/log" \
			"$program" -e stderr -p "$dir" -c "$dir/nginx.conf" -g 'daemon off;' || return
		;;
	lighttpd)
		run_as "$user" sed -i -e "s|^server.bind := .*|server.bind := \"127.0.0.1\"|" \
			-e "s|^server.port := .*|server.port := $port|" \
			-e "s|^var.clientele_backend = .*|var.clientele_backend = (\"socket\" => \"$socket\")|" \
			-e "s|^var.clientele_errors = .*|var.clientele_errors = \"$dir/lighttpd-errors\"|" \
			"$dir/lighttpd-site.conf" || return
		run_as "$user" sh -c 'sed -i "s|\"doc_url\":\"|&$1|" "$2"/*.html' - "http://127.0.0.1:$port" \
			"$dir/lighttpd-errors" || return
		spawn "$user" "$dir/pid" "$dir/log" "$program" -D -f "$dir/lighttpd.conf" || return
		;;
	esac
	wait_for 5 port_taken "$port" && alive "$dir/pid" >/dev/null && return
	cat "$dir/log" >&2
	return 1
}

port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
