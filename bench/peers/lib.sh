# shellcheck shell=bash disable=SC2016,SC2034 # "$1" is for inner shells; the caller uses lists
# Building and starting of the peers, for bench/run. Sourced after scripts/lib.sh, whose conventions hold here too.

PEERS=(php node python go rust)
PACKAGES_PHP=(php-fpm php-pgsql php-gmp php-apcu)
PEER_SOURCES=$ROOT/bench/peers

php_fpm() { printf '%s\n' /usr/sbin/php-fpm8* | sort -V | tail -n 1; }

# peer_missing NAME: says what a peer needs and is not here.
peer_missing() {
	local program
	case $1 in
	php) [ -x "$(php_fpm)" ] || echo "php-fpm (Debian: ${PACKAGES_PHP[*]})" ;;
	node) for program in node npm; do command -v $program >/dev/null || echo $program; done ;;
	python) /usr/bin/python3 -m pip --version >/dev/null 2>&1 || echo "pip (Debian: python3-pip)" ;;
	go) command -v go >/dev/null || echo "go 1.26 or newer" ;;
	rust) command -v cargo >/dev/null || echo "cargo" ;;
	esac
}

# peer_build NAME KEPT: in KEPT/NAME, unless it was made of the same sources before. Runs as build_user.
peer_build() {
	local name=$1 kept=$2 sources made
	sources=$(cd "$PEER_SOURCES/$name" && find . -type f -not -path './target/*' -print0 | sort -z | xargs -0 sha256sum)
	[ "$(cat "$kept/$name/sources" 2>/dev/null)" != "$sources" ] || return 0
	rm -rf "${kept:?}/$name" "$kept/$name.new"
	mkdir -p "$kept" && cp -R "$PEER_SOURCES/$name" "$kept/$name.new" || return
	made=$kept/$name.new
	case $name in
	node) (cd "$made" && npm ci --omit=dev) || return ;;
	python) /usr/bin/python3 -m pip install -q --no-compile --no-deps --target "$made/lib" -r "$made/requirements.txt" || return ;;
	go) (cd "$made" && go build -trimpath -o peer .) || return ;;
	rust)
		(cd "$made" && CARGO_TARGET_DIR=$kept/rust-target cargo build -q --release --locked) || return
		cp "$kept/rust-target/release/peer" "$made/peer" || return
		;;
	esac
	printf '%s\n' "$sources" >"$made/sources" && mv "$made" "$kept/$name"
}

# peer_start NAME USER DIR DATABASE-SOCKETS CONNECTIONS: from DIR/NAME; leaves DIR/NAME.proc, .log and .sock.
peer_start() {
	local name=$1 user=$2 dir=$3 processes command environment
	# A process a processor, as the guides of Node and uvicorn have it; each with its share of the connections.
	processes=$(nproc)
	[ "$processes" -le "$5" ] || processes=$5
	environment=(PEER_SOCKET="$dir/$name.sock" PEER_CONNECTIONS="$5" PEER_PROCESSES="$processes"
		PGHOST="$4" PGUSER=clientele_serve PGDATABASE=clientele PEER_DATABASE="host=$4 user=clientele_serve dbname=clientele")
	case $name in
	php)
		environment+=(PHP_INI_SCAN_DIR=":$dir/php")
		command=("$(php_fpm)" -F -y "$dir/php/fpm.conf")
		;;
	node)
		environment+=(NODE_ENV=production)
		command=(node "$dir/node/server.js")
		;;
	python)
		environment+=(PYTHONPATH="$dir/python/lib" PYTHONDONTWRITEBYTECODE=1)
		command=(/usr/bin/python3 -m uvicorn --app-dir "$dir/python" --uds "$dir/$name.sock" --workers "$processes"
			--loop uvloop --http httptools --backlog 4096 --no-access-log --no-server-header --no-date-header
			--no-proxy-headers --log-level warning app:app)
		;;
	go | rust) command=("$dir/$name/peer") ;;
	esac
	spawn "$user" "$dir/$name.proc" "$dir/$name.log" env "${environment[@]}" "${command[@]}" || return
	# FPM speaks no HTTP; the others answer 404 here.
	if [ "$name" = php ]; then
		wait_for 20 test -S "$dir/$name.sock"
	else
		wait_for 20 curl -s -o "$dir/$name.first" --unix-socket "$dir/$name.sock" http://bench/
	fi && alive "$dir/$name.proc" >/dev/null && return
	tail -n 15 "$dir/$name.log" >&2
	return 1
}

# peer_server NAME DIR PORT: its part of nginx's configuration.
peer_server() {
	local pass='proxy_pass http://peer-'"$1" keep='keepalive 256;' common=nginx-http.conf
	if [ "$1" = php ]; then
		pass="fastcgi_pass peer-php; fastcgi_param SCRIPT_FILENAME $2/php/index.php" keep='' common=nginx-php.conf
	fi
	cat <<-CONF
		upstream peer-$1 {
			server unix:$2/$1.sock;
			$keep
		}
		server {
			listen 127.0.0.1:$3;
			location / {
				include $common;
				$pass;
			}
		}
	CONF
}
